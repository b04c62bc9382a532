//! Server-sent events: bytes to the data of events (WHATWG HTML, "9.2.6 Interpreting an event
//! stream"). Names of events are not kept, because both protocols repeat them in the data.

/// Longest line and longest data of one event, bytes.
const BYTES_MAX: usize = 4 << 20;

/// Cuts a stream at its events, wherever its parts are cut.
#[derive(Debug, Default)]
pub struct Splitter {
    line: Vec<u8>,
    data: Option<String>,
    after_return: bool,
    is_begun: bool,
}

/// A line or an event that does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Splitter {
    /// The data of every event that ends in this part.
    ///
    /// # Errors
    /// A line or an event above 4 MiB.
    pub fn feed(&mut self, part: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        for byte in part {
            let follows_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    self.end_line(&mut events)?;
                }
                _ => self.line.push(*byte),
            }
            if self.line.len() > BYTES_MAX {
                return Err(TooLong);
            }
        }
        Ok(events)
    }
    /// The data of a last event that no empty line ends. Servers forget it.
    pub fn finish(mut self) -> Option<String> {
        let mut events = Vec::new();
        self.end_line(&mut events).ok()?;
        events.pop().or(self.data)
    }

    fn end_line(&mut self, events: &mut Vec<String>) -> Result<(), TooLong> {
        let line = std::mem::take(&mut self.line);
        let mut line = String::from_utf8_lossy(&line).into_owned();
        if !std::mem::replace(&mut self.is_begun, true)
            && let Some(rest) = line.strip_prefix('\u{feff}')
        {
            line = rest.to_owned();
        }
        if line.is_empty() {
            events.extend(self.data.take());
            return Ok(());
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        if name != "data" {
            return Ok(());
        }
        let value = value.strip_prefix(' ').unwrap_or(value);
        match &mut self.data {
            Some(data) if data.len() + value.len() >= BYTES_MAX => return Err(TooLong),
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => self.data = Some(value.to_owned()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str) -> Vec<String> {
        let mut splitter = Splitter::default();
        let mut events = splitter.feed(text.as_bytes()).unwrap();
        events.extend(splitter.finish());
        events
    }

    #[test]
    fn events_are_read_in_every_form_that_servers_send() {
        assert_eq!(whole("data: a\n\ndata: b\n\n"), ["a", "b"]);
        assert_eq!(whole("event: x\r\ndata:a\r\n\r\n: a comment\r\ndata: b\r\r"), ["a", "b"]);
        assert_eq!(whole("\u{feff}data: a\ndata: b\n\nid: 7\n\ndata\n\n"), ["a\nb", ""]);
        assert_eq!(whole("data: without an end"), ["without an end"]);
        assert_eq!(whole("data: without an end\n"), ["without an end"]);
        assert_eq!(whole("{\"not\": \"a stream\"}"), Vec::<String>::new());
    }

    #[test]
    fn line_without_an_end_is_refused() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.feed(&vec![b'x'; BYTES_MAX + 1]), Err(TooLong));
        let mut splitter = Splitter::default();
        let line = format!("data: {}\n", "x".repeat(1 << 20));
        let all: Result<Vec<_>, _> = (0..5).map(|_| splitter.feed(line.as_bytes())).collect();
        assert_eq!(all, Err(TooLong));
    }

    proptest! {
        #[test]
        fn events_are_the_same_wherever_the_stream_is_cut(
            lines in proptest::collection::vec("(data: ?|event: |: |)[a-zä\u{1f600}:]{0,6}(\n|\r|\r\n|\n\n)", 0..30),
            cuts in proptest::collection::vec(0_usize..400, 0..20),
        ) {
            let text = lines.concat();
            let mut splitter = Splitter::default();
            let mut events = Vec::new();
            let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            ends.extend([0, text.len()]);
            ends.sort_unstable();
            for pair in ends.windows(2) {
                events.extend(splitter.feed(&text.as_bytes()[pair[0]..pair[1]]).unwrap());
            }
            events.extend(splitter.finish());
            prop_assert_eq!(events, whole(&text));
        }
    }
}
