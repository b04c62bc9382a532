//! Files that people and agents send: the limits of `[files]`, safe names, types by content.

mod content;
mod name;

pub use content::{content_type, true_type};
pub use name::{NAME_BYTES_MAX, is_safe_name, safe_name, unique};

use crate::config::{Report, Section};
use contracts::files::FILE_BYTES_CEILING;
use serde_json::Value;

/// The folder of a work folder where a program finds the files of its message.
pub const FOLDER_IN: &str = "in";
/// The folder of a work folder whose files go to the chat.
pub const FOLDER_OUT: &str = "out";

/// The section `[files]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Maximum bytes of one file.
    pub bytes_max: u64,
    /// Maximum files of one message, and of one answer; 0 takes none.
    pub per_message_max: usize,
    /// Media types that are taken, as `image/*` or `application/pdf`; `*/*` takes every type.
    pub types: Vec<String>,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self { bytes_max: 20 << 20, per_message_max: 10, types: vec!["*/*".to_owned()] }
    }
}

impl FileLimits {
    /// Reads the section of the whole configuration.
    pub fn read(root: &Value, report: &Report) -> Self {
        let mut limits = Self::default();
        let mut section = Section::new(root.get("files"), "files", report);
        let ceiling = i64::try_from(FILE_BYTES_CEILING).unwrap_or(i64::MAX);
        if let Some(bytes) = section.whole("bytes_max", 1, ceiling) {
            limits.bytes_max = bytes.unsigned_abs();
        }
        if let Some(number) = section.whole("per_message_max", 0, 10) {
            limits.per_message_max = usize::try_from(number).unwrap_or(limits.per_message_max);
        }
        if let Some(types) = section.texts("types") {
            if let Some(odd) = types.iter().find(|text| !is_pattern(text)) {
                let message = format!("has {odd:?}, which is no media type.");
                section.wrong("types", &message, "Write types such as \"image/*\" or \"application/pdf\"; \"*/*\" takes every type.");
            }
            limits.types = types.into_iter().map(|text| text.to_ascii_lowercase()).collect();
        }
        section.finish();
        limits
    }
    /// Whether files of this media type are taken.
    pub fn takes(&self, kind: &str) -> bool {
        let (group, _) = kind.split_once('/').unwrap_or((kind, ""));
        self.types.iter().any(|pattern| match pattern.split_once('/') {
            Some(("*", "*")) => true,
            Some((wanted, "*")) => wanted.eq_ignore_ascii_case(group),
            _ => pattern.eq_ignore_ascii_case(kind),
        })
    }
}

fn is_pattern(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.+_".contains(&b))
    };
    match text.split_once('/') {
        Some(("*", kind)) => kind == "*",
        Some((group, "*")) => word(group),
        Some((group, kind)) => word(group) && word(kind),
        None => false,
    }
}

/// A size for people: `812 bytes`, `12 kB`, `3.4 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn file_limits_are_read_and_wrong_ones_are_named() {
        let report = Report::default();
        let read = FileLimits::read(&json!({}), &report);
        assert_eq!((read.bytes_max, read.per_message_max), (20_971_520, 10));
        assert!(read.takes("image/png") && read.takes("x/y"));
        let some = json!({ "files": { "bytes_max": 5, "types": ["image/*", "application/pdf"] } });
        let read = FileLimits::read(&some, &report);
        assert!(read.takes("image/png") && read.takes("Application/PDF") && !read.takes("text/x"));
        assert_eq!(report.into_problems(), []);
        let report = Report::default();
        let wrong = json!({ "files": { "bytes_max": 0, "types": ["pdf"], "kinds": 1 } });
        FileLimits::read(&wrong, &report);
        let paths: Vec<_> = report.into_problems().into_iter().map(|p| p.path).collect();
        assert_eq!(paths, ["files.bytes_max", "files.types", "files.kinds"]);
    }

    #[test]
    fn size_is_readable() {
        let shown = [0, 1, 999, 1_001, 12_345_678].map(size);
        assert_eq!(shown, ["0 bytes", "1 byte", "999 bytes", "2 kB", "12.3 MB"]);
    }
}
