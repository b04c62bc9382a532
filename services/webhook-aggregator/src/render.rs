//! Answers as chats show them. Markdown is read once ([`markdown`]) into a text with marks
//! ([`Rich`]), cut into messages by its size as sent ([`parts()`]), and written by each channel.

mod cut;
mod emphasis;
mod markdown;
mod markup;
mod parts;
mod rich;
mod table;
#[cfg(test)]
mod tests;

pub use cut::Room;
pub use markdown::{of_markdown, of_question};
pub use markup::{Markup, write};
pub use parts::{MESSAGES_MAX, Parts, Rest, parts};
pub use rich::{Mark, Rich, Span};
