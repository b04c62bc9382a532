//! Whether a message stays with the agent of its conversation.

use super::follow_up::{is_brief, is_follow_up, is_short};
use super::points_back::points_back;
use contracts::AgentId;
use contracts::routing::RouteRequest;

/// Confidence of a follow-up, and of a message that is short and weak. Estimates, until the audit
/// log has enough feedback to measure them.
const FOLLOW_UP: f64 = 0.9;
const SHORT_AND_WEAK: f64 = 0.7;
/// Confidence below which a short message, and one that points back, stays with the last agent.
const WEAK: f64 = 0.6;
/// Minimum confidence for a reply to leave the talk.
pub(super) const SURE: f64 = 0.9;

/// The confidence that it stays with this agent, and why; None where its content decides. `best` is
/// the agent that its content fits best, if it fits any.
pub fn stays(
    request: &RouteRequest,
    agent: &AgentId,
    best: Option<(&AgentId, f64)>,
) -> Option<(f64, String)> {
    let message = &request.message;
    if is_follow_up(message) {
        let step = format!("The message follows up on the conversation with {agent}.");
        return Some((FOLLOW_UP, step));
    }
    if request.asked && is_brief(message) {
        let step = format!("The message is short and comes after a question of {agent}.");
        return Some((FOLLOW_UP, step));
    }
    let is_of_another = best.is_some_and(|(best, sure)| best != agent && sure >= SURE);
    if request.is_reply && !is_of_another {
        return Some((FOLLOW_UP, format!("The message replies to {agent}.")));
    }
    let fits_another = best.is_some_and(|(best, sure)| best != agent && sure >= WEAK);
    if points_back(message) && !fits_another {
        let step = format!(
            "The message points back at the conversation with {agent}, and fits no other clearly."
        );
        return Some((SHORT_AND_WEAK, step));
    }
    let is_weak = best.is_none_or(|(_, sure)| sure < WEAK);
    (is_weak && is_short(message)).then(|| {
        let step = format!(
            "The message is short and says little by itself, so it stays with {agent}, which \
             answered last."
        );
        (SHORT_AND_WEAK, step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_codegen(message: &str, sure: f64) -> Option<f64> {
        let request = RouteRequest { message: message.to_owned(), ..RouteRequest::default() };
        let docs = AgentId::from("docs");
        stays(&request, &"codegen".into(), Some((&docs, sure))).map(|(confidence, _)| confidence)
    }

    #[test]
    fn message_without_content_stays_whatever_its_words_are_like() {
        for message in
            ["and also the one after that", "make it shorter please", "and now do the other"]
        {
            assert_eq!(after_codegen(message, 0.99), Some(FOLLOW_UP), "{message}");
        }
    }

    #[test]
    fn message_that_points_back_stays_unless_it_clearly_fits_another() {
        let message = "translate it to German for the customers in Bern";
        assert_eq!(after_codegen(message, 0.5), Some(SHORT_AND_WEAK));
        assert_eq!(after_codegen(message, 0.7), None);
        assert_eq!(after_codegen("translate this contract to German now", 0.5), None);
    }
}
