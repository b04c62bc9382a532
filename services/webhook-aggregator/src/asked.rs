//! The answer to a question about a missed time: a button, or the API.

use crate::Deps;
use crate::firing::{self, PREFIX};
use contracts::Shard;
use inbox::{AnswerQuestion, Draft, FindQuestion, Fired, InboxExt, Question, StoredEvent};
use platform::ports::PortResult;
use platform::secret::digest_hex;

/// Whether a press is one on such a question.
pub(crate) fn is_of_schedule(token: &str) -> bool {
    token.split(':').next() == Some(PREFIX)
}

/// A press of an approver; the text that he is told.
pub(crate) async fn pressed(deps: &Deps, press: &StoredEvent, token: &str) -> PortResult<String> {
    let gone = || Ok("This button is no longer valid.".to_owned());
    let [_, nonce, place @ ("0" | "1")] = *token.split(':').collect::<Vec<_>>() else {
        return gone();
    };
    let token_hash = Some(digest_hex(nonce.as_bytes()));
    let found = deps.inbox.ask(&press.shard, FindQuestion { token_hash, name: None }).await?;
    let Some(question) = found else { return gone() };
    let here = &press.origin;
    let is_its_chat = |asked: &Draft| {
        asked.target.chat == here.target.chat || here.aliases.contains(&asked.target.chat)
    };
    if !question.closing.as_ref().is_some_and(is_its_chat) {
        return gone();
    }
    let runs = place == "1";
    let name = question.schedule.name.clone();
    let by = here.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let fired = answer(deps, &press.shard, question, runs, &by).await?;
    match fired {
        Some(fired) if fired.moved && runs => Ok(format!("“{name}” runs now.")),
        Some(fired) if fired.moved => Ok(format!("“{name}” is skipped this time.")),
        _ => gone(),
    }
}

/// Answers a question once; `None` if its schedule or its chat is gone from the configuration.
pub(crate) async fn answer(
    deps: &Deps,
    shard: &Shard,
    question: Question,
    runs: bool,
    by: &str,
) -> PortResult<Option<Fired>> {
    let Question { schedule, at_ms, token_hash, closing } = question;
    if !deps.config.is_in_force(&schedule) {
        return Ok(None);
    }
    let Ok(chat) = deps.config.chat(&schedule.spec.conversation) else { return Ok(None) };
    let word = if runs { "Run now" } else { "Skipped" };
    let draft = closing.map(|closing| {
        let text = closing.text.replace("This question is closed.", &format!("{word}{by}."));
        Draft { text, ..closing }
    });
    let event = runs.then(|| firing::event(&schedule, &chat, at_ms));
    let note = format!("Missed, and answered: {}{by}.", word.to_lowercase());
    let command = AnswerQuestion { token_hash, event, draft, note };
    Ok(Some(deps.inbox.ask(shard, command).await?))
}
