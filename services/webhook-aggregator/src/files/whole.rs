//! An answer of more than a few messages: the chat gets its beginning, and all of it as a file.

use super::answer::takes_files;
use super::object;
use crate::Deps;
use bytes::Bytes;
use contracts::outbox::DeliveryState;
use inbox::{BEGINNING, Draft, KeptFile, OutboxRow, Step, StoredEvent};
use platform::files::unique;
use platform::secret::digest_hex;

/// Maximum messages of an answer without a file.
const FEW: usize = 6;
const NAME: &str = "answer.md";
const KIND: &str = "text/markdown";

/// Stores an answer that is too long for a chat among the files of its run, as the first, and
/// shortens the reply. The transcript keeps the whole text. Without the store the answer comes as
/// messages.
pub(crate) async fn put_whole(
    deps: &Deps,
    event: &StoredEvent,
    files: &mut Vec<KeptFile>,
    step: &mut Step,
) {
    if !takes_files(step) {
        return;
    }
    let Step::To { patch, .. } = step else { return };
    let is_reply = |draft: &&mut Draft| draft.kind == "reply" && draft.file.is_none();
    let Some(reply) = patch.say.iter_mut().find(is_reply) else { return };
    if !is_long(deps, reply) {
        return;
    }
    let content = Bytes::from(reply.text.clone());
    let sha256 = digest_hex(&content);
    let object = object(&event.id, &sha256);
    let bytes = content.len() as u64;
    if let Err(error) = deps.objects.put(&object, content).await {
        tracing::warn!(%error, event.id = %event.id, "a long answer could not be stored as a file");
        return;
    }
    let name = unique(NAME, files.iter().map(|file| file.name.as_str()));
    let kind = KIND.to_owned();
    files.insert(0, KeptFile { name, kind, bytes, sha256, object, ..KeptFile::default() });
    BEGINNING.clone_into(&mut reply.kind);
}

/// Whether a message takes more than a few, in a chat that takes files.
fn is_long(deps: &Deps, reply: &Draft) -> bool {
    // Only the answer to a command may be all that reaches the chat.
    if reply.target.command.as_ref().is_some_and(|command| command.is_only_way) {
        return false;
    }
    let endpoint = deps.config.endpoint(&reply.target.channel, &reply.target.endpoint);
    let Some(connection) = endpoint.and_then(|endpoint| endpoint.connection.as_ref()) else {
        return false;
    };
    connection.length(&row(reply)).messages > FEW
}

/// A draft as the outbox will hold it.
fn row(draft: &Draft) -> OutboxRow {
    OutboxRow {
        id: draft.id.clone(),
        event_id: draft.event_id.clone(),
        target: draft.target.clone(),
        text: draft.text.clone(),
        buttons: draft.buttons.clone(),
        kind: draft.kind.clone(),
        file: None,
        revision: draft.revision,
        sent_revision: 0,
        parts: Vec::new(),
        state: DeliveryState::Queued,
        attempts: 0,
        expires_ms: None,
        error: None,
        created_ms: 0,
        updated_ms: 0,
        plain: false,
    }
}
