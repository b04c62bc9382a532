//! Cuts text without splitting a character.

/// At most `max` bytes from the start, with `…` after a cut.
pub fn clip(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub('…'.len_utf8());
    let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default().trim_end())
}

/// At most `max` bytes from the end, with `…` before a cut.
pub fn clip_front(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let start = text.len().saturating_sub(max.saturating_sub('…'.len_utf8()));
    let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    format!("…{}", text.get(start..).unwrap_or_default().trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_splits_a_character() {
        assert_eq!(clip("äöü", 100), "äöü");
        assert_eq!(clip("äöüß", 7), "äö…");
        assert_eq!(clip_front("äöüß", 7), "…üß");
        assert_eq!(clip("abc", 0), "…");
    }
}
