//! Rule for the documents that name tests as proofs: each test and each Rust file exists.

use std::path::Path;

/// Minimum underscores of a name that counts as a test, so that short identifiers stay free.
const TEST_UNDERSCORES_MIN: usize = 3;

/// The documents.
const DOCUMENTS: [&str; 3] = ["ARCHITECTURE.md", "attacks/README.md", "docs/security.md"];

/// Adds the tests and files that a document names and the tree lacks.
pub(super) fn rules(root: &Path, files: &[(String, String)], found: &mut Vec<String>) {
    for path in DOCUMENTS {
        let document = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        check(path, &document, files, found);
    }
}

fn check(path: &str, document: &str, files: &[(String, String)], found: &mut Vec<String>) {
    for name in quoted(document) {
        let missing = if name.ends_with(".rs") && !name.contains('<') {
            !files.iter().any(|(path, _)| path.ends_with(name))
        } else if is_test(name) {
            let head = format!("fn {name}(");
            !files.iter().any(|(_, text)| text.contains(&head))
        } else {
            false
        };
        if missing {
            found.push(format!("{path}: `{name}` does not exist; name what replaced it"));
        }
    }
}

/// The texts between backticks of one line.
fn quoted(document: &str) -> impl Iterator<Item = &str> {
    document.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn is_test(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.matches('_').count() >= TEST_UNDERSCORES_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architecture_names_are_read_from_backticks() {
        let names: Vec<&str> = quoted("a `one_two_three_four` b\n`x.rs` and `y").collect();
        assert_eq!(names, ["one_two_three_four", "x.rs", "y"]);
        assert!(is_test("one_two_three_four") && !is_test("a_port") && !is_test("A_b_c_d"));
    }
}
