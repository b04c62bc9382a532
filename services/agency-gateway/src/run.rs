//! Runs one task from claim to report. The claim is the gate: its token is returned once, so
//! nothing runs twice.
//!
//! 1. Claim the approval with its digest. If refused, run nothing and tell the sender why.
//! 2. Run the agent under a [`Guard`], which renews the lease and says when to stop.
//! 3. Settle the cost, then report the result; retry both until they are answered.

use crate::board::{Begin, Entry, StopReason, Ticket};
use crate::ending::{Ending, outcome_of, stop_text};
use crate::guard::{Guard, Tie};
use crate::runner::{Finish, Job, PROGRESS_BYTES_MAX, Run, RunEvent, TEXT_BYTES_MAX, Tools};
use crate::text::clip;
use crate::{Deps, files, readiness, report, work};
use contracts::approval::{ApprovalState, ClaimAnswer, ClaimRequest, Outcome, SettleRequest};
use contracts::calls::personal_assistant::Claim;
use contracts::run_log::RunLog;
use contracts::task::{LEASE_MS, LeasedTask, ResultRequest, StopCause};
use contracts::{AgentId, ApprovalId, ErrorCode, Micros, Problem, TaskId};
use futures_util::future::{Either, select};
use platform::backoff::Exponential;
use platform::ports::{CallError, LeftFile, PortError, PortErrorKind};
use platform::secret::Secret;
use std::pin::pin;

/// Minimum rest of a lease to start a run; a later claim could not be renewed in time.
const CLAIM_RESERVE_MS: i64 = 5_000;
/// Between attempts to claim an approval.
const CLAIM_BACKOFF: Exponential = Exponential { first_ms: 500, max_ms: 3_000 };

/// The work of a run beside its words.
#[derive(Default)]
struct Leavings {
    files: Vec<LeftFile>,
    /// Lines about files that could not be handed over.
    unsent: Vec<String>,
    /// The worktree that it has changed.
    worktree: Option<String>,
    /// The end of its program's log.
    log: Option<RunLog>,
    /// It was stopped before its end.
    ending: Option<Ending>,
}

/// Runs a leased task, from claim to result.
pub(crate) async fn leased(deps: Deps, task: LeasedTask) {
    let since_ms = deps.clock.now_ms();
    let entry = Entry {
        task: task.task_id.clone(),
        agent: task.agent.clone(),
        epoch: Some(task.epoch),
        approval: task.approval_id.clone(),
    };
    // A known lease is running or was reported. A lease during the shutdown expires and is
    // requeued.
    let Begin::Go(ticket) = deps.board.begin(entry, since_ms) else { return };
    let guard =
        Guard::new(&deps, &task.task_id, Tie::Lease { epoch: task.epoch }, since_ms, task.lease_ms);
    if let Some(order) = &task.context.order {
        return work::carry_out(&deps, &task, order, &guard, &ticket).await;
    }
    let until_ms = since_ms + task.lease_ms - CLAIM_RESERVE_MS;
    let claimed = claim_within(&deps, &task, until_ms).await;
    let mut job = Job {
        task: task.task_id.clone(),
        agent: task.agent,
        message: task.message,
        context: task.context,
        cost_limit: task.cost_limit,
        session: task.session,
        claim: None,
        exchange: None,
    };
    let mut reason = None;
    let mut left = Leavings::default();
    let mut finish = match claimed {
        // After the machine slept, its lease may belong to another gateway, so nothing starts.
        Ok(_) if deps.clock.now_ms() >= until_ms => {
            ticket.finish(
                &Finish::unavailable("The approval was claimed too late to begin."),
                deps.clock.now_ms(),
            );
            return;
        }
        Ok(claim) => {
            let (finish, leavings) = with_files(&deps, &mut job, claim, &guard, &ticket).await;
            left = leavings;
            finish
        }
        Err(CallError::Refused(problem)) if !comes_back(&problem) => {
            reason = refused_for(&problem);
            refused(&problem)
        }
        Err(error) => {
            // Nothing ran, and the lease expires by itself. The task is requeued when the assistant
            // answers again, or with a new approval.
            tracing::warn!(error = %error, task = %job.task, "an approval could not be claimed");
            ticket.finish(
                &Finish::unavailable(
                    "The approval could not be claimed just now; nothing was run.",
                ),
                deps.clock.now_ms(),
            );
            return;
        }
    };
    let reason = reason.or_else(|| cause_of(&finish, &guard, &ticket));
    reported(&deps, &job.task, task.epoch, &mut finish, (left, reason), &guard).await;
    ticket.finish(&finish, deps.clock.now_ms());
}

