//! `POST /internal/transcriptions/{id}`: the words of a recording, if the owner has configured
//! transcription.
//!
//! It is work like any other: the rules must approve it, the money is held before the request, and
//! the cost is settled. On any failure there are no words, and the message goes on with its file.

use crate::approve::{record, ruling};
use crate::own_work::{self, TRANSCRIPTION};
use crate::policy::Verdict;
use crate::recording::Recording;
use crate::transcription::{Transcriber, TranscriptionError};
use crate::{Deps, claim, owner};
use axum::Json;
use axum::extract::{Path, Request, State};
use contracts::Micros;
use contracts::files::{FILE_BYTES_CEILING, Transcription};
use platform::edge::{ApiResult, read_body};
use platform::files::size;
use platform::ports::ClockExt;
use platform::text::{printable, short};

/// Maximum characters of the words, as of a message.
const TEXT_CHARS_MAX: usize = 16_000;
/// Maximum characters of a reason.
const WHY_CHARS_MAX: usize = 200;

/// The handler. Always 200 for a sound request: "no words" is an answer.
pub async fn transcribe(
    State(deps): State<Deps>,
    Path(id): Path<String>,
    request: Request,
) -> ApiResult<Json<Transcription>> {
    let Some(transcriber) = deps.config.transcriber() else {
        return Ok(Json(Transcription::default()));
    };
    let bytes_max = usize::try_from(FILE_BYTES_CEILING).unwrap_or(usize::MAX);
    let content = read_body(request, bytes_max).await?;
    let said = match Recording::of(content) {
        Some(recording) => words(&deps, transcriber, &id, recording).await?,
        None => Err("its content is no recording".to_owned()),
    };
    Ok(Json(match said {
        Ok(text) => Transcription { text: Some(short(&text, TEXT_CHARS_MAX)), why: None },
        Err(why) => Transcription { text: None, why: Some(short(&printable(&why), WHY_CHARS_MAX)) },
    }))
}

/// The words, or the reason that there are none.
async fn words(
    deps: &Deps,
    transcriber: &Transcriber,
    id: &str,
    recording: Recording,
) -> ApiResult<Result<String, String>> {
    let length = recording.content.len();
    let Some(most) = transcriber.most(&recording) else {
        let why = "its length cannot be told, so that its cost has no bound; send a voice message in Ogg Opus";
        return Ok(Err(why.to_owned()));
    };
    let what = format!("Transcribe a recording of {}", size(length as u64));
    let work = own_work::request(TRANSCRIPTION, id, what, most);
    // The owner is not asked for a recording: the file goes on without words.
    if ruling(deps, own_work::WHO, &work, &owner::read(deps).await?).verdict != Verdict::Approve {
        return Ok(Err(format!(
            "it may cost {}, which your rules do not approve by themselves",
            work.estimated_cost
        )));
    }
    let (row, _) = record(deps, own_work::WHO, &work).await?;
    let claim = match claim::take(deps, &row.id, &row.digest, None).await {
        Ok(claim) => claim,
        Err(claim::ClaimError::Claimed(_)) => return Ok(Err("it was tried before".to_owned())),
        Err(refusal) => return Ok(Err(refusal.to_string())),
    };
    let (task, boundary) = (format!("{TRANSCRIPTION}-{id}"), deps.clock.random_hex(16));
    let programs = deps.programs.as_deref();
    let said = transcriber.words(&*deps.outbound, programs, (&task, &boundary), recording);
    let said = own_work::unless_halted(deps, &work.task_id, said).await;
    let said = said.unwrap_or(Err(TranscriptionError::Halted));
    let cost = match &said {
        Ok(words) => transcriber.cost(words),
        Err(error) if error.is_without_effect() => Some(Micros::ZERO),
        // It may have been transcribed all the same.
        Err(_) => Some(work.estimated_cost),
    };
    let settled = own_work::settlement(claim.claim_token, cost, said.is_ok());
    own_work::settle(deps, work.task_id, settled).await;
    Ok(match said {
        Ok(words) if words.text.is_empty() => Err("it has no words".to_owned()),
        Ok(words) => Ok(words.text),
        Err(error) => {
            tracing::warn!(%error, file = id, "a recording was not transcribed");
            Err(error.to_string())
        }
    })
}
