//! Structured logs: one JSON object a line, to the runtime's console, where Workers Logs index the fields.

use std::io::Write;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

struct Console;

/// One event; handed to the console when it is complete.
struct Line(Vec<u8>);

impl<'a> MakeWriter<'a> for Console {
    type Writer = Line;
    fn make_writer(&'a self) -> Line {
        Line(Vec::new())
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        worker::console_log!("{}", String::from_utf8_lossy(&self.0).trim_end());
    }
}

/// Starts logging; the runtime adds the time. `QUINTET_LOG` may be `warn` (default), `info` or `debug`.
pub fn start(level: Option<&str>) {
    let level = level.and_then(|text| text.parse::<LevelFilter>().ok()).unwrap_or(LevelFilter::WARN);
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).without_time().with_writer(Console);
    // Fails only when it was started before, which is as good.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(level).with(layer));
}

/// Logs a failure that nobody waits for.
pub fn failure<T>(what: &str, done: Result<T, impl std::fmt::Display>) {
    if let Err(error) = done {
        tracing::warn!(%error, "{what}");
    }
}
