//! The gate of the pages: it checks the session before the handler, which then receives the
//! [`Owner`](crate::session::Owner).

use crate::answer::wants_json;
use crate::pages::{door, sign_in};
use crate::refusal::{Friendly, Turn};
use crate::session::Shown;
use crate::{Deps, guard, session};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use contracts::ErrorCode;
use platform::edge::{ApiError, PageGate};

/// Lets a signed-in owner through.
pub struct Gate(pub Deps);

impl PageGate<Deps> for Gate {
    fn before(&self, methods: MethodRouter<Deps>) -> MethodRouter<Deps> {
        methods.layer(from_fn_with_state(self.0.clone(), check))
    }
}

async fn check(
    State(deps): State<Deps>,
    mut request: Request,
    next: Next,
) -> Result<Response, Turn> {
    let Some(mut owner) = session::find(&deps, request.headers()).await? else {
        return Err(turn_away(&deps, &request));
    };
    let reads = !guard::changes(request.method());
    match owner.look(request.headers()) {
        Shown::Enough => {}
        Shown::Nothing if reads && !wants_json(request.headers()) => {
            return Ok(door::page(&deps.config));
        }
        // The handler looks for the key in the form.
        Shown::Nothing if !reads => {}
        Shown::Nothing | Shown::Wrong => {
            let refusal = Friendly::new(ErrorCode::Unauthenticated, session::NO_KEY);
            return Err(Turn::Friendly(refusal.fix(session::SIGN_IN_AGAIN)));
        }
    }
    request.extensions_mut().insert(owner);
    Ok(next.run(request).await)
}

/// To the sign-in page; a script gets 401 instead.
fn turn_away(deps: &Deps, request: &Request) -> Turn {
    if wants_json(request.headers()) {
        let detail = "The session has ended; sign in again.";
        let refusal = ApiError::new(ErrorCode::Unauthenticated, detail);
        return Turn::Answer(Box::new(refusal.into_response()));
    }
    let wanted = request.uri().path_and_query().map_or("", |path| path.as_str());
    // A link on another site arrives without our strict cookie; a page of our own brings it along.
    if guard::is_from_elsewhere(request.headers()) {
        return Turn::Answer(Box::new(sign_in::stepping_stone(&deps.config, wanted)));
    }
    Turn::SignIn(sign_in::address(&deps.config, wanted))
}
