//! The table of facts.

use super::recall::{self, Kind, index, recall};
use super::said::Said;
use super::words::words;
use crate::Deps;
use crate::store::{self, Answers};
use contracts::memory::{Fact, FactMaker, FactOrigin};
use platform::edge::{ApiError, ApiResult};
use platform::ports::{ClockExt, SqlExt, Statement};
use platform::sql;
use platform::time::rfc3339;
use serde::Deserialize;

/// Maximum facts of a list.
const LIST_MAX: u32 = 500;
/// Maximum facts that one superseded after the other are shown.
const CHAIN_MAX: u32 = 10_000;
/// Of facts that a model writes down: it may have misunderstood.
const MODEL_CONFIDENCE: i64 = 80;
const WORDS_CONFIDENCE: i64 = 90;

/// A row of `memory_fact`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FactRow {
    pub id: String,
    pub subject: String,
    pub text: String,
    pub source: Option<String>,
    made_by: String,
    confidence: i64,
    pub pinned: i64,
    pub valid_from: i64,
    valid_to: Option<i64>,
    superseded_by: Option<String>,
}

impl FactRow {
    /// Whether the owner wrote it by hand or pinned it: a word in the chat does not delete it.
    pub fn is_held(&self) -> bool {
        self.pinned != 0 || self.made_by == "owner"
    }
    /// Whether nothing has superseded it.
    pub const fn is_in_force(&self) -> bool {
        self.valid_to.is_none()
    }
    /// The row on the wire.
    pub fn fact(&self) -> ApiResult<Fact> {
        let made_by = match self.made_by.as_str() {
            "owner" => FactMaker::Owner,
            "words" => FactMaker::Words,
            "model" => FactMaker::Model,
            _ => return Err(store::unreadable("fact")),
        };
        Ok(Fact {
            id: self.id.clone(),
            subject: self.subject.clone(),
            text: self.text.clone(),
            source: self.source.clone(),
            made_by,
            confidence: self.confidence as f64 / 100.0,
            pinned: self.pinned != 0,
            valid_from: rfc3339(self.valid_from),
            valid_to: self.valid_to.map(rfc3339),
            superseded_by: self.superseded_by.clone(),
        })
    }
}

/// A fact to be written down.
#[derive(Clone, Debug)]
pub struct Learnt<'a> {
    pub said: Said,
    pub by: FactMaker,
    /// The message that states it.
    pub source: Option<&'a str>,
    pub pinned: bool,
    /// The fact in whose place it comes, beside those of the same subject.
    pub replaces: Option<&'a str>,
}

const fn name(by: FactMaker) -> (&'static str, i64) {
    match by {
        FactMaker::Owner => ("owner", 100),
        FactMaker::Words => ("words", WORDS_CONFIDENCE),
        FactMaker::Model => ("model", MODEL_CONFIDENCE),
    }
}

/// Writes a fact down and ends those it supersedes. One that is known already changes nothing. The
/// statements belong in one batch; also returns the fact's id.
pub fn learn(deps: &Deps, learnt: &Learnt<'_>) -> (String, Vec<Statement>) {
    let id = format!("mem_{}", deps.clock.ulid());
    let (now_ms, (by, confidence)) = (deps.clock.now_ms(), name(learnt.by));
    let Said { subject, text, is_single } = &learnt.said;
    let insert = sql!(
        "INSERT INTO memory_fact (id, subject, text, source, made_by, confidence, pinned, valid_from)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
         WHERE NOT EXISTS (SELECT 1 FROM memory_fact k WHERE k.subject = ?2 AND k.valid_to IS NULL AND lower(k.text) = lower(?3))",
        &id,
        subject.to_lowercase(),
        text,
        learnt.source.map(str::to_owned),
        by,
        confidence,
        i64::from(learnt.pinned),
        now_ms
    );
    // The owner alone supersedes what the owner wrote by hand.
    let supersede = sql!(
        "UPDATE memory_fact SET valid_to = ?3, superseded_by = ?1
         WHERE id <> ?1 AND valid_to IS NULL AND ((?4 AND subject = ?2) OR id = ?5) AND (made_by <> 'owner' OR ?6 <> 'model')
           AND EXISTS (SELECT 1 FROM memory_fact mine WHERE mine.id = ?1)",
        &id,
        subject.to_lowercase(),
        now_ms,
        *is_single,
        learnt.replaces.map(str::to_owned),
        by
    );
    let mut batch = vec![insert, supersede];
    batch.extend(index(&id, &format!("{subject} {text}")));
    // Of a fact that was known already.
    for table in ["memory_term", "memory_doc"] {
        batch.push(sql!(
            format!(
                "DELETE FROM {table} WHERE doc = ?1 AND NOT EXISTS (SELECT 1 FROM memory_fact f WHERE f.id = ?1)"
            ),
            &id
        ));
    }
    (id, batch)
}

