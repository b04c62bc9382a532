//! A program's standard error: its end as text, and each of its lines for the log of the run.

use platform::ports::ProgramLog;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Maximum bytes of standard error that the end of a program tells.
const END_BYTES: usize = 4 << 10;
/// Maximum bytes of a line that are read; more of it is left out.
const LINE_BYTES_MAX: usize = 16 << 10;

/// The last bytes of a stream as text, after its end. Each of its lines goes to the log.
pub(super) async fn read(
    mut stream: impl AsyncRead + Unpin,
    log: Option<Arc<dyn ProgramLog>>,
) -> String {
    let mut end = Vec::new();
    let mut lines = log.map(|log| Lines { log, line: Vec::new(), left_out: 0, returned: false });
    let mut buffer = vec![0; 4 << 10];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        let fresh = buffer.get(..n).unwrap_or_default();
        end.extend_from_slice(fresh);
        end.drain(..end.len().saturating_sub(END_BYTES));
        if let Some(lines) = &mut lines {
            fresh.iter().for_each(|byte| lines.take(*byte));
        }
    }
    if let Some(lines) = lines.as_mut().filter(|lines| !lines.line.is_empty()) {
        lines.end();
    }
    String::from_utf8_lossy(&end).into_owned()
}

/// The line that is being read.
struct Lines {
    log: Arc<dyn ProgramLog>,
    line: Vec<u8>,
    left_out: u64,
    /// A carriage return came: unless the line ends here, it is written over.
    returned: bool,
}

impl Lines {
    fn take(&mut self, byte: u8) {
        match byte {
            b'\n' => self.end(),
            b'\r' => self.returned = true,
            _ => {
                if std::mem::take(&mut self.returned) {
                    self.line.clear();
                    self.left_out = 0;
                }
                if self.line.len() < LINE_BYTES_MAX {
                    self.line.push(byte);
                } else {
                    self.left_out += 1;
                }
            }
        }
    }
    fn end(&mut self) {
        self.log.line(&String::from_utf8_lossy(&self.line), self.left_out);
        self.line.clear();
        self.left_out = 0;
        self.returned = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::secret::Secret;
    use std::sync::Mutex;

    #[derive(Debug, Default)]
    struct Seen(Mutex<Vec<(String, u64)>>);

    impl ProgramLog for Seen {
        fn line(&self, line: &str, left_out: u64) {
            self.0.lock().unwrap().push((line.to_owned(), left_out));
        }
        fn hide(&self, _: &Secret) {}
    }

    #[tokio::test]
    async fn standard_error_arrives_in_lines_and_a_long_one_is_cut() {
        let long = "x".repeat(LINE_BYTES_MAX + 9);
        let text = format!("one\r\n\n 10 %\r 99 %\rdone\n{long}\nlast \u{e4}");
        let seen = Arc::new(Seen::default());
        let end = read(text.as_bytes(), Some(seen.clone())).await;
        assert!(end.len() == END_BYTES && end.ends_with("x\nlast \u{e4}"));
        let lines = std::mem::take(&mut *seen.0.lock().unwrap());
        let whole = |text: &str| (text.to_owned(), 0);
        let cut = ("x".repeat(LINE_BYTES_MAX), 9);
        let expected = [whole("one"), whole(""), whole("done"), cut, whole("last \u{e4}")];
        assert_eq!(lines, expected);
    }
}
