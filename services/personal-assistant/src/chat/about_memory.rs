//! The owner's words about the memory itself, which no model has to understand: "what do you know
//! about me?", "forget that", "why do you think so?".

use crate::Deps;
use crate::memory::{self, FactRow, Kind};
use platform::edge::ApiResult;
use platform::text::{printable, short};
use platform::time::rfc3339;

/// Facts that are listed.
const SHOWN: u32 = 30;
/// Characters of each.
const CHARS: usize = 200;

/// Something that the owner asks of the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    List,
    /// The facts of the last answer.
    Why,
    /// The fact of the last answer or message.
    ForgetThat,
    Forget(String),
}

/// An answer, with the facts that it tells.
pub struct Told {
    pub text: String,
    pub docs: Vec<String>,
}

const LIST: &[&str] = &[
    "what do you know about me",
    "what do you remember about me",
    "what do you remember",
    "what have you remembered",
    "show me your memory",
    "was weißt du über mich",
    "qué sabes de mí",
    "que sais-tu de moi",
];
const WHY: &[&str] = &[
    "why do you think so",
    "why do you think that",
    "how do you know that",
    "how do you know",
    "where do you know that from",
    "woher weißt du das",
];
const THAT: &[&str] =
    &["forget that", "forget it", "please forget that", "vergiss das", "olvida eso"];
const FORGET: &[&str] = &["please forget ", "forget ", "vergiss "];

fn wish(message: &str) -> Option<Wish> {
    let lower = message.trim().to_lowercase();
    let plain = lower.trim_end_matches(['?', '!', '.', ' ']);
    if LIST.contains(&plain) {
        return Some(Wish::List);
    }
    if WHY.contains(&plain) {
        return Some(Wish::Why);
    }
    if THAT.contains(&plain) {
        return Some(Wish::ForgetThat);
    }
    let rest = FORGET.iter().find_map(|start| plain.strip_prefix(start))?;
    let starts = ["that i ", "that ", "everything about ", "about ", "my "];
    let rest = starts.iter().find_map(|start| rest.strip_prefix(start)).unwrap_or(rest).trim();
    (!rest.is_empty()).then(|| Wish::Forget(rest.to_owned()))
}

/// The answer, if the message is about the memory.
pub async fn answer(deps: &Deps, session: &str, message: &str) -> ApiResult<Option<Told>> {
    Ok(match wish(message) {
        None => None,
        Some(Wish::List) => Some(list(deps).await?),
        Some(Wish::Why) => Some(why(deps, session).await?),
        Some(Wish::ForgetThat) => {
            let facts = memory::just_stated(deps, session).await?;
            Some(forget(deps, facts, "I do not know which one you mean.").await?)
        }
        Some(Wish::Forget(what)) => {
            let facts = meant(deps, &what).await?;
            let none = format!("I remember nothing about {}.", quoted(&what));
            Some(forget(deps, facts, &none).await?)
        }
    })
}

/// The facts in force of this subject, else those with all of these words.
async fn meant(deps: &Deps, what: &str) -> ApiResult<Vec<FactRow>> {
    let found = memory::recall(&*deps.sql, what, Kind::Fact, SHOWN as usize).await?;
    let whole = found.into_iter().filter(|found| found.matched == found.asked);
    let ids: Vec<String> = whole.map(|found| found.doc).collect();
    let mut facts = memory::by_ids(deps, &ids).await?;
    facts.retain(FactRow::is_in_force);
    let named: Vec<_> = facts.iter().filter(|fact| fact.subject == what).cloned().collect();
    Ok(if named.is_empty() { facts } else { named })
}

async fn list(deps: &Deps) -> ApiResult<Told> {
    let facts = memory::in_force(deps, SHOWN + 1).await?;
    if facts.is_empty() {
        return Ok(told("I know nothing about you yet.".to_owned(), &[]));
    }
    let shown = facts.get(..facts.len().min(SHOWN as usize)).unwrap_or_default();
    let lines: Vec<String> = shown.iter().map(line).collect();
    let more = if shown.len() < facts.len() {
        "\n\nThere are more: `quintet memory list` shows all of them."
    } else {
        ""
    };
    Ok(told(format!("This is what I know about you:\n{}{more}", lines.join("\n")), shown))
}