/// Reports the result, with the files that the run left.
async fn reported(
    deps: &Deps,
    task: &TaskId,
    epoch: u32,
    finish: &mut Finish,
    (left, reason): (Leavings, Option<StopCause>),
    guard: &Guard<'_>,
) {
    // A halt ends what the run still wanted to say.
    let files = if reason == Some(StopCause::Halted) { Vec::new() } else { left.files };
    let (files, unsent) = guard.keep_while(files::store(deps, task, files)).await;
    let unsent = left.unsent.into_iter().chain(unsent).collect::<Vec<_>>().join("\n");
    if !unsent.is_empty() {
        let said = clip(&finish.text, TEXT_BYTES_MAX.saturating_sub(unsent.len() + 2));
        let between = if said.is_empty() { "" } else { "\n\n" };
        finish.text = format!("{said}{between}{unsent}");
    }
    let request = ResultRequest {
        epoch,
        outcome: finish.outcome,
        text: finish.text.clone(),
        actual_cost: finish.actual_cost,
        cost_unknown: finish.cost_unknown,
        usage: finish.usage.clone(),
        reason,
        session: finish.session.clone(),
        files,
        worktree: left.worktree,
        log: left.log,
        usage_limit: finish.usage_limit.clone(),
    };
    guard.keep_while(report::result(deps, task, &request)).await;
}

/// Runs a claimed task with the files of its message.
async fn with_files(
    deps: &Deps,
    job: &mut Job,
    claim: ClaimAnswer,
    guard: &Guard<'_>,
    ticket: &Ticket,
) -> (Finish, Leavings) {
    job.claim = Some(Secret::new(&claim.claim_token));
    job.cost_limit = claim.cost_limit;
    match guard.keep_while(files::fetch(deps, &job.context.attachments)).await {
        Ok(exchange) => {
            job.exchange = Some(exchange);
            carry_out(deps, job, claim, guard, ticket).await
        }
        Err(why) => {
            let text = format!("Not started: {why}. Send the message again.");
            let finish = Finish::free(Outcome::Failed, text);
            let finish = settled(deps, job, claim.claim_token, finish, guard).await;
            (finish, Leavings::default())
        }
    }
}

/// Runs a task requested over HTTP with a claimed approval.
pub(crate) async fn direct(deps: Deps, job: Job, claim: ClaimAnswer, ticket: Ticket) {
    let tie = Tie::Direct { claim_token: claim.claim_token.clone() };
    let guard = Guard::new(&deps, &job.task, tie, deps.clock.now_ms(), LEASE_MS);
    let (finish, _) = carry_out(&deps, &job, claim, &guard, &ticket).await;
    ticket.finish(&finish, deps.clock.now_ms());
}

/// Claims once, which uses up the approval for this run.
pub(crate) async fn claim(
    deps: &Deps,
    approval: &ApprovalId,
    agent: &AgentId,
    digest: &str,
    epoch: Option<u32>,
) -> Result<ClaimAnswer, CallError> {
    let runs = deps.config.runs(agent);
    let request = ClaimRequest { digest: digest.to_owned(), epoch, runs };
    deps.calls.ask::<Claim>(approval, &request).await
}

/// Claims, with retries while the assistant does not answer, until `until_ms`. If a response is
/// lost, the claim may exist without a known token: the retry then gets a conflict and nothing
/// runs. The task returns when lease and claim expire.
async fn claim_within(
    deps: &Deps,
    task: &LeasedTask,
    until_ms: i64,
) -> Result<ClaimAnswer, CallError> {
    let tries = async {
        let mut failures = 0;
        loop {
            match claim(deps, &task.approval_id, &task.agent, &task.digest, Some(task.epoch)).await
            {
                Err(CallError::Refused(problem))
                    if failures > 0 && problem.code == ErrorCode::Conflict =>
                {
                    return Err(PortError::unknown(
                        PortErrorKind::Conflict,
                        "the approval was claimed, perhaps by an answer that was lost",
                    )
                    .into());
                }
                Err(error) if report::may_pass(&error) => {
                    failures += 1;
                    let wait = CLAIM_BACKOFF.wait_ms(failures, &*deps.clock);
                    deps.clock.sleep_until(deps.clock.now_ms() + wait).await;
                }
                answer => return answer,
            }
        }
    };
    match select(pin!(tries), deps.clock.sleep_until(until_ms)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => {
            Err(PortError::unknown(PortErrorKind::Timeout, "the approval was not claimed in time")
                .into())
        }
    }
}