/// The facts in force, the pinned and then the newest first.
pub async fn in_force(deps: &Deps, most: u32) -> ApiResult<Vec<FactRow>> {
    let find = sql!(
        "SELECT * FROM memory_fact WHERE valid_to IS NULL ORDER BY pinned DESC, id DESC LIMIT ?1",
        most
    );
    Ok(deps.sql.all(find).await?)
}

/// The facts that the newest message of a conversation stated.
pub async fn just_stated(deps: &Deps, session: &str) -> ApiResult<Vec<FactRow>> {
    let find = sql!(
        "SELECT f.* FROM memory_fact f WHERE f.valid_to IS NULL AND f.source = (
           SELECT m.id FROM chat_message m WHERE m.session = ?1 AND m.role = 'user' AND m.hidden = 0 ORDER BY m.id DESC LIMIT 1)",
        session
    );
    Ok(deps.sql.all(find).await?)
}

/// Facts by their words, the best first; without words the newest first.
pub async fn facts(deps: &Deps, q: Option<&str>, all: bool) -> ApiResult<Vec<FactRow>> {
    let Some(q) = q.filter(|q| !q.trim().is_empty()) else {
        let find = sql!(
            "SELECT * FROM memory_fact WHERE ?1 OR valid_to IS NULL ORDER BY pinned DESC, id DESC LIMIT ?2",
            all,
            LIST_MAX
        );
        return Ok(deps.sql.all(find).await?);
    };
    let found = recall(&*deps.sql, q, Kind::Fact, LIST_MAX as usize).await?;
    let ids: Vec<String> = found.into_iter().map(|found| found.doc).collect();
    let rows = by_ids(deps, &ids).await?;
    Ok(rows.into_iter().filter(|row| all || row.valid_to.is_none()).collect())
}

/// The facts with these ids, in their order.
pub async fn by_ids(deps: &Deps, ids: &[String]) -> ApiResult<Vec<FactRow>> {
    let find = sql!(
        "SELECT f.* FROM json_each(?1) wanted JOIN memory_fact f ON f.id = wanted.value ORDER BY wanted.key",
        serde_json::Value::from(ids.to_vec()).to_string()
    );
    Ok(deps.sql.all(find).await?)
}

/// Reads one fact.
pub async fn one(deps: &Deps, id: &str) -> ApiResult<FactRow> {
    let find = sql!("SELECT * FROM memory_fact WHERE id = ?1", id);
    deps.sql.one(find).await?.ok_or_else(|| ApiError::not_found("such fact"))
}

