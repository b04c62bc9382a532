//! Executable stories in Markdown: each `NN-title.md` of this folder is a tutorial, an example and
//! a regression test.
//!
//! `README.md` explains how to write a story. The code, from the text to the hosts:
//!
//! * [`story`] finds the fenced blocks, [`grammar`] parses their lines with the forms of [`step`],
//!   [`agent`] and [`exchange`];
//! * [`player`] runs the steps on a [`host::Host`] and reports the failing one ([`failure`]);
//! * [`mod@stories`] makes a test of each story;
//! * [`in_process`], [`native`] and [`workerd`] are the hosts; [`telegram`] is their fake platform.

#![allow(
    clippy::result_large_err,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test equipment: whatever is odd must stop the test"
)]

pub mod agent;
pub mod checks;
pub mod configuration;
pub mod exchange;
pub mod failure;
pub mod grammar;
pub mod host;
pub mod in_process;
pub mod native;
pub mod player;
pub mod step;
pub mod stories;
pub mod story;
pub mod telegram;
pub mod workerd;

use std::path::{Path, PathBuf};

/// The folder with the stories.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every story's file name, sorted by its number.
pub fn stories() -> Vec<String> {
    let names = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| name.ends_with(".md") && name.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    names.sort();
    names
}

/// Reads one story of the folder.
///
/// # Errors
/// The first invalid line, with its position.
pub fn read(name: &str) -> Result<story::Story, failure::Failure> {
    let path: PathBuf = folder().join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    story::Story::parse(&format!("scenarios/{name}"), &text)
}
