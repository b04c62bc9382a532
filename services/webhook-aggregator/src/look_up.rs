//! Requests to a platform before a message can be read: for our own name, or the members of a room.

use crate::Deps;
use crate::channels::{Connection, LookUp};
use contracts::{ErrorCode, Problem};
use platform::edge::{ApiError, ApiResult};
use platform::ports::PortErrorKind;

/// Maximum look-ups for one body: a transaction has up to a hundred messages.
const LOOK_UPS_MAX: usize = 250;

/// Asks the platform for everything that a body cannot be read without, such as our own name. An
/// answer that is useful and not needed may be missing.
pub(crate) async fn look_up(
    deps: &Deps,
    connection: &dyn Connection,
    body: &[u8],
) -> ApiResult<()> {
    let mut last = String::new();
    for _ in 0..LOOK_UPS_MAX {
        let next = connection.look_up(body, deps.clock.now_ms());
        let next = next.filter(|next| next.about != last);
        let Some(LookUp { about, request, is_needed }) = next else { break };
        match deps.outbound.send(request).await {
            Ok(answer) if !is_needed || connection.tells(&about, &answer) => {
                connection.learn(&about, &answer);
            }
            Ok(answer) if connection.does_without(&about, Some(&answer), false) => {}
            Ok(answer) => return Err(cannot_read(&format!("it answered {}", answer.status))),
            Err(error) if is_needed => {
                let is_final = error.kind == PortErrorKind::Invalid;
                if !connection.does_without(&about, None, is_final) {
                    return Err(cannot_read(&error.detail));
                }
            }
            Err(error) => {
                tracing::warn!(%error, about, "the platform did not answer a look-up");
            }
        }
        last = about;
    }
    Ok(())
}

/// A message is not taken that would be read in another way than its sender meant it.
fn cannot_read(why: &str) -> ApiError {
    tracing::warn!(why, "the platform did not answer what a message needs to be read");
    Problem::new(
        ErrorCode::Unavailable,
        "The platform did not answer a look-up for this message; it was not accepted.",
    )
    .with("retryAfter", 5)
    .with_fix("Send it again after Retry-After; check that the platform's API answers this server.")
    .into()
}
