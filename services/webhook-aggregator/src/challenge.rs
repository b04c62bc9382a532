//! `GET /<channel>/{endpoint}`: a platform asks whether the webhook's address is its endpoint's
//! before it sends anything there.

use crate::{Deps, ingest};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use contracts::{ChannelKind, ErrorCode, Problem};
use platform::edge::ApiResult;
use std::future::{Ready, ready};

/// The challenge of the platform, as plain text, if the query has the endpoint's token.
pub(crate) fn answer(
    kind: ChannelKind,
    State(deps): State<Deps>,
    Path(name): Path<String>,
    request: Request,
) -> Ready<ApiResult<Response>> {
    ready(proven(&deps, kind, &name, &request))
}

fn proven(deps: &Deps, kind: ChannelKind, name: &str, request: &Request) -> ApiResult<Response> {
    let (_, connection) = ingest::find(deps, kind, name, request.extensions())?;
    let challenge = connection.challenge(request.uri().query().unwrap_or_default());
    let challenge = challenge.ok_or_else(|| {
        Problem::new(ErrorCode::Forbidden, "The request does not name this endpoint's token.")
            .with_fix("Enter the endpoint's verify_token of quintet.toml at the platform.")
    })?;
    Ok(([("x-content-type-options", "nosniff")], challenge).into_response())
}