/// Why the assistant thinks so.
pub async fn origin(deps: &Deps, id: &str) -> ApiResult<FactOrigin> {
    #[derive(Deserialize)]
    struct Message {
        session: String,
        content: String,
        at: i64,
    }
    let batch = vec![
        sql!("SELECT * FROM memory_fact WHERE id = ?1", id),
        sql!(
            "SELECT m.session, m.content, m.at FROM chat_message m JOIN memory_fact f ON f.source = m.id WHERE f.id = ?1",
            id
        ),
        sql!(
            "WITH RECURSIVE chain (id) AS (SELECT ?1 UNION SELECT f.id FROM memory_fact f JOIN chain c ON f.superseded_by = c.id)
             SELECT f.* FROM memory_fact f JOIN chain c ON c.id = f.id WHERE f.id <> ?1 ORDER BY f.id DESC LIMIT ?2",
            id,
            CHAIN_MAX
        ),
    ];
    let mut answers = Answers::of(&*deps.sql, batch).await?;
    let fact: FactRow = answers.one()?.ok_or_else(|| ApiError::not_found("such fact"))?;
    let message: Option<Message> = answers.one()?;
    let before: Vec<FactRow> = answers.all()?;
    Ok(FactOrigin {
        fact: fact.fact()?,
        said_at: message.as_ref().map(|message| rfc3339(message.at)),
        session_key: message.as_ref().map(|message| message.session.clone()),
        said: message.map(|message| message.content),
        before: before.iter().map(FactRow::fact).collect::<ApiResult<_>>()?,
    })
}

/// Hides what repeats a fact: every message with all of its words, and every answer that was made
/// from it and has one of the words that tell it.
fn hide_repetitions(fact: &FactRow) -> Vec<Statement> {
    let (all, subject) = (words(&fact.text), words(&fact.subject));
    let telling: Vec<String> =
        all.keys().filter(|word| !subject.contains_key(*word)).cloned().collect();
    let list = |words: Vec<String>| serde_json::Value::from(words).to_string();
    let has = "SELECT 1 FROM memory_term t WHERE t.term = w.value AND t.kind = 'message' AND t.doc = chat_message.id";
    vec![
        sql!(
            format!(
                "UPDATE chat_message SET hidden = 1
                 WHERE json_array_length(?1) > 0 AND id IN (
                     SELECT t.doc FROM memory_term t WHERE t.kind = 'message' AND t.term = json_extract(?1, '$[0]'))
                   AND NOT EXISTS (SELECT 1 FROM json_each(?1) w WHERE NOT EXISTS ({has}))"
            ),
            list(all.into_keys().collect())
        ),
        sql!(
            format!(
                "UPDATE chat_message SET hidden = 1
                 WHERE role = 'assistant' AND id IN (SELECT message FROM memory_use WHERE doc = ?1)
                   AND EXISTS (SELECT 1 FROM json_each(?2) w WHERE EXISTS ({has}))"
            ),
            &fact.id,
            list(telling)
        ),
    ]
}

/// Forgets a fact and those it superseded: the rows are deleted, and no message that states one of
/// them, and no answer that repeats it, is shown to a model again. The messages themselves stay in
/// the owner's history.
pub async fn forget(deps: &Deps, id: &str) -> ApiResult<FactRow> {
    let fact = one(deps, id).await?;
    let origin = origin(deps, id).await?;
    let before: Vec<String> = origin.before.iter().map(|before| before.id.clone()).collect();
    let all: Vec<FactRow> =
        std::iter::once(fact.clone()).chain(by_ids(deps, &before).await?).collect();
    let mut batch = Vec::new();
    for gone in &all {
        if let Some(source) = &gone.source {
            batch.push(sql!(
                "UPDATE chat_message SET hidden = 1 WHERE id IN (?1, ?1 || '~')",
                source
            ));
        }
        batch.extend(hide_repetitions(gone));
        batch.extend(recall::unindex(&gone.id));
        batch.push(sql!("DELETE FROM memory_fact WHERE id = ?1", &gone.id));
    }
    batch.extend(recall::unindex_hidden());
    // A summary may have it in other words: it is made again from what is left.
    batch.push(sql!("DELETE FROM chat_summary"));
    deps.sql.batch(batch).await?;
    Ok(fact)
}