async fn why(deps: &Deps, session: &str) -> ApiResult<Told> {
    let docs = memory::uses(deps, session).await?;
    let facts = memory::by_ids(deps, &docs).await?;
    if facts.is_empty() {
        return Ok(told("My last answer used nothing that I remember about you.".to_owned(), &[]));
    }
    let mut lines = Vec::new();
    for fact in &facts {
        let origin = memory::origin(deps, &fact.id).await?;
        let from = match (&origin.said, &origin.said_at) {
            (Some(said), Some(at)) => format!("you wrote on {}: {}", day(at), quoted(said)),
            _ => format!("you wrote it down by hand on {}", day(&rfc3339(fact.valid_from))),
        };
        let before = origin
            .before
            .first()
            .map(|before| format!("; before that it was {}", quoted(&before.text)));
        lines.push(format!("- {}: {from}{}", quoted(&fact.text), before.unwrap_or_default()));
    }
    Ok(told(format!("My last answer had these facts before it:\n{}", lines.join("\n")), &facts))
}

async fn forget(deps: &Deps, facts: Vec<FactRow>, none: &str) -> ApiResult<Told> {
    match facts.as_slice() {
        [] => Ok(told(format!("{none} `quintet memory list` shows what I know."), &[])),
        [fact] if fact.is_held() => {
            let text = format!(
                "You pinned this or wrote it by hand: {}. Use `quintet memory forget {}`.",
                quoted(&fact.text),
                fact.id
            );
            Ok(told(text, &[]))
        }
        [fact] => {
            memory::forget(deps, &fact.id).await?;
            let text = format!(
                "Forgotten: {}. The message that said it stays in your history, and no model sees it again.",
                quoted(&fact.text)
            );
            Ok(told(text, &[]))
        }
        several => {
            let lines: Vec<String> = several.iter().map(line).collect();
            let text = format!(
                "That may be any of these. Use `quintet memory forget ID`:\n{}",
                lines.join("\n")
            );
            Ok(told(text, &[]))
        }
    }
}

/// Facts that answer a question about the owner, without a model.
pub async fn known(deps: &Deps, message: &str) -> ApiResult<Option<Told>> {
    let lower = format!(" {} ", message.to_lowercase());
    let own = [" my ", " me ", " i ", " mein", " mich ", " ich ", " mi ", " mon ", " ma "];
    if !own.iter().any(|word| lower.contains(word)) {
        return Ok(None);
    }
    let found = memory::recall(&*deps.sql, message, Kind::Fact, 5).await?;
    let fitting = found.into_iter().filter(|found| found.matched * 2 >= found.asked);
    let ids: Vec<String> = fitting.map(|found| found.doc).collect();
    let facts = memory::by_ids(deps, &ids).await?;
    let in_force: Vec<FactRow> = facts.into_iter().filter(FactRow::is_in_force).collect();
    if in_force.is_empty() {
        return Ok(None);
    }
    let line = |fact: &FactRow| {
        format!("- {} (since {})", quoted(&fact.text), day(&rfc3339(fact.valid_from)))
    };
    let lines: Vec<String> = in_force.iter().map(line).collect();
    Ok(Some(told(format!("You told me:\n{}", lines.join("\n")), &in_force)))
}

fn told(text: String, facts: &[FactRow]) -> Told {
    Told { text, docs: facts.iter().map(|fact| fact.id.clone()).collect() }
}

fn line(fact: &FactRow) -> String {
    let pin = if fact.pinned == 0 { "" } else { ", pinned" };
    format!("- {} ({}{pin}; {})", quoted(&fact.text), printable(&fact.subject), fact.id)
}

/// The day of a time.
fn day(at: &str) -> &str {
    at.get(..10).unwrap_or(at)
}

fn quoted(text: &str) -> String {
    format!("“{}”", short(&printable(text), CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_of_the_memory_are_understood_in_plain_words() {
        assert_eq!(wish("What do you know about me?"), Some(Wish::List));
        assert_eq!(wish("why do you think so?"), Some(Wish::Why));
        assert_eq!(wish("Forget that."), Some(Wish::ForgetThat));
        assert_eq!(wish("forget my name"), Some(Wish::Forget("name".to_owned())));
        assert_eq!(
            wish("Please forget everything about Berlin!"),
            Some(Wish::Forget("berlin".to_owned()))
        );
        for other in ["what do you know about retries?", "don't forget the milk", "forget", "why?"]
        {
            assert_eq!(wish(other), None, "{other}");
        }
    }
}
