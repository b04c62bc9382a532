//! The tokens of a running server: reads their files again when a command asks, ends graces, and
//! notes the last use of each.

use super::{Held, Row, Uses, read};
use crate::data_dir::DataDir;
use crate::identity;
use crate::ports::clock::SystemClock;
use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use contracts::ErrorCode;
use platform::edge::{ApiError, Auth, Principal};
use platform::ports::Clock;
use platform::secret::Secret;
use platform::time::rfc3339;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the commands ask: GET lists the tokens, POST reads their files again.
pub const PATH: &str = "/local/tokens";
/// Minimum time between two writes of the last uses.
const WRITE_EVERY_MS: i64 = 60_000;

/// The tokens of this server.
pub struct Keeper {
    data: DataDir,
    auth: Auth,
    state: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    rows: Vec<Row>,
    next_end_ms: Option<i64>,
    uses: Uses,
    /// Whether a use is not written yet.
    is_dirty: bool,
    written_ms: i64,
}

impl Keeper {
    /// Reads the tokens; `fixed` are the secrets that live as long as the process.
    ///
    /// # Errors
    /// As [`read`].
    pub fn open(
        data: &DataDir,
        fixed: impl IntoIterator<Item = (Secret, Principal)>,
    ) -> Result<Self> {
        let uses = Uses::read(data);
        let keeper = Self {
            data: data.clone(),
            auth: Auth::new(fixed),
            state: Mutex::new(Known { uses, ..Known::default() }),
        };
        keeper.reload()?;
        Ok(keeper)
    }
    /// The check that every service has.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }
    /// Takes the tokens as their files are now.
    fn reload(&self) -> Result<()> {
        let Held { issued, mut rows, next_end_ms } = read(&self.data)?;
        let mut state = self.note_uses(SystemClock.now_ms());
        self.auth.issue(issued);
        state.uses.fill(&mut rows);
        state.uses.0.retain(|key, _| rows.iter().any(|row| Uses::key(row) == *key));
        state.rows = rows;
        state.next_end_ms = next_end_ms;
        Ok(())
    }
    fn state(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Notes the uses since the last call; the check itself only sets a flag.
    fn note_uses(&self, now_ms: i64) -> MutexGuard<'_, Known> {
        let used = self.auth.take_used();
        let minute = rfc3339(now_ms - now_ms.rem_euclid(WRITE_EVERY_MS));
        // A token made within this minute was not used before it was made.
        let at = |row: &Row| row.created.clone().unwrap_or_default().max(minute.clone());
        let mut guard = self.state();
        let state = &mut *guard;
        for row in state.rows.iter_mut().filter(|row| used.contains(&row.scope)) {
            let used = at(row);
            state.is_dirty |= row.last_used.as_ref() != Some(&used);
            row.last_used = Some(used.clone());
            state.uses.0.insert(Uses::key(row), used);
        }
        guard
    }
    /// Ends graces that are over, and writes the last uses at most once a minute.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn tick(&self, now_ms: i64) -> Result<()> {
        let state = self.note_uses(now_ms);
        let is_time = now_ms - state.written_ms >= WRITE_EVERY_MS;
        let over = state.next_end_ms.is_some_and(|end| end <= now_ms);
        drop(state);
        if is_time {
            self.write(now_ms)?;
        }
        if over {
            self.reload()?;
        }
        Ok(())
    }
    /// Writes the last uses, if there are new ones.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, now_ms: i64) -> Result<()> {
        let mut state = self.note_uses(now_ms);
        if !std::mem::take(&mut state.is_dirty) {
            return Ok(());
        }
        state.written_ms = now_ms;
        state.uses.write(&self.data)
    }
}

/// The path for the commands; it is the operator's alone, and shows no token.
pub fn router(keeper: Arc<Keeper>) -> Router {
    let list = async |State(keeper): State<Arc<Keeper>>, headers: HeaderMap| {
        answer(&keeper, &headers, || Ok(()))
    };
    let reload = async |State(keeper): State<Arc<Keeper>>, headers: HeaderMap| {
        answer(&keeper, &headers, || keeper.reload())
    };
    Router::new().route(PATH, get(list).post(reload)).with_state(keeper)
}

fn answer(keeper: &Keeper, headers: &HeaderMap, act: impl FnOnce() -> Result<()>) -> Response {
    if let Err(refusal) = identity::require_operator(&keeper.auth, headers) {
        return refusal.into_response();
    }
    match act() {
        Ok(()) => axum::Json(&keeper.note_uses(SystemClock.now_ms()).rows).into_response(),
        Err(error) => {
            tracing::error!(%error, "the tokens could not be read again");
            ApiError::new(ErrorCode::Unavailable, format!("The tokens could not be read: {error}"))
                .into_response()
        }
    }
}
