//! Whether an answer of an agent ends in a question, so that the next short message answers it.

/// Beginnings of paragraphs that Quintet writes below an agent's words.
const OURS: [&str; 4] = ["Changed: ", "Cost unknown: ", "Not allowed: ", "It asked to use a tool "];
/// Question marks, with the Arabic, Greek and full-width ones.
const MARKS: [char; 4] = ['?', '？', '؟', '\u{37e}'];

/// Maximum lines of ours below an answer.
const OURS_LINES_MAX: usize = 4;

/// Whether the last line is a question, apart from options listed below it and lines of ours.
pub(super) fn ends_in_question(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_ours = |line: &&str| OURS.iter().any(|ours| line.starts_with(ours));
    let below = lines.iter().rev().take(OURS_LINES_MAX);
    let ours = below.enumerate().rfind(|(_, line)| is_ours(line)).map_or(0, |(at, _)| at + 1);
    lines
        .iter()
        .rev()
        .skip(ours)
        .find(|line| !is_option(line))
        .is_some_and(|line| is_question(line))
}

fn is_question(line: &str) -> bool {
    let closing = |ch: char| ch.is_whitespace() || "*_`~\"')]”’»".contains(ch);
    line.trim_end_matches(closing).ends_with(MARKS)
}

/// “- A: the first”, “2. the second”, “b) the third”.
fn is_option(line: &str) -> bool {
    if is_question(line) {
        return false;
    }
    let line = line.trim_start_matches('*');
    let mut words = line.split_whitespace();
    let first = words.next().unwrap_or_default();
    let name = first.trim_start_matches('(').trim_end_matches(['.', ')', ':', '*']);
    let is_name = name.len() < first.len() && (1..=2).contains(&name.chars().count());
    matches!(first, "-" | "*" | "•" | "–") || is_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_is_found_below_options_and_lines_of_ours() {
        for text in [
            "A or B?",
            "Two ways are possible.\n\n**Which one do you want?**",
            "Which one?\n\n- A: rewrite it\n- B: patch it",
            "Which one?\n1. rewrite it\n2) patch it\n\nChanged: 1 file (a.rs), +1 −0 lines.",
            "Go on?\n\nChanged: 2 files (a, b), +1 −0 lines, on branch x.\nSee it with: quintet work diff 7",
            "哪一个？",
            "(Shall I?)",
        ] {
            assert!(ends_in_question(text), "{text}");
        }
        for text in [
            "",
            "Done.",
            "Why does it fail? The path is wrong.",
            "Is that so?\n\nI have fixed it.",
            "- one\n- two",
        ] {
            assert!(!ends_in_question(text), "{text}");
        }
    }
}
