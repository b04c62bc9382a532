//! `/api/memory`: the owner's look at the memory, and the owner's hand in it.

use super::facts::{self, FactRow, Learnt};
use super::said::Said;
use crate::Deps;
use axum::Json;
use axum::extract::{Path, State};
use contracts::Problem;
use contracts::memory::{Fact, FactList, FactMaker, FactOrigin, FactUpdate, MemoryQuery, NewFact};
use http::StatusCode;
use platform::edge::{ApiError, ApiResult, JsonBody, Query};
use platform::ports::SqlExt as _;
use platform::sql;

/// Maximum characters.
const SUBJECT_CHARS_MAX: usize = 80;
const TEXT_CHARS_MAX: usize = 1_000;
const QUERY_CHARS_MAX: usize = 400;

/// `GET /api/memory`.
pub async fn list(
    State(deps): State<Deps>,
    Query(query): Query<MemoryQuery>,
) -> ApiResult<Json<FactList>> {
    if let Some(q) = &query.q {
        check("q", q, QUERY_CHARS_MAX, true)?;
    }
    let rows = facts::facts(&deps, query.q.as_deref(), query.all.unwrap_or(false)).await?;
    Ok(Json(FactList { facts: rows.iter().map(FactRow::fact).collect::<ApiResult<_>>()? }))
}

/// `GET /api/memory/{id}`.
pub async fn read(State(deps): State<Deps>, Path(id): Path<String>) -> ApiResult<Json<FactOrigin>> {
    facts::origin(&deps, &id).await.map(Json)
}

/// `POST /api/memory`.
pub async fn add(
    State(deps): State<Deps>,
    JsonBody(new): JsonBody<NewFact>,
) -> ApiResult<(StatusCode, Json<Fact>)> {
    check("subject", &new.subject, SUBJECT_CHARS_MAX, false)?;
    check("text", &new.text, TEXT_CHARS_MAX, false)?;
    let said = Said {
        subject: new.subject.trim().to_owned(),
        text: new.text.trim().to_owned(),
        is_single: true,
    };
    let learnt =
        Learnt { said, by: FactMaker::Owner, source: None, pinned: new.pinned, replaces: None };
    let fact = written(&deps, &learnt).await?;
    Ok((StatusCode::CREATED, Json(fact)))
}

/// `PUT /api/memory/{id}`.
pub async fn edit(
    State(deps): State<Deps>,
    Path(id): Path<String>,
    JsonBody(update): JsonBody<FactUpdate>,
) -> ApiResult<Json<Fact>> {
    let row = facts::one(&deps, &id).await?;
    let fact = row.fact()?;
    if fact.valid_to.is_some() {
        return Err(Problem::field(
            "id",
            format!("{id} is superseded."),
            "Edit the fact that is in force: `quintet memory list` shows it.",
        )
        .into());
    }
    let pinned = update.pinned.unwrap_or(fact.pinned);
    if let Some(text) = update.text.as_deref().filter(|text| text.trim() != fact.text) {
        check("text", text, TEXT_CHARS_MAX, false)?;
        let said = Said { subject: fact.subject, text: text.trim().to_owned(), is_single: false };
        let learnt =
            Learnt { said, by: FactMaker::Owner, source: None, pinned, replaces: Some(&id) };
        return written(&deps, &learnt).await.map(Json);
    }
    let pin = sql!("UPDATE memory_fact SET pinned = ?2 WHERE id = ?1", &id, i64::from(pinned));
    deps.sql.batch(vec![pin]).await?;
    facts::one(&deps, &id).await?.fact().map(Json)
}

/// `DELETE /api/memory/{id}`.
pub async fn remove(State(deps): State<Deps>, Path(id): Path<String>) -> ApiResult<Json<Fact>> {
    facts::forget(&deps, &id).await?.fact().map(Json)
}

/// Writes a fact; returns it, or the one that says the same already.
async fn written(deps: &Deps, learnt: &Learnt<'_>) -> ApiResult<Fact> {
    let (id, batch) = facts::learn(deps, learnt);
    deps.sql.batch(batch).await?;
    let find = sql!(
        "SELECT * FROM memory_fact WHERE id = ?1 OR (subject = ?2 AND lower(text) = lower(?3) AND valid_to IS NULL)
         ORDER BY id = ?1 DESC LIMIT 1",
        &id,
        learnt.said.subject.to_lowercase(),
        &learnt.said.text
    );
    let row: Option<FactRow> = deps.sql.one(find).await?;
    row.ok_or_else(|| ApiError::not_found("such fact"))?.fact()
}

fn check(field: &str, text: &str, max: usize, may_be_empty: bool) -> ApiResult<()> {
    let is_empty = text.trim().is_empty() && !may_be_empty;
    if is_empty || text.chars().count() > max || text.contains('\0') {
        let least = usize::from(!may_be_empty);
        return Err(Problem::field(
            field,
            format!("`{field}` is empty or has more than {max} characters."),
            format!("Send {least} to {max} characters."),
        )
        .into());
    }
    Ok(())
}
