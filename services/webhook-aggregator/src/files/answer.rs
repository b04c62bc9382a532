//! Files of an answer: named by the result, each a message of its own after the answer.

use super::{folder, is_console, object};
use crate::Deps;
use contracts::event::{Reply, Stage};
use contracts::files::AnswerFile;
use contracts::task::ResultRequest;
use contracts::{EventId, Problem, TaskId};
use inbox::{Draft, EventData, InboxExt, KeptFile, OutboxRow, Patch, Step, StoredEvent};
use platform::edge::ApiResult;
use platform::files::{content_type, safe_name, size, unique};

/// The files of a result, each checked against the store. Those above the limit are left out, with
/// a line in the answer: a gateway may have another limit, and its answer must not be lost for it.
pub(crate) async fn fits(
    deps: &Deps,
    event: &EventId,
    request: &mut ResultRequest,
) -> ApiResult<Vec<KeptFile>> {
    if request.files.is_empty() {
        return Ok(Vec::new());
    }
    // The changes that a person asked for may come as a file in any case.
    let most = deps.config.files.per_message_max.max(1);
    let surplus = request.files.len().saturating_sub(most);
    if surplus > 0 {
        request.files.truncate(most);
        let line = format!("\n\n{surplus} more files were not sent: an answer may have {most}.");
        request.text.push_str(&line);
    }
    let stored = deps.objects.list(&folder(event)).await?;
    let mut files: Vec<KeptFile> = Vec::new();
    for AnswerFile { name, sha256 } in &request.files {
        let object = object(event, sha256);
        let content =
            if stored.contains(&object) { deps.objects.get(&object).await? } else { None };
        let Some(content) = content else {
            let detail = format!("`files` names the digest {sha256}, which is not stored.");
            let fix = "Store it with PUT /api/tasks/{id}/files first.";
            return Err(Problem::field("files", detail, fix).into());
        };
        let name = unique(&safe_name(name), files.iter().map(|file| file.name.as_str()));
        files.push(KeptFile {
            name,
            kind: content_type(&content).unwrap_or("application/octet-stream").to_owned(),
            bytes: content.len() as u64,
            sha256: sha256.clone(),
            object,
            ..KeptFile::default()
        });
    }
    Ok(files)
}

/// Adds the files to the step that the result leads to. A run that is repeated elsewhere has no
/// answer for them.
pub(crate) fn attach(event: &StoredEvent, task: &TaskId, files: &[KeptFile], step: &mut Step) {
    if files.is_empty() || !takes_files(step) {
        return;
    }
    let Step::To { patch, .. } = step else { return };
    let data = patch.data.take().unwrap_or_else(|| event.data.clone());
    patch.data = Some(EventData { answer_files: files.to_vec(), ..data });
    if is_console(event) {
        let named: Vec<String> = files.iter().map(shown).collect();
        add_to_transcript(patch, &format!("\n\nFiles: {}", named.join(", ")));
        return;
    }
    patch.say.extend(files.iter().enumerate().map(|(place, file)| draft(event, task, place, file)));
}

/// Whether an answer may have files: a halt ends what a run still wanted to say.
pub(super) fn takes_files(step: &Step) -> bool {
    let Step::To { patch, stage, .. } = step else { return false };
    let is_over = matches!(stage, Stage::Halted | Stage::Refused | Stage::Dead);
    !is_over && !patch.new_run && !patch.said.is_empty()
}

fn add_to_transcript(patch: &mut Patch, line: &str) {
    if let Some(said) = patch.said.last_mut() {
        said.text.push_str(line);
    }
}

fn shown(file: &KeptFile) -> String {
    format!("{} ({})", file.name, size(file.bytes))
}

/// One file as a message. Its name holds the run, so that a repeated result sends it once.
fn draft(event: &StoredEvent, task: &TaskId, place: usize, file: &KeptFile) -> Draft {
    Draft {
        id: format!("{}{task}~r{}:{place}", Reply::FILE, event.replays),
        revision: 1,
        target: event.origin.target.clone(),
        text: shown(file),
        buttons: None,
        event_id: Some(event.id.clone()),
        kind: "file".to_owned(),
        file: Some(file.clone()),
        expires_ms: None,
    }
}

/// Tells the person that a file did not reach the chat, and where it is.
pub(crate) async fn could_not_send(deps: &Deps, row: &OutboxRow, why: &str) {
    let Some(event) = &row.event_id else { return };
    let Some(shard) = deps.shard_of(event) else { return };
    let text = format!(
        "{} did not reach this chat: {why}. It is kept: open this message in the dashboard \
         (`quintet open`) to download it.",
        row.text
    );
    let notice = Draft {
        id: format!("{}:told", row.id),
        revision: 1,
        target: row.target.clone(),
        text,
        buttons: None,
        event_id: row.event_id.clone(),
        kind: "notice".to_owned(),
        file: None,
        expires_ms: None,
    };
    if let Err(error) = deps.inbox.ask(&shard, inbox::Enqueue(notice)).await {
        tracing::warn!(%error, delivery = %row.id, "the sender could not be told that a file was not sent");
    }
}
