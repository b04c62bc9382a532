//! The result of one check of `quintet doctor`.

use serde::Serialize;

/// The result of one check.
#[derive(Serialize)]
pub(super) struct Finding {
    /// `ok`, `warning` or `error`.
    pub(super) verdict: &'static str,
    pub(super) what: String,
    /// The fix, unless the check is `ok`.
    pub(super) fix: String,
}

pub(super) fn ok(what: impl Into<String>) -> Finding {
    Finding { verdict: "ok", what: what.into(), fix: String::new() }
}

pub(super) fn warning(what: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { verdict: "warning", what: what.into(), fix: fix.into() }
}

pub(super) fn error(what: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { verdict: "error", what: what.into(), fix: fix.into() }
}
