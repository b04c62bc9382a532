//! Files by HTTP: read one, and store one of a running task.

use super::{content, folder, object};
use crate::Deps;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use contracts::files::{FileOf, StoredFile};
use contracts::{ErrorCode, FileId, TaskId};
use http::header;
use inbox::{GetRun, InboxExt, TaskState};
use platform::edge::{ApiError, ApiResult, read_body};
use platform::secret::digest_hex;

/// Maximum files that one message may have in the store, with those of lost runs.
const OBJECTS_MAX: usize = 64;

/// `GET /api/files/{id}`: always a download, whatever its content, so that no page runs it.
pub(crate) async fn read(State(deps): State<Deps>, Path(id): Path<String>) -> ApiResult<Response> {
    let missing = || ApiError::not_found("file of this id");
    let (event, file) = FileId::new(id).parts().ok_or_else(missing)?;
    let (event, ..) = deps.event(&event).await?.ok_or_else(missing)?;
    let found = match file {
        FileOf::Message(place) => event.data.files.get(place),
        FileOf::Answer(place) => event.data.answer_files.get(place),
    };
    let file = found.filter(|file| file.refused.is_none()).ok_or_else(missing)?;
    let bytes = content(&deps, file).await?.ok_or_else(missing)?;
    let name = platform::percent::encode(&file.name);
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{name}")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".to_owned()),
    ];
    Ok((headers, bytes).into_response())
}

/// `PUT /api/tasks/{id}/files`: kept under its digest until the result names it.
pub(crate) async fn store(
    State(deps): State<Deps>,
    Path(id): Path<String>,
    request: Request,
) -> ApiResult<Json<StoredFile>> {
    let task = TaskId::new(id);
    let missing = || ApiError::not_found("task of this id");
    let event = task.event_id();
    let shard = deps.shard_of(&event).ok_or_else(missing)?;
    let (row, _) = deps.inbox.ask(&shard, GetRun { task }).await?.ok_or_else(missing)?;
    if row.state != TaskState::Leased {
        let detail = "This lease has ended; the file was not stored.";
        return Err(ApiError::new(ErrorCode::StaleEpoch, detail));
    }
    let bytes_max = usize::try_from(deps.config.files.bytes_max).unwrap_or(usize::MAX);
    let bytes = read_body(request, bytes_max).await?;
    let sha256 = digest_hex(&bytes);
    let names = deps.objects.list(&folder(&event)).await?;
    let (name, length) = (object(&event, &sha256), bytes.len() as u64);
    if !names.contains(&name) {
        if names.len() >= OBJECTS_MAX {
            let detail = format!("A message may have {OBJECTS_MAX} files in the store.");
            return Err(ApiError::new(ErrorCode::TooLarge, detail));
        }
        deps.objects.put(&name, bytes).await?;
    }
    Ok(Json(StoredFile { bytes: length, sha256 }))
}
