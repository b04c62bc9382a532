//! Text from outside, made fit to be shown.

/// External text as one line of visible characters.
pub fn printable(text: &str) -> String {
    text.chars().map(|ch| if ch.is_control() { ' ' } else { ch }).collect()
}

/// At most `n` characters, with an ellipsis after a cut.
pub fn short(text: &str, n: usize) -> String {
    if text.chars().count() <= n {
        text.to_owned()
    } else {
        text.chars().take(n.saturating_sub(1)).chain(['…']).collect()
    }
}
