//! Splits bytes into lines: lossy UTF-8, without line ends, cut at a maximum length.

/// Maximum bytes of a line; a longer one arrives in pieces.
const LINE_BYTES_MAX: usize = 4 << 20;

/// The lines of a stream with a byte limit.
pub(super) struct Lines {
    waiting: Vec<u8>,
    /// Bytes of `waiting` already searched for a line end.
    searched: usize,
    room: usize,
}

impl Lines {
    /// For a stream of at most `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { waiting: Vec::new(), searched: 0, room: bytes_max }
    }
    /// Adds bytes; returns false if the limit is exceeded.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= self.room;
        self.room = self.room.saturating_sub(bytes.len());
        self.waiting.extend_from_slice(bytes);
        fits
    }
    /// The next whole line; at the end of the stream also an unterminated one.
    pub(super) fn next(&mut self, at_end: bool) -> Option<String> {
        let fresh = self.waiting.get(self.searched..).unwrap_or_default();
        let end = fresh.iter().position(|byte| *byte == b'\n').map(|at| self.searched + at);
        let (length, skip) = match end {
            Some(at) => (at, 1),
            None if self.waiting.len() >= LINE_BYTES_MAX
                || (at_end && !self.waiting.is_empty()) =>
            {
                (self.waiting.len(), 0)
            }
            None => {
                self.searched = self.waiting.len();
                return None;
            }
        };
        let mut line: Vec<u8> = self.waiting.drain(..length + skip).take(length).collect();
        self.searched = 0;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Some(String::from_utf8_lossy(&line).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines, at_end: bool) -> Vec<String> {
        std::iter::from_fn(|| lines.next(at_end)).collect()
    }

    #[test]
    fn lines_are_whole_for_any_chunking() {
        let mut lines = Lines::new(100);
        assert!(lines.take(b"one\r\ntw"));
        assert_eq!(all(&mut lines, false), ["one"]);
        assert!(lines.take(b"o\n\n\xffx"));
        assert_eq!(all(&mut lines, false), ["two", ""]);
        assert_eq!(all(&mut lines, true), ["\u{fffd}x"]);
        assert_eq!(all(&mut lines, true), Vec::<String>::new());
    }

    #[test]
    fn lines_count_every_byte_against_the_limit() {
        let mut lines = Lines::new(4);
        assert!(lines.take(b"abcd"));
        assert!(!lines.take(b"e"));
    }

    #[test]
    fn lines_split_an_endless_line_into_pieces() {
        let mut lines = Lines::new(usize::MAX);
        lines.take(&vec![b'a'; LINE_BYTES_MAX + 1]);
        assert_eq!(lines.next(false).map(|line| line.len()), Some(LINE_BYTES_MAX + 1));
    }
}
