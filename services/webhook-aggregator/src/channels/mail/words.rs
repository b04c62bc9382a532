//! Answers by a word, for a person who reads buttons in a letter.

use contracts::outbox::{Buttons, Look, ShownButton};

const APPROVES: &str = "yes";
const REJECTS: &str = "no";
/// Maximum characters of an answer.
const ANSWER_CHARS_MAX: usize = 80;

/// Each button with its word, in order.
fn each(buttons: &Buttons) -> Vec<(String, ShownButton<'_>)> {
    let all = buttons.two().into_iter().chain(buttons.rest());
    let mut number = 0;
    all.map(|button| {
        let word = match button.look {
            Look::Approves => APPROVES.to_owned(),
            Look::Rejects => REJECTS.to_owned(),
            Look::Neutral => {
                number += 1;
                number.to_string()
            }
        };
        (word, button)
    })
    .collect()
}

/// The line that stands below the question.
pub(super) fn line(buttons: &Buttons) -> String {
    let each = each(buttons).into_iter().map(|(word, button)| format!("{word} ({})", button.label));
    format!("Reply with one word to answer: {}", each.collect::<Vec<_>>().join(" · "))
}

/// The press data of the button that a word stands for.
pub(super) fn pressed(buttons: &Buttons, word: &str) -> Option<String> {
    let bare = |text: &str| {
        let edge = |ch: char| ch.is_whitespace() || ".!,\"'“”()".contains(ch);
        text.trim_matches(edge).to_lowercase()
    };
    let meant = bare(word);
    let is_meant = |word: &str, label: &str| meant == word || meant == bare(label);
    let found = each(buttons).into_iter().find(|(word, button)| is_meant(word, button.label));
    found.map(|(_, button)| button.data.to_owned())
}

/// Whether a text is short enough to be such an answer, and nothing else.
pub(super) fn is_answer(text: &str) -> bool {
    !text.contains('\n') && (1..=ANSWER_CHARS_MAX).contains(&text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::outbox::Button;

    #[test]
    fn word_stands_for_its_button_alone() {
        let mut buttons = Buttons {
            approve: "a1:y".into(),
            reject: "a1:n".into(),
            labels: None,
            more: vec![Button { label: "Always".into(), data: "a1:a".into() }],
        };
        assert_eq!(
            line(&buttons),
            "Reply with one word to answer: yes (Approve) · no (Reject) · 1 (Always)"
        );
        for (word, data) in [
            ("yes", Some("a1:y")),
            ("Yes.", Some("a1:y")),
            ("approve", Some("a1:y")),
            ("NO!", Some("a1:n")),
            ("1", Some("a1:a")),
            ("always", Some("a1:a")),
            ("yes, but not now", None),
            ("yesno", None),
            ("2", None),
            ("", None),
        ] {
            assert_eq!(pressed(&buttons, word).as_deref(), data, "{word}");
        }
        buttons.labels = Some(["pm".into(), "codegen".into()]);
        assert_eq!(pressed(&buttons, "codegen").as_deref(), Some("a1:n"));
        assert_eq!(pressed(&buttons, "yes"), None, "neither of two is the one to approve");
    }
}