/// Whether the task is requeued when its lease expires: this gateway was too late for the lease, or
/// the approval expired and is renewed.
fn comes_back(problem: &Problem) -> bool {
    let lapsed = || {
        problem.extra.get("state").and_then(|state| state.as_str())
            == Some(ApprovalState::Lapsed.as_str())
    };
    problem.code == ErrorCode::StaleEpoch || problem.code == ErrorCode::NotApproved && lapsed()
}

/// The text for the sender when the claim was refused. Nothing was spent.
fn refused(problem: &Problem) -> Finish {
    let text = match problem.code {
        ErrorCode::Halted => {
            return Finish::free(Outcome::Cancelled, "Not started: work is halted.");
        }
        ErrorCode::BudgetExhausted => {
            let text = format!("Not started: the budget no longer covers it. {}", problem.detail);
            return Finish::free(Outcome::Cancelled, text.trim());
        }
        ErrorCode::NotApproved => {
            format!("Not started: the approval is missing or has expired. {}", problem.detail)
        }
        ErrorCode::Conflict | ErrorCode::AlreadyDecided | ErrorCode::StaleEpoch => {
            format!("Not started: the approval does not fit this task any more. {}", problem.detail)
        }
        _ => format!("Not started: the approval could not be claimed. {}", problem.detail),
    };
    Finish::free(Outcome::Failed, text.trim())
}

fn may_spend_nothing(agent: &AgentId) -> String {
    format!(
        "{agent} is not available: it may cost money on this machine, and the server lets it spend \
         nothing. Write the same [agents.{agent}], with its price, into the server's configuration."
    )
}

fn refused_for(problem: &Problem) -> Option<StopCause> {
    match problem.code {
        ErrorCode::Halted => Some(StopCause::Halted),
        ErrorCode::BudgetExhausted => Some(StopCause::Budget),
        _ => None,
    }
}

/// Why a run was cancelled, if the server, a halt on this machine or a shutdown ended it.
fn cause_of(finish: &Finish, guard: &Guard<'_>, ticket: &Ticket) -> Option<StopCause> {
    if finish.outcome != Outcome::Cancelled {
        return None;
    }
    let here = match ticket.stop_reason() {
        Some(StopReason::Shutdown) => Some(StopCause::Shutdown),
        Some(StopReason::Halted) => Some(StopCause::Halted),
        _ => None,
    };
    guard.purse.cause().map(|cause| cause.why).or(here)
}

/// Runs the agent and posts its cost. Returns also the files that it left.
async fn carry_out(
    deps: &Deps,
    job: &Job,
    claim: ClaimAnswer,
    guard: &Guard<'_>,
    ticket: &Ticket,
) -> (Finish, Leavings) {
    guard.purse.allow(claim.cost_limit);
    let (mut finish, left) = match ticket.stop_reason() {
        Some(why) => (Finish::free(outcome_of(why), stop_text(why)), Leavings::default()),
        // The server does not know this machine's price, and nothing would bound the run.
        None if claim.cost_limit == Micros::ZERO && deps.config.may_cost(&job.agent) => {
            (Finish::unavailable(may_spend_nothing(&job.agent)), Leavings::default())
        }
        None => drive(deps, job, guard, ticket).await,
    };
    if finish.outcome == Outcome::Failed {
        let how = readiness::sign_in_for(&deps.config, &*deps.programs, (&job.agent, &finish.text));
        finish.text.extend(how.map(|how| format!("\n\n{how}")));
    }
    // A run that ends without a total has cost what it reported on the way.
    finish.actual_cost = finish.actual_cost.or_else(|| guard.purse.spent());
    finish.text = clip(&finish.text, TEXT_BYTES_MAX);
    let mut finish = settled(deps, job, claim.claim_token, finish, guard).await;
    if let Some(ending) = &left.ending {
        let spent = finish.actual_cost.filter(|_| !finish.cost_unknown);
        finish.text = ending.tell(&job.agent, &finish.text, spent);
    }
    (finish, left)
}

