//! Personal assistant: approvals, policy, budget ledger, halts, and the owner's chat.
//!
//! `approve` applies the rules and sets money aside; `ask` asks the owner; `decide` and `press`
//! take the owner's word; `claim` lets a gateway begin, `renew` and `top_up` watch what it costs,
//! `settle` ends it, `spend` does all of that at once for an allowed tool call, `cut_off` ends what
//! never reports; `halt` stops; `backups` keeps copies of the tables. Nothing here approves or
//! spends on an error.

mod actor;
mod approvals;
mod approvals_file;
mod approve;
mod ask;
mod audit;
mod authority;
mod backups;
mod budget;
mod budget_file;
mod chat;
mod claim;
mod claiming;
pub mod config;
mod context;
mod cut_off;
mod daily;
mod daily_time;
mod decide;
mod deps;
mod digests;
mod due;
mod expire;
mod halt;
mod halt_check;
mod halt_scope;
mod handle_approve;
mod ledger;
mod limits;
mod mcp;
mod memory;
mod notices;
mod open_calls;
mod own_work;
mod owner;
mod person;
mod plan;
mod policy;
mod posting;
mod press;
mod recording;
mod renew;
mod replay;
mod request;
mod resting;
mod review;
mod reviewed;
mod rule_check;
mod rulebook;
mod settle;
mod spend;
mod stake;
mod stats;
mod status;
mod store;
mod tell_approvals;
mod think;
mod tie_break;
mod tool_rules;
mod top_up;
mod transcribe;
mod transcription;
mod trial;
mod unknown;
mod unwritten;
mod waiting;
mod window;
mod wrong;

pub use backups::{back_up, back_up_daily};
pub use config::Config;
pub use daily_time::NextLook;
pub use deps::Deps;
pub use mcp::RUN_HEADER;
pub use open_calls::OpenCalls;
pub use store::{CLAIM_WINDOW_MS, DECISION_WINDOW_MS, SKEW_MS};
pub use unwritten::Unwritten;

use axum::Router;
use axum::routing::post;
use contracts::calls::{Access, personal_assistant as calls};
use contracts::{Scope, ServiceName};
use platform::edge::Routes;

const REQUESTERS: Access = Access::Scopes(&[Scope::Operator, Scope::Agent]);

/// The whole URL map.
fn routes(deps: &Deps) -> Routes<Deps> {
    Routes::new(ServiceName::PersonalAssistant, deps.auth.clone())
        .health(deps.clock.clone(), status::health)
        .document(include_str!("../../../docs/api/personal-assistant.json"))
        .call(calls::ReadStatus, status::status)
        .call(calls::Approve, handle_approve::approve)
        .call(calls::TryReview, review::try_out)
        .call(calls::ListApprovals, approvals::list)
        .call(calls::ReadApproval, approvals::one)
        .call(calls::Decide, decide::decide)
        .call(calls::ListToolRules, tool_rules::list)
        .call(calls::RemoveToolRule, tool_rules::remove)
        .call(calls::Claim, claim::claim)
        .call(calls::Settle, settle::settle)
        .call(calls::RenewClaim, renew::renew)
        .call(calls::Halt, halt::halt)
        .call(calls::Resume, halt::resume)
        .call(calls::ListHalts, halt::list)
        .call(calls::ReadContext, context::read)
        .call(calls::UpdateContext, context::update)
        .call(calls::ReadPolicy, rulebook::read)
        .call(calls::UpdatePolicy, rulebook::update)
        .call(calls::ReplayPolicy, replay::replay)
        .call(calls::ListAudit, audit::list)
        .call(calls::VerifyAudit, audit::verify)
        .call(calls::ReadBudget, budget::read)
        .call(calls::UpdateBudget, budget::update)
        .call(calls::Chat, chat::chat)
        .call(calls::ReadChat, chat::history)
        .call(calls::ListFacts, memory::list)
        .call(calls::ReadFact, memory::read)
        .call(calls::AddFact, memory::add)
        .call(calls::EditFact, memory::edit)
        .call(calls::ForgetFact, memory::remove)
        .call(calls::ListBackups, backups::list)
        .call(calls::MakeBackup, backups::make)
        .call(calls::Restore, backups::restore)
        .call(calls::TellBudget, budget::tell)
        .call(calls::TellApprovals, tell_approvals::tell)
        .call(calls::Press, press::press)
        .call(calls::BreakTie, tie_break::tie_break)
        .call(calls::PlanSchedule, plan::plan)
        .call(calls::Transcribe, transcribe::transcribe)
        .call(calls::CheckHalts, halt_check::check)
        .call(calls::ReportStopped, halt_check::stopped)
        .call(calls::ReportRenewed, renew::renewed)
        .call(calls::ReportGivenUp, claim::given_up)
        .call(calls::ReadLedgerStats, stats::ledger_stats)
        .raw(REQUESTERS, "/mcp", post(mcp::serve).get(mcp::unsupported).delete(mcp::unsupported))
}

/// The service.
pub fn router(deps: Deps) -> Router {
    routes(&deps).finish(deps)
}

/// Once a second natively, once a minute by cron: pending approvals whose time is over end, runs
/// that were cut off are posted, deliveries to the chats that failed are retried, the audit log is
/// sealed. Five indexed look-ups when nothing is due. A
/// failure is logged and tried again next time.
pub async fn tick(deps: &Deps) {
    if let Err(error) = expire::expire_due(deps).await {
        tracing::warn!(problem = ?error.0, "expiring approvals failed; the next tick tries again");
    }
    halt::write_due(deps).await;
    if let Err(error) = cut_off::post_due(deps, None).await {
        tracing::warn!(problem = ?error.0, "posting the runs that were cut off failed; the next tick tries again");
    }
    if let Err(error) = halt::confirm_all(deps).await {
        tracing::warn!(problem = ?error.0, "the halt could not be confirmed; the next tick tries again");
    }
    if let Err(error) = daily::send_due(deps).await {
        tracing::warn!(problem = ?error.0, "the daily digest was not sent; it is tried again");
    }
    if let Err(error) = audit::seal(deps).await {
        tracing::warn!(problem = ?error.0, "the audit log was not sealed; the next tick tries again");
    }
    if let Err(error) = ask::flush_due(deps).await {
        tracing::warn!(problem = ?error.0, "delivering to the chats failed; the next tick tries again");
    }
}
