//! Splits a text that is longer than a channel's limit: at paragraphs, else lines, else words; a
//! code block that has to be cut is closed and opened again, so that every part stands on its own.

/// How a channel counts.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    pub units: usize,
    /// UTF-16 code units (Telegram) instead of Unicode scalar values.
    pub utf16: bool,
}

impl Limit {
    fn size(self, text: &str) -> usize {
        if self.utf16 { text.encode_utf16().count() } else { text.chars().count() }
    }
    /// The longest prefix within `budget`, at a character boundary.
    fn prefix(self, text: &str, budget: usize) -> usize {
        let mut used = 0;
        for (at, ch) in text.char_indices() {
            used += if self.utf16 { ch.len_utf16() } else { 1 };
            if used > budget {
                return at;
            }
        }
        text.len()
    }
}

/// Room kept for closing a fence (a line feed and three backticks) in a part.
const FENCE_ROOM: usize = 4;

/// The parts, each within the limit and none empty. A text of nothing gives one part with a dash.
pub fn split(text: &str, limit: Limit) -> Vec<String> {
    let text = text.trim_end();
    if text.is_empty() {
        return vec!["–".to_owned()];
    }
    let mut parts = Vec::new();
    let mut rest = text;
    let mut fence: Option<String> = None;
    while !rest.is_empty() {
        let opening = fence.as_ref().map(|line| format!("{line}\n")).unwrap_or_default();
        let room = limit.units.saturating_sub(limit.size(&opening));
        if limit.size(rest) <= room {
            parts.push(format!("{opening}{rest}"));
            break;
        }
        let cut = cut(rest, limit, room.saturating_sub(FENCE_ROOM).max(1));
        let (head, tail) = rest.split_at(cut);
        let open = open_fence(head, fence.as_deref());
        let closing = if open.is_some() { "\n```" } else { "" };
        parts.push(format!("{opening}{}{closing}", head.trim_end()));
        // Inside code the indentation of the next line belongs to it; a line end alone is eaten.
        rest = if open.is_some() {
            tail.strip_prefix('\n').unwrap_or(tail)
        } else {
            tail.trim_start()
        };
        fence = open;
    }
    parts
}

/// Where to cut: the last paragraph end in the second half, else line end, else blank, else the
/// hard limit.
fn cut(text: &str, limit: Limit, budget: usize) -> usize {
    let end = limit.prefix(text, budget);
    let head = text.get(..end).unwrap_or(text);
    let late = head.len() / 2;
    let found = |at: Option<usize>| at.filter(|at| *at > late);
    found(head.rfind("\n\n"))
        .or_else(|| found(head.rfind('\n')))
        .or_else(|| head.rfind('\n').filter(|at| *at > 0 && open_fence(head, None).is_some()))
        .or_else(|| head.rfind(char::is_whitespace).filter(|at| *at > 0))
        .unwrap_or_else(|| {
            if end == 0 { text.chars().next().map_or(text.len(), char::len_utf8) } else { end }
        })
}

/// The fence line that is open at the end of `text`, given the one open before it.
fn open_fence(text: &str, before: Option<&str>) -> Option<String> {
    let mut open = before.map(str::to_owned);
    for line in text.lines() {
        let bare = line.trim_start();
        if bare.starts_with("```") {
            open = if open.is_some() { None } else { Some(bare.to_owned()) };
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(units: usize) -> Limit {
        Limit { units, utf16: false }
    }

    #[test]
    fn words_stay_whole() {
        let text = "alpha beta gamma delta epsilon zeta";
        let parts = split(text, limit(17));
        assert!(parts.iter().all(|part| part.chars().count() <= 17), "{parts:?}");
        assert_eq!(parts.join(" "), text);
    }

    #[test]
    fn a_code_block_is_closed_and_opened_again() {
        let code: String = (0..40).map(|n| format!("    let x{n} = {n};\n")).collect();
        let text = format!("Here it is:\n\n```rust\n{code}```\n\nDone.");
        let parts = split(&text, limit(200));
        assert!(parts.len() > 2);
        for part in &parts {
            assert!(part.chars().count() <= 200, "{part}");
            assert_eq!(part.matches("```").count() % 2, 0, "{part}");
        }
        assert!(parts[1].starts_with("```rust\n    let x"));
        let lines = parts
            .iter()
            .flat_map(|part| part.lines())
            .filter(|line| line.contains("let x"))
            .count();
        assert_eq!(lines, 40);
    }

    #[test]
    fn a_word_longer_than_the_limit_is_cut_hard_and_nothing_is_lost() {
        let text = "é".repeat(50);
        let parts = split(&text, limit(20));
        assert_eq!(parts.concat(), text);
        let emoji = "🚀".repeat(30);
        let parts = split(&emoji, Limit { units: 20, utf16: true });
        assert!(parts.iter().all(|part| part.encode_utf16().count() <= 20));
        assert_eq!(parts.concat(), emoji);
    }
}
