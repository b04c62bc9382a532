//! `GET /api/search?q=&limit=`: files that match a query.

use crate::answer::Asked;
use crate::search::{LIMIT_DEFAULT, LIMIT_MAX, Searcher};
use crate::store::SEARCH_TTL_S;
use crate::{Deps, load};
use axum::extract::State;
use axum::response::Response;
use contracts::GraphVersion;
use contracts::graph::{SearchAnswer, SearchQuery};
use http::HeaderMap;
use platform::edge::{ApiResult, Query};
use sha2::{Digest, Sha256};

/// Searches; without a published graph there are no results.
pub async fn search(
    State(deps): State<Deps>,
    Query(query): Query<SearchQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let asked = Asked::of(&deps, query.version.as_deref()).await?;
    if let Some(unchanged) = asked.unchanged(&headers) {
        return Ok(unchanged);
    }
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
    let Some(version) = &asked.version else {
        return Ok(asked.json(&SearchAnswer {
            query: query.q,
            version: None,
            results: Vec::new(),
        }));
    };
    // An in-memory search is faster than a cache lookup.
    if let Some(searcher) = deps.cache.searcher(version) {
        return Ok(asked.json(&answer(&searcher, version, query.q, limit)));
    }
    let digest = hex::encode(Sha256::digest(format!("{limit}\n{}", query.q)));
    let key = format!("search:{version}:{digest}");
    if let Some(text) = deps.kv.get(&key).await.ok().flatten() {
        return Ok(asked.bytes(text.into()));
    }
    let searcher = load::searcher(&deps, version).await?;
    let answer = answer(&searcher, version, query.q, limit);
    if let Ok(text) = serde_json::to_string(&answer) {
        load::put_copy(&deps, &key, &text, SEARCH_TTL_S).await;
    }
    Ok(asked.json(&answer))
}

fn answer(
    searcher: &Searcher,
    version: &GraphVersion,
    query: String,
    limit: usize,
) -> SearchAnswer {
    let results = searcher.search(&query, limit);
    SearchAnswer { query, version: Some(version.clone()), results }
}
