//! `POST /internal/press`: a button under a question. Its token must be known, and must come from
//! the chat it was sent to.

use crate::authority::Authority;
use crate::decide::{self, DecideError, OwnerDecision};
use crate::tool_rules::ALWAYS_DAYS;
use crate::{Deps, actor, person};
use axum::Json;
use axum::extract::State;
use contracts::ApprovalId;
use contracts::approval::{ApprovalState, Decision, Extent, PressAnswer, PressRequest};
use platform::edge::{ApiError, ApiResult, JsonBody};
use platform::ports::SqlExt;
use platform::secret::digest_hex;
use platform::sql;
use serde::Deserialize;

#[derive(Deserialize)]
struct ButtonRow {
    approval: String,
    version: u32,
    decision: Decision,
    extent: Extent,
    channel: String,
    endpoint: String,
    chat: String,
    direct: i64,
}

impl ButtonRow {
    /// A direct message's chat id differs from the user's id; then the presser must be that user.
    fn is_from(&self, press: &PressRequest) -> bool {
        let same_chat = self.chat == press.chat
            || (self.direct != 0
                && press.actor == format!("{}:{}:{}", self.channel, self.endpoint, self.chat));
        self.channel == press.channel && self.endpoint == press.endpoint && same_chat
    }
}

/// The handler. The aggregator has checked that the presser is an approver.
pub async fn press(
    State(deps): State<Deps>,
    JsonBody(press): JsonBody<PressRequest>,
) -> ApiResult<Json<PressAnswer>> {
    actor::check_text("actor", Some(&press.actor))?;
    let find = sql!(
        "SELECT approval, version, decision, extent, channel, endpoint, chat, direct FROM button WHERE token_hash = ?1",
        digest_hex(press.token.as_bytes())
    );
    let Some(button) =
        deps.sql.one::<ButtonRow>(find).await?.filter(|button| button.is_from(&press))
    else {
        return Ok(Json(answer(
            "no_longer_valid",
            "This button is no longer valid.".to_owned(),
            None,
        )));
    };
    let authority = Authority::of_person(&press.actor);
    if authority.is_of_endpoint() {
        person::note(&deps, &press.actor, press.name.as_deref()).await;
    }
    let word = OwnerDecision {
        id: &button.approval,
        decision: button.decision,
        extent: button.extent,
        reason: None,
        version: Some(button.version),
        actor: &press.actor,
        authority: &authority,
    };
    let id = Some(ApprovalId::new(&button.approval));
    match decide::take(&deps, word).await {
        Ok(row) => {
            let done = match (button.decision, button.extent) {
                (Decision::Reject, _) => "Rejected".to_owned(),
                (Decision::Approve, Extent::Once) => "Approved".to_owned(),
                (Decision::Approve, Extent::Task) => "Approved for this task".to_owned(),
                (Decision::Approve, Extent::Always) => {
                    format!("Always approved, for {ALWAYS_DAYS} days")
                }
            };
            Ok(Json(answer("decided", format!("{done}: {}.", row.agent), id)))
        }
        Err(error) => told(error).map(|(outcome, message)| Json(answer(outcome, message, id))),
    }
}

fn answer(outcome: &str, message: String, approval_id: Option<ApprovalId>) -> PressAnswer {
    PressAnswer { outcome: outcome.to_owned(), message, approval_id }
}

/// The text for the presser. A failure that is not the press's fault stays an error, so that the
/// aggregator retries.
fn told(error: DecideError) -> Result<(&'static str, String), ApiError> {
    Ok(match error {
        DecideError::AlreadyDecided(_, ApprovalState::Expired) => {
            ("no_longer_valid", "It has expired: no decision came in time.".to_owned())
        }
        DecideError::AlreadyDecided(_, ApprovalState::Cancelled) => {
            ("no_longer_valid", "It was cancelled by a halt.".to_owned())
        }
        DecideError::AlreadyDecided(row, state) => {
            let done = if state == ApprovalState::Rejected { "rejected" } else { "approved" };
            (
                "already_decided",
                format!(
                    "Already {done} by {}.",
                    row.decider().unwrap_or_else(|| "an unnamed approver".to_owned())
                ),
            )
        }
        DecideError::OtherVersion(_) | DecideError::NotFound => {
            ("no_longer_valid", "This button is no longer valid.".to_owned())
        }
        DecideError::OverBudget(short) => (
            "over_budget",
            format!(
                "Over budget: {} remains until {}. The approval stays pending.",
                short.remaining, short.resets_at
            ),
        ),
        DecideError::Halted => (
            "halted",
            "Everything, or this task, is halted. Resume first; the approval stays pending."
                .to_owned(),
        ),
        other @ (DecideError::Port(_) | DecideError::Refused(_)) => return Err(other.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn button(direct: bool) -> ButtonRow {
        let (channel, endpoint, chat) = ("slack".to_owned(), "T0".to_owned(), "U0".to_owned());
        ButtonRow {
            approval: "a".to_owned(),
            version: 1,
            decision: Decision::Approve,
            extent: Extent::Once,
            channel,
            endpoint,
            chat,
            direct: i64::from(direct),
        }
    }
    fn from(endpoint: &str, chat: &str, actor: &str) -> PressRequest {
        PressRequest {
            token: String::new(),
            channel: "slack".to_owned(),
            endpoint: endpoint.to_owned(),
            chat: chat.to_owned(),
            actor: actor.to_owned(),
            name: None,
        }
    }

    #[test]
    fn button_counts_only_in_its_own_chat() {
        assert!(button(false).is_from(&from("T0", "U0", "slack:T0:U9")));
        assert!(!button(false).is_from(&from("T1", "U0", "slack:T1:U9")));
        assert!(!button(false).is_from(&from("T0", "D7", "slack:T0:U0")));
        assert!(button(true).is_from(&from("T0", "D7", "slack:T0:U0")));
        assert!(!button(true).is_from(&from("T0", "D7", "slack:T0:U9")));
    }
}
