//! Fuzz target: a Markdown file on its way to the graph.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz::memory::bounded(data.len(), || fuzz::markdown::check(data));
});

/// An ordinary build has no fuzzer in it.
#[cfg(not(fuzzing))]
fn main() {}
