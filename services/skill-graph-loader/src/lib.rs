//! Turns a folder of Markdown into the versioned skill graph everybody routes and searches by.

pub mod check;
pub mod parse;
pub mod search;

pub use parse::Parsed;