/// Posts the cost of a run.
async fn settled(
    deps: &Deps,
    job: &Job,
    claim_token: String,
    mut finish: Finish,
    guard: &Guard<'_>,
) -> Finish {
    let request = SettleRequest {
        claim_token,
        actual_cost: finish.actual_cost,
        usage: finish.usage.clone(),
        outcome: finish.outcome,
    };
    let posted = guard.keep_while(report::settle(deps, &job.task, &request)).await;
    // Without a reported cost the ledger says what the run counts as.
    if let Some(posted) = posted.filter(|_| finish.actual_cost.is_none()) {
        finish.actual_cost = Some(posted.posted);
        finish.cost_unknown = posted.unknown;
    }
    finish
}

/// Runs the agent until it ends or must stop; after a stop it returns only when the process tree
/// has ended. Returns also the files that it left.
async fn drive(deps: &Deps, job: &Job, guard: &Guard<'_>, ticket: &Ticket) -> (Finish, Leavings) {
    let tools = Tools {
        calls: deps.calls.clone(),
        programs: deps.programs.clone(),
        clock: deps.clock.clone(),
        outbound: deps.outbound.clone(),
    };
    // Starting is short and never cut off: a program half started could not be stopped.
    let mut run = deps.config.runner(&job.agent).start(&tools, job).await;
    let (finish, ending) = follow(&mut *run, job, guard, ticket, deps).await;
    let (files, unsent) = (run.left().await, run.unsent().await);
    let leavings = Leavings { files, unsent, worktree: run.worktree(), log: run.log(), ending };
    (finish, leavings)
}

/// Reads what a run does until its end.
async fn follow(
    run: &mut dyn Run,
    job: &Job,
    guard: &Guard<'_>,
    ticket: &Ticket,
    deps: &Deps,
) -> (Finish, Option<Ending>) {
    let mut watch = pin!(guard.watch(ticket));
    let mut last = None;
    loop {
        if let Err(why) = afford(run, &mut watch, guard).await {
            return stop(run, why, job, guard, last).await;
        }
        // The guard is polled first, so that a run with continuous output cannot starve it.
        let event = match select(&mut watch, run.next()).await {
            Either::Left((why, _)) => Err(why),
            Either::Right((event, _)) => Ok(event),
        };
        match event {
            Ok(RunEvent::Progress(line)) => {
                let line = clip(&line, PROGRESS_BYTES_MAX);
                guard.note(&line);
                ticket.progress(&line, deps.clock.now_ms());
                last = Some(line);
            }
            Ok(RunEvent::Cost(cost)) => guard.purse.spend(cost),
            Ok(RunEvent::Needs(cost)) => guard.purse.need(cost),
            Ok(RunEvent::Finished(finish)) => return (finish, None),
            Err(why) => return stop(run, why, job, guard, last).await,
        }
    }
}

/// Waits while the run has cost, or is about to cost, more than it may: until the server has
/// granted more or ended it. Its output is not read meanwhile. While the owner is asked, everything
/// of it rests.
async fn afford(
    run: &mut dyn Run,
    watch: &mut (impl Future<Output = StopReason> + Unpin),
    guard: &Guard<'_>,
) -> Result<(), StopReason> {
    let mut rests = false;
    loop {
        let changed = guard.purse.changed();
        if !guard.purse.must_wait() {
            break;
        }
        if guard.purse.is_paused() && !rests {
            run.rest(true).await;
            rests = true;
        }
        if let Either::Left((why, _)) = select(&mut *watch, changed).await {
            return Err(why);
        }
    }
    if rests {
        run.rest(false).await;
    }
    Ok(())
}

/// Stops the run. Its text is what it had said and done until then; the ending is told once its
/// cost is posted.
async fn stop(
    run: &mut dyn Run,
    why: StopReason,
    job: &Job,
    guard: &Guard<'_>,
    last: Option<String>,
) -> (Finish, Option<Ending>) {
    tracing::info!(task = %job.task, agent = %job.agent, ?why, "a run is stopped");
    let tells_it =
        [StopReason::Halted, StopReason::Stopped, StopReason::Declined, StopReason::Shutdown];
    if tells_it.contains(&why) {
        run.cancel().await;
    }
    let stopped = run.stop().await;
    let said = stopped.text.or_else(|| last.map(|line| format!("It was at: {line}")));
    let finish = Finish::new(outcome_of(why), said.unwrap_or_default());
    let actual_cost = stopped.cost.or_else(|| guard.purse.spent());
    let detail = guard.purse.cause().and_then(|cause| cause.detail);
    let finish = Finish { actual_cost, usage: stopped.usage, session: stopped.session, ..finish };
    (finish, Some(Ending { why, detail }))
}
