//! The house rules hold for the whole repository.

use std::path::Path;

#[test]
fn every_house_rule_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let problems = xtask::tidy::problems(root);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
