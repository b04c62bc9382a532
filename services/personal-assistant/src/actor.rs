//! Who acts, and the texts that a person adds to it.

use contracts::{Problem, ServiceName};
use platform::edge::{ApiResult, Principal};

/// Maximum length of a reason or an actor, in characters.
pub const TEXT_CHARS_MAX: usize = 500;

/// Who acts: believed from the aggregator and the dashboard alone, `api` for tokens.
pub fn actor(who: Principal, said: Option<String>) -> String {
    match who {
        Principal::Service(ServiceName::WebhookAggregator | ServiceName::MonitoringDashboard) => {
            said.unwrap_or_else(|| match who {
                Principal::Service(ServiceName::MonitoringDashboard) => "dashboard".to_owned(),
                _ => who.as_str().to_owned(),
            })
        }
        _ => "api".to_owned(),
    }
}

/// Refuses texts that are too long.
pub fn check_text(field: &str, text: Option<&str>) -> ApiResult<()> {
    if text.is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX || text.contains('\0')) {
        return Err(Problem::field(
            field,
            format!("`{field}` has more than {TEXT_CHARS_MAX} characters."),
            "Shorten it.",
        )
        .into());
    }
    Ok(())
}
