//! Recall by words: BM25 over facts and messages (Robertson and Zaragoza, "The Probabilistic
//! Relevance Framework", 2009), with an inverted index in ordinary tables, which every backup and
//! every export takes.

use super::words::words;
use crate::Deps;
use crate::store::Answers;
use platform::edge::ApiResult;
use platform::ports::{Sql, SqlExt, Statement};
use platform::sql;
use serde::Deserialize;
use std::collections::HashMap;

/// The usual parameters.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// Maximum words of a question that are looked up, the longest first.
const TERMS_MAX: usize = 16;
/// Maximum rows read for a word: the newest.
const ROWS_MAX: u32 = 400;
/// Maximum words of a document that are indexed.
const DOC_TERMS_MAX: usize = 4_000;

/// A table of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Fact,
    Message,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Message => "message",
        }
    }
    fn of(doc: &str) -> Self {
        if doc.starts_with("mem_") { Self::Fact } else { Self::Message }
    }
}

/// A document that fits a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub doc: String,
    pub score: f64,
    /// Words of the question that it has, of those that were looked up.
    pub matched: usize,
    pub asked: usize,
}

/// Writes the words of a fact or a message, in place of those it had.
pub fn index(doc: &str, text: &str) -> Vec<Statement> {
    let mut terms: Vec<(String, u32)> = words(text).into_iter().collect();
    let all: u32 = terms.iter().map(|(_, n)| n).sum();
    terms.truncate(DOC_TERMS_MAX);
    let list: Vec<_> = terms.iter().map(|(term, n)| serde_json::json!([term, n])).collect();
    vec![
        sql!("DELETE FROM memory_term WHERE doc = ?1", doc),
        sql!(
            "INSERT INTO memory_doc (doc, words) VALUES (?1, ?2) ON CONFLICT (doc) DO UPDATE SET words = excluded.words",
            doc,
            all
        ),
        sql!(
            "INSERT INTO memory_term (term, kind, doc, n) SELECT value->>0, ?2, ?1, value->>1 FROM json_each(?3)",
            doc,
            Kind::of(doc).name(),
            serde_json::Value::from(list).to_string()
        ),
    ]
}

/// Takes a document out of the recall.
pub fn unindex(doc: &str) -> Vec<Statement> {
    vec![
        sql!("DELETE FROM memory_term WHERE doc = ?1", doc),
        sql!("DELETE FROM memory_doc WHERE doc = ?1", doc),
    ]
}

/// Takes the hidden messages out of the recall.
pub fn unindex_hidden() -> Vec<Statement> {
    ["memory_term", "memory_doc"]
        .map(|table| {
            let hidden = "SELECT id FROM chat_message WHERE hidden = 1";
            Statement::new(format!("DELETE FROM {table} WHERE doc IN ({hidden})"))
        })
        .into()
}

#[derive(Deserialize)]
struct Corpus {
    n: i64,
    words: Option<i64>,
}

#[derive(Deserialize)]
struct Hit {
    doc: String,
    n: i64,
    words: i64,
}

/// The documents that fit a question, the best first.
pub async fn recall(
    sql: &dyn Sql,
    question: &str,
    kind: Kind,
    most: usize,
) -> ApiResult<Vec<Found>> {
    let mut terms: Vec<String> = words(question).into_keys().collect();
    // Long words are rarer.
    terms.sort_by_key(|term| std::cmp::Reverse(term.chars().count()));
    terms.truncate(TERMS_MAX);
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    let mut batch = vec![sql!("SELECT COUNT(*) AS n, SUM(words) AS words FROM memory_doc")];
    batch.extend(terms.iter().map(|term| {
        sql!(
            "SELECT t.doc, t.n, d.words FROM memory_term t JOIN memory_doc d ON d.doc = t.doc
             WHERE t.term = ?1 AND t.kind = ?2 ORDER BY t.doc DESC LIMIT ?3",
            term,
            kind.name(),
            ROWS_MAX
        )
    }));
    let mut answers = Answers::of(sql, batch).await?;
    let corpus: Corpus = answers.one()?.unwrap_or(Corpus { n: 0, words: None });
    let count = corpus.n.max(1) as f64;
    let average = (corpus.words.unwrap_or(0) as f64 / count).max(1.0);
    let mut scores: HashMap<String, (f64, usize)> = HashMap::new();
    for _ in &terms {
        let hits: Vec<Hit> = answers.all()?;
        let with = hits.len() as f64;
        let idf = ((count - with + 0.5).max(0.5) / (with + 0.5)).ln_1p();
        for hit in hits {
            let n = hit.n as f64;
            let length = K1 * (1.0 - B + B * hit.words as f64 / average);
            let (score, matched) = scores.entry(hit.doc).or_default();
            *score += idf * n * (K1 + 1.0) / (n + length);
            *matched += 1;
        }
    }
    let asked = terms.len();
    let found = |(doc, (score, matched))| Found { doc, score, matched, asked };
    let mut found: Vec<Found> = scores.into_iter().map(found).collect();
    // Of two that fit alike the newer one.
    found.sort_by(|one, other| other.score.total_cmp(&one.score).then(other.doc.cmp(&one.doc)));
    found.truncate(most);
    Ok(found)
}

/// Records what an answer was made from.
pub fn used(message: &str, docs: &[String]) -> Statement {
    let list = serde_json::Value::from(docs.to_vec()).to_string();
    sql!(
        "INSERT INTO memory_use (message, doc) SELECT ?1, value FROM json_each(?2) WHERE true ON CONFLICT DO NOTHING",
        message,
        list
    )
}

/// The documents that the newest answer of a conversation was made from.
pub async fn uses(deps: &Deps, session: &str) -> ApiResult<Vec<String>> {
    #[derive(Deserialize)]
    struct Use {
        doc: String,
    }
    let find = sql!(
        "SELECT u.doc FROM memory_use u WHERE u.message = (
           SELECT m.id FROM chat_message m WHERE m.session = ?1 AND m.role = 'assistant' ORDER BY m.id DESC LIMIT 1)",
        session
    );
    let rows: Vec<Use> = deps.sql.all(find).await?;
    Ok(rows.into_iter().map(|row| row.doc).collect())
}
