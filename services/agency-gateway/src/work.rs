//! Orders about the worktrees of this gateway: show, keep, discard.

use crate::board::{StopReason, Ticket};
use crate::guard::Guard;

use crate::runner::Finish;
use crate::text::{clean, clip};
use crate::{Deps, files, report};
use contracts::approval::Outcome;
use contracts::task::{LeasedTask, ResultRequest, WorkAction, WorkOrder};
use platform::ports::{LeftFile, PortError, PortErrorKind};

/// A longer diff goes as a file.
const SHOWN_BYTES_MAX: usize = 3_000;

/// Does what the order says and reports it.
pub(crate) async fn carry_out(
    deps: &Deps,
    task: &LeasedTask,
    order: &WorkOrder,
    guard: &Guard<'_>,
    ticket: &Ticket,
) {
    // It has no approval that a claim would look at, and may have waited for this machine.
    let refused = match order.action {
        WorkAction::Diff => None,
        WorkAction::Keep | WorkAction::Discard => guard.ask_first().await,
    };
    let done = match refused {
        Some(StopReason::Stale | StopReason::LeaseLost) => {
            let finish = Finish::unavailable("Nothing was done: the server did not confirm it.");
            ticket.finish(&finish, deps.clock.now_ms());
            return;
        }
        Some(_) => {
            let why = "it is halted. Press again after the resume.";
            Err(PortError::clean(PortErrorKind::Invalid, why))
        }
        None => guard.keep_while(deps.programs.work(order.clone())).await,
    };
    let (outcome, text, left) = match done {
        Ok(diff) if order.action == WorkAction::Diff => {
            let (text, left) = shown(order, diff);
            (Outcome::Success, text, left)
        }
        Ok(text) => (Outcome::Success, text, None),
        Err(error) => {
            tracing::warn!(%error, worktree = order.worktree, "an order about work failed");
            (Outcome::Failed, format!("Not done: {}", error.detail), None)
        }
    };
    let left = left.into_iter().collect();
    let (files, missing) = guard.keep_while(files::store(deps, &task.task_id, left)).await;
    let text = [text].into_iter().chain(missing).collect::<Vec<_>>().join("\n\n");
    let finish = Finish::free(outcome, text);
    let request = ResultRequest {
        epoch: task.epoch,
        outcome,
        text: finish.text.clone(),
        actual_cost: None,
        cost_unknown: false,
        usage: None,
        reason: None,
        session: None,
        files,
        worktree: None,
        log: None,
        usage_limit: None,
    };
    guard.keep_while(report::result(deps, &task.task_id, &request)).await;
    ticket.finish(&finish, deps.clock.now_ms());
}

/// A short diff as a block of code, a long one as a file.
fn shown(order: &WorkOrder, diff: String) -> (String, Option<LeftFile>) {
    let text = clean(&diff);
    if text.trim().is_empty() {
        return ("Nothing is changed.".to_owned(), None);
    }
    if text.len() <= SHOWN_BYTES_MAX {
        // A fence that is longer than any in it.
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        return (format!("{fence}diff\n{}\n{fence}", text.trim_end()), None);
    }
    let lines = text.lines().count();
    let name = format!("{}.diff", clip(&order.worktree, 60));
    let content = bytes::Bytes::from(diff);
    let bytes = content.len() as u64;
    let file = LeftFile { name, bytes, content: Some(content), path: None };
    (format!("The diff has {lines} lines; it is in the file."), Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diff_is_a_block_or_a_file() {
        let order = WorkOrder { worktree: "codegen-1".to_owned(), action: WorkAction::Diff };
        let (text, file) = shown(&order, "+```\n".to_owned());
        assert_eq!((text.as_str(), file), ("````diff\n+```\n````", None));
        let (text, file) = shown(&order, "+x\n".repeat(2_000));
        assert_eq!(text, "The diff has 2000 lines; it is in the file.");
        assert_eq!(file.unwrap().name, "codegen-1.diff");
        assert_eq!(shown(&order, String::new()).0, "Nothing is changed.");
    }
}
