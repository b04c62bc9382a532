//! The checks of the fuzz targets. The programs in `targets/` feed them with random input; the
//! tests below feed them with the corpus, so `cargo test` retries each input that broke something.
//!
//! Every `check` panics when an invariant is broken, and returns whether the input was accepted.

pub mod front_matter;
pub mod markdown;
#[cfg(fuzzing)]
pub mod memory;
pub mod search_index;
pub mod webhook;

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Runs the corpus of a target, and returns how many inputs were accepted.
    fn replay(target: &str, check: fn(&[u8]) -> bool) -> usize {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|file| check(&std::fs::read(file).unwrap())).count()
    }

    #[test]
    fn front_matter_corpus_passes_and_some_of_it_has_keys() {
        assert!(replay("front_matter", super::front_matter::check) > 3);
    }

    #[test]
    fn markdown_corpus_passes_and_some_of_it_reaches_the_graph() {
        assert!(replay("markdown", super::markdown::check) > 3);
    }

    #[test]
    fn search_index_corpus_passes_and_some_of_it_is_an_index() {
        assert!(replay("search_index", super::search_index::check) > 0);
    }

    #[test]
    fn webhook_corpus_passes_and_some_of_it_are_messages() {
        assert!(replay("webhook", super::webhook::check) > 3);
    }
}
