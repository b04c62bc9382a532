//! Cuts text without splitting a character, and cleans it of terminal codes.

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

/// Without what steers a terminal: colours, cursor movements, other control characters. A line that
/// was written over becomes a line of its own.
pub fn clean(text: &str) -> String {
    let plain = anstream::adapter::strip_str(text).to_string().replace("\r\n", "\n");
    let kept = |c: char| c == '\n' || c == '\t' || !c.is_control();
    plain.replace('\r', "\n").chars().filter(|c| kept(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_codes_are_no_part_of_a_text() {
        let coloured = "\x1b[32m✔\x1b[0m Tests \x1b[1mpassed\x1b[0m\x1b[2K\r done\r\n\u{7}\tok";
        assert_eq!(clean(coloured), "✔ Tests passed\n done\n\tok");
        assert_eq!(clean("\x1b]8;;https://x.example\x1b\\link\x1b]8;;\x1b\\"), "link");
        assert_eq!(clean("cut \x1b[3"), "cut ");
    }

    #[test]
    fn text_never_splits_a_character() {
        assert_eq!(clip("äöü", 100), "äöü");
        assert_eq!(clip("äöüß", 7), "äö…");
        assert_eq!(clip_front("äöüß", 7), "…üß");
        assert_eq!(clip("abc", 0), "…");
    }
}
