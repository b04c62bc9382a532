//! Files of a task: fetched before its run, and what the run leaves stored after it.

use crate::Deps;
use crate::report::may_pass;
use contracts::TaskId;
use contracts::calls::webhook_aggregator::{ReadFile, StoreFile};
use contracts::files::{AnswerFile, Attachment};
use platform::backoff::Exponential;
use platform::files::{is_safe_name, size};
use platform::ports::{CallError, Exchange, InputFile, LeftFile};
use platform::secret::digest_hex;

/// Tries of one file, about ten seconds.
const TRIES_MAX: u32 = 5;
/// Files that are not sent and named in the answer.
const UNSENT_LINES_MAX: usize = 10;
const BACKOFF: Exponential = Exponential { first_ms: 500, max_ms: 4_000 };

/// Everything that a run is given, or the reason for the sender that it is not begun.
pub(crate) async fn fetch(deps: &Deps, attachments: &[Attachment]) -> Result<Exchange, String> {
    let limits = &deps.config.files;
    let mut files: Vec<InputFile> = Vec::new();
    for attachment in attachments {
        let name = &attachment.name;
        let is_taken = files.iter().any(|file| file.name.eq_ignore_ascii_case(name));
        if is_taken || !is_safe_name(name) {
            return Err("a file of this message has a name that cannot be used".to_owned());
        }
        files.push(InputFile { name: name.clone(), content: content(deps, attachment).await? });
    }
    let (bytes_max, files_max) = (limits.bytes_max, limits.per_message_max);
    Ok(Exchange { files, bytes_max, files_max })
}

async fn content(deps: &Deps, attachment: &Attachment) -> Result<bytes::Bytes, String> {
    let name = &attachment.name;
    let mut failures = 0;
    loop {
        match deps.calls.ask_bytes::<ReadFile>(&attachment.id, &()).await {
            Ok(content) if digest_hex(&content) == attachment.sha256 => return Ok(content),
            Ok(_) => return Err(format!("{name} is not what was sent")),
            Err(error) if may_pass(&error) && failures + 1 < TRIES_MAX => {
                failures += 1;
                pause(deps, failures).await;
            }
            Err(error) => {
                tracing::warn!(%error, file = %attachment.id, "a file could not be fetched");
                return Err(format!("{name} could not be fetched"));
            }
        }
    }
}

/// Stores the files that a run left. Returns them for its result, and the lines about those that
/// the chat does not get.
pub(crate) async fn store(
    deps: &Deps,
    task: &TaskId,
    left: Vec<LeftFile>,
) -> (Vec<AnswerFile>, Vec<String>) {
    let limits = &deps.config.files;
    let (mut files, mut missing) = (Vec::new(), Unsent::default());
    for LeftFile { name, bytes, content, path } in left {
        let place = path.map(|path| format!(" It is at {path} until the next message here."));
        let place = place.unwrap_or_default();
        let Some(content) = content else {
            let (most, each) = (limits.per_message_max, size(limits.bytes_max));
            missing.push(format!(
                "Not sent: {name} ({}). An answer may have {most} files of up to {each}.{place}",
                size(bytes)
            ));
            continue;
        };
        match stored(deps, task, content).await {
            Ok(sha256) => files.push(AnswerFile { name, sha256 }),
            Err(error) => {
                tracing::warn!(%error, %task, "a file of a run could not be stored");
                missing.push(format!("Not sent: {name}. The server did not take it."));
            }
        }
    }
    (files, missing.lines())
}

/// The lines about files that are not sent: a run may leave thousands.
#[derive(Default)]
struct Unsent {
    lines: Vec<String>,
    more: usize,
}

impl Unsent {
    fn push(&mut self, line: String) {
        if self.lines.len() < UNSENT_LINES_MAX {
            self.lines.push(line);
        } else {
            self.more += 1;
        }
    }
    fn lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.lines.push(format!("Not sent: {} more files.", self.more));
        }
        self.lines
    }
}

/// The digest under which the server keeps it.
async fn stored(deps: &Deps, task: &TaskId, content: bytes::Bytes) -> Result<String, CallError> {
    let mut failures = 0;
    loop {
        match deps.calls.give_bytes::<StoreFile>(task, content.clone(), None).await {
            Ok(stored) => return Ok(stored.sha256),
            Err(error) if may_pass(&error) && failures + 1 < TRIES_MAX => {
                failures += 1;
                pause(deps, failures).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn pause(deps: &Deps, failures: u32) {
    let wait_ms = BACKOFF.wait_ms(failures, &*deps.clock);
    deps.clock.sleep_until(deps.clock.now_ms() + wait_ms).await;
}
