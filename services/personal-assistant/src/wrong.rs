//! Everything that is wrong with a request, refused at once.

use contracts::policy::ITEM_CHARS_MAX;
use contracts::{ErrorCode, Micros, Problem};
use platform::edge::{ApiError, ApiResult};
use serde::Serialize;
use serde_json::json;

/// The largest amount that a limit or threshold may be: a million dollars.
pub const AMOUNT_MAX: Micros = Micros(1_000_000_000_000);
/// One thing wrong with a request.
#[derive(Debug, Serialize)]
pub struct Wrong {
    pub field: &'static str,
    pub message: String,
}

/// 422 with everything that is wrong, when anything is.
pub fn refuse(wrong: &[Wrong]) -> ApiResult<()> {
    let Some(first) = wrong.first() else { return Ok(()) };
    let all: Vec<_> = wrong.iter().map(|one| format!("{}: {}", one.field, one.message)).collect();
    let problem = Problem::new(ErrorCode::InvalidField, all.join(" "))
        .with("field", first.field)
        .with("problems", json!(wrong));
    Err(ApiError::from(
        problem.with_fix("Correct each of these, and send it again; nothing was changed."),
    ))
}

/// Adds the problem of an amount.
pub fn check_amount(field: &'static str, amount: Option<Micros>, wrong: &mut Vec<Wrong>) {
    if amount.is_some_and(|amount| amount > AMOUNT_MAX) {
        wrong.push(Wrong { field, message: format!("is not an amount from $0 to {AMOUNT_MAX}.") });
    }
}

/// Whether a name is no name.
pub fn is_odd(item: &str) -> bool {
    item.trim().is_empty()
        || item.chars().count() > ITEM_CHARS_MAX
        || item.chars().any(char::is_control)
}
