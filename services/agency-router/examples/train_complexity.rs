//! Writes `data/complexity.model` from `data/complexity-train.jsonl`; `cargo xtask gen` runs it.
//! With `--score` it prints how many lines of `data/complexity-test.jsonl` this build's model gets
//! right.

#![allow(clippy::print_stdout, reason = "a chore speaks to the terminal")]

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    if std::env::args().any(|arg| arg == "--score") {
        let cases = text_model::evaluate::read_cases(
            &std::fs::read_to_string(data.join("complexity-test.jsonl"))?,
            "label",
        )?;
        let name = |text: &str| serde_json::to_value(agency_router::complexity::judge(text).0);
        let right = cases
            .iter()
            .filter(|case| name(&case.text).is_ok_and(|name| name == case.label.as_str()))
            .count();
        println!("{right} of {} right", cases.len());
        return Ok(());
    }
    let lines = std::fs::read_to_string(data.join("complexity-train.jsonl"))?;
    std::fs::write(data.join("complexity.model"), agency_router::complexity::learn(&lines)?)?;
    Ok(())
}
