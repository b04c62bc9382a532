//! Rule for the documents that name tests as proofs: each test and each Rust file exists.

use std::collections::BTreeSet;
use std::path::Path;

/// Minimum underscores of a name that counts as a test, so that short identifiers stay free.
const TEST_UNDERSCORES_MIN: usize = 3;

/// The documents.
const DOCUMENTS: [&str; 3] = ["ARCHITECTURE.md", ATTACKS, MODEL];
const ATTACKS: &str = "attacks/README.md";
const MODEL: &str = "docs/security.md";
/// The attacks that are also played on Cloudflare's runtime.
const PLAYED: &str = "e2e/attacks.test.mjs";

/// Adds the tests and files that a document names and the tree lacks.
pub(super) fn rules(root: &Path, files: &[(String, String)], found: &mut Vec<String>) {
    for path in DOCUMENTS {
        match std::fs::read_to_string(root.join(path)) {
            Ok(document) => check(path, &document, files, found),
            Err(error) => found.push(format!("{path}: {error}")),
        }
    }
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    unlisted(&read(MODEL), &read(ATTACKS), found);
    attacks(&read(ATTACKS), &read(PLAYED), files, found);
}

/// Folders whose code runs natively only; everything else is compiled for both runtimes.
const NATIVE: [&str; 4] =
    ["runtimes/native/", "services/agency-gateway/", "sandbox/", "scenarios/"];

/// Checks the list of attacks: the column that says where a row's tests run, and the count.
fn attacks(document: &str, played: &str, files: &[(String, String)], found: &mut Vec<String>) {
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| ---");
    let rows = document.lines().filter(is_row).filter(|line| !line.starts_with("| attack"));
    let played = played_tests(played);
    let mut count = 0;
    let (mut names, mut listed) = (BTreeSet::new(), BTreeSet::new());
    for row in rows {
        count += 1;
        let tests: Vec<&str> = quoted(row).filter(|name| is_test(name)).collect();
        let sentences: Vec<&str> = row
            .split(" | ")
            .nth(1)
            .map(quoted)
            .into_iter()
            .flatten()
            .filter(|t| t.contains(' '))
            .collect();
        let both = !sentences.is_empty() || tests.iter().any(|name| is_shared(name, files));
        let column = if both { "both" } else { "native" };
        if !row.ends_with(&format!("| {column} |")) {
            found.push(format!("{ATTACKS}: end this row with “| {column} |”: {row}"));
        }
        names.extend(tests);
        listed.extend(sentences);
    }
    for name in played.symmetric_difference(&listed) {
        found.push(format!("{ATTACKS}, {PLAYED}: “{name}” is in one of the two only"));
    }
    let counted = format!("{count} attacks, {} tests", names.len());
    let on_workers = format!("{} that play them on Cloudflare's runtime", listed.len());
    for words in [counted, on_workers] {
        if !document.contains(&words) {
            found.push(format!("{ATTACKS}: its count is “{words}”"));
        }
    }
}

/// The names of the tests in a file of JavaScript.
fn played_tests(text: &str) -> BTreeSet<&str> {
    let names = text.lines().filter_map(|line| line.strip_prefix("test('"));
    names.filter_map(|rest| rest.split('\'').next()).collect()
}

fn is_shared(test: &str, files: &[(String, String)]) -> bool {
    let head = format!("fn {test}(");
    let native = |path: &str| NATIVE.iter().any(|folder| path.starts_with(folder));
    files.iter().any(|(path, text)| !native(path) && text.contains(&head))
}

/// Adds the tests of the threat model that the list of attacks leaves out.
fn unlisted(model: &str, attacks: &str, found: &mut Vec<String>) {
    let rows = model.lines().filter(|line| line.starts_with('|')).collect::<Vec<_>>().join("\n");
    let missing = quoted(&rows).filter(|name| is_test(name) && !attacks.contains(*name));
    found.extend(missing.map(|name| format!("{ATTACKS}: add `{name}`, which {MODEL} names")));
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
