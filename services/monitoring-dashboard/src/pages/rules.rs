//! The rules that decide about requests: shown, tried on the last 30 days, changed; and the log of
//! who decided and changed what.

use super::layout::{Frame, gap, title};
use super::{menu, signs};
use crate::answer::see;
use crate::refusal::PageResult;
use crate::rule_form::{self, LISTS, TOLERANCES};
use crate::session::Owner;
use crate::{Config, Deps, Form, owners};
use axum::extract::{Query, State};
use contracts::Micros;
use contracts::audit::{AuditEntry, AuditList, AuditVerdict};
use contracts::policy::{
    Policy, PolicyChange, PolicyDifference, PolicyRule, PolicyTrial, PolicyUpdate, RuleEffect,
    WordCounts,
};
use futures_util::future::join;
use maud::{Markup, html};
use platform::text::{honest, printable};
use serde::Deserialize;

const CHANGE: &str = "/dashboard/rules/change";
const ENTRIES: u32 = 20;

/// `?note=&verify=`: the notice, and whether the log is checked, which reads all of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    note: String,
    verify: String,
}

/// `GET /dashboard/rules`.
pub async fn show(
    State(deps): State<Deps>,
    owner: Owner,
    Query(asked): Query<Asked>,
) -> PageResult {
    page(&deps, &owner, &asked, None).await
}

/// A change that was tried, and what is sent again to make it.
struct Tried {
    outcome: PolicyChange,
    form: Vec<(String, String)>,
}

async fn page(deps: &Deps, owner: &Owner, asked: &Asked, tried: Option<Tried>) -> PageResult {
    let frame = Frame::load(deps, owner, &asked.note).await;
    let (policy, log) = join(owners::policy(deps), owners::audit(deps, ENTRIES)).await;
    let verdict = match asked.verify.as_str() {
        "" => None,
        _ => Some(owners::audit_verdict(deps).await.ok()),
    };
    let body = html! {
        (title("Rules", "Which requests are approved, which are refused, and which ask you. Nothing \
            here raises a budget or lifts a halt."))
        @if let Some(tried) = &tried { (trial_card(&deps.config, owner, tried)) }
        @match &policy {
            Err(_) => section.panel { (gap("personal-assistant")) },
            Ok(policy) => {
                (simple(&deps.config, owner, policy))
                (conditions(&deps.config, owner, policy))
                (new_rule(&deps.config, owner, policy))
            },
        }
        (audit(&deps.config, log.ok().as_ref(), verdict.as_ref()))
    };
    Ok(frame.page(&menu::RULES, menu::RULES.title, body))
}

/// A form of a change: its token is bound to the kind of change and to the rules it is made from.
fn hidden(owner: &Owner, policy: &Policy, kind: &str) -> Markup {
    html! {
        input type="hidden" name="kind" value=(kind);
        input type="hidden" name="hash" value=(policy.hash);
        input type="hidden" name="token" value=(owner.token(&bound(kind, &policy.hash)));
    }
}

fn bound(kind: &str, hash: &str) -> String {
    format!("rules:{kind}:{hash}")
}

fn try_or_save() -> Markup {
    html! {
        div.links {
            button name="only" value="try" { "Try it on the last 30 days" }
            button.primary name="only" value="" { "Save" }
        }
    }
}

fn simple(config: &Config, owner: &Owner, policy: &Policy) -> Markup {
    let lists =
        [&policy.requires_human_approval, &policy.blocked_operations, &policy.allowed_agencies];
    html! {
        section.panel aria-label="Simple rules" {
            h2 { "Simple rules" }
            p.quiet { "Where they come from: " (sources(policy)) }
            form.stack method="post" action=(config.url(CHANGE)) {
                (hidden(owner, policy, "simple"))
                label { "Ask me above, in dollars"
                    input type="number" name="threshold" min="0" step="0.01" value=(policy.cost_threshold.dollars()) required;
                }
                label { "Below that"
                    select name="tolerance" {
                        @for (value, words, tolerance) in TOLERANCES {
                            option value=(value) selected[policy.risk_tolerance == tolerance] { (words) }
                        }
                    }
                }
                @for ((name, words), list) in LISTS.into_iter().zip(lists) {
                    label { (words)
                        input type="text" name=(name) value=(list.join(", ")) autocomplete="off" spellcheck="false";
                    }
                }
                (try_or_save())
            }
            @if !policy.changed.is_empty() {
                form method="post" action=(config.url(CHANGE)) {
                    (hidden(owner, policy, "reset"))
                    button { "Go back to the configuration" }
                }
            }
        }
    }
}

fn sources(policy: &Policy) -> String {
    match (policy.changed.is_empty(), policy.from_file.is_empty()) {
        (true, true) => "all are defaults. [approvals] in quintet.toml sets others.".to_owned(),
        (true, false) => "[approvals] in quintet.toml, else defaults.".to_owned(),
        (false, _) => {
            "changed here or by a command; the rest [approvals] in quintet.toml, else defaults."
                .to_owned()
        }
    }
}

fn conditions(config: &Config, owner: &Owner, policy: &Policy) -> Markup {
    html! {
        section.panel aria-label="Rules with conditions" {
            h2 { "Rules with conditions" }
            @if policy.rules.is_empty() { p.empty { "None yet. What forbids wins over what asks, and what asks over what allows." } }
            @else {
                table.events {
                    thead { tr { th scope="col" { "Rule" } th scope="col" { "Until" } th scope="col" { "Made by" } th scope="col" { "" } } }
                    tbody { @for rule in &policy.rules { (line(config, owner, policy, rule)) } }
                }
            }
        }
    }
}

fn line(config: &Config, owner: &Owner, policy: &Policy, rule: &PolicyRule) -> Markup {
    let kind = format!("remove:{}", rule.id);
    html! {
        tr {
            td.wide {
                (printable(&rule.words()))
                @if let Some(note) = &rule.note { span.quiet.detail { (honest(note)) } }
                span.quiet.detail { code { (rule.id) } }
            }
            td { @match &rule.until { Some(until) => (signs::time(until)), None => "you remove it" } }
            td { (printable(rule.made_by.as_deref().unwrap_or("–"))) }
            td {
                form.inline method="post" action=(config.url(CHANGE)) {
                    (hidden(owner, policy, &kind))
                    button.plain { "Remove" }
                }
            }
        }
    }
}

fn new_rule(config: &Config, owner: &Owner, policy: &Policy) -> Markup {
    html! {
        section.panel aria-label="New rule" {
            h2 { "New rule" }
            form.stack method="post" action=(config.url(CHANGE)) {
                (hidden(owner, policy, "add"))
                label { "It"
                    select name="effect" {
                        option value=(RuleEffect::Allow) { "approves without asking" }
                        option value=(RuleEffect::Ask) { "always asks me" }
                        option value=(RuleEffect::Forbid) { "refuses" }
                    }
                }
                label { "Agents, or empty for all"
                    input type="text" name="agents" placeholder="codegen, security" autocomplete="off" spellcheck="false";
                }
                label { "Operations, or empty for all"
                    input type="text" name="operations" placeholder="run, deploy" autocomplete="off" spellcheck="false";
                }
                label { "Endpoints or channels, or empty for all"
                    input type="text" name="endpoints" placeholder="telegram.main, slack" autocomplete="off" spellcheck="false";
                }
                label { "Dollars: up to this where it approves, above this where it asks or refuses"
                    input type="number" name="dollars" min="0" step="0.01";
                }
                label { "Until, in UTC; empty: until you remove it"
                    input type="datetime-local" name="until";
                }
                label { "Your note"
                    input type="text" name="note" maxlength="200";
                }
                (try_or_save())
            }
        }
    }
}

fn trial_card(config: &Config, owner: &Owner, tried: &Tried) -> Markup {
    let PolicyChange { policy, warnings, trial, .. } = &tried.outcome;
    let field = |name: &str| {
        let found = tried.form.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    html! {
        section.panel aria-label="Trial" {
            h2 { "Tried, not saved" }
            @if let Some(trial) = trial { (outcome(trial)) }
            @for warning in warnings { p.note { (honest(warning)) } }
            @if !policy.rules.is_empty() {
                details { summary { "The rules as they would be" }
                    ul { @for rule in &policy.rules { li { (printable(&rule.words())) } } }
                }
            }
            form method="post" action=(config.url(CHANGE)) {
                input type="hidden" name="token" value=(owner.token(&bound(field("kind"), field("hash"))));
                @for (name, value) in &tried.form { input type="hidden" name=(name) value=(value); }
                div.links { button.primary { "Save this change" } a href=(config.url(menu::RULES.path)) { "Leave it" } }
            }
        }
    }
}

fn outcome(trial: &PolicyTrial) -> Markup {
    let row = |name: &str, counts: WordCounts| {
        html! { tr { th scope="row" { (name) } td.figure { (counts.approve) } td.figure { (counts.ask) } td.figure { (counts.reject) } } }
    };
    html! {
        p { "Of the " @if trial.is_cut { "newest " } (trial.requests) @if trial.requests == 1 { " request" } @else { " requests" } " of the last " (trial.days) " days, " strong { (trial.changed) } " would have got another word." }
        table {
            thead { tr { th { "" } th.figure scope="col" { "Approved" } th.figure scope="col" { "Asked" } th.figure scope="col" { "Refused" } } }
            tbody { (row("Today's rules", trial.before)) (row("With the change", trial.after)) }
        }
        @if !trial.differences.is_empty() {
            table.events {
                thead { tr { th scope="col" { "Request" } th scope="col" { "Up to" } th scope="col" { "Today" } th scope="col" { "Then" } } }
                tbody { @for one in &trial.differences { (difference(one)) } }
            }
        }
    }
}

fn difference(one: &PolicyDifference) -> Markup {
    html! {
        tr {
            td.wide {
                strong { (printable(one.agent_type.as_str())) } " " (printable(&one.operation)) " " (signs::time(&one.requested_at))
                span.quiet.detail { (honest(&one.reason)) }
            }
            td { (one.amount) } td { (one.before.as_str()) } td { (one.after.as_str()) }
        }
    }
}

fn audit(
    config: &Config,
    log: Option<&AuditList>,
    verdict: Option<&Option<AuditVerdict>>,
) -> Markup {
    html! {
        section.panel id="log" aria-label="Audit log" {
            h2 { "Who decided and changed what" }
            @match verdict {
                None => p.quiet { a href=(config.url("/dashboard/rules?verify=1#log")) { "Check whether it is as it was written" } },
                Some(Some(verdict)) => p class=(if verdict.intact { "quiet" } else { "note bad" }) {
                    (verdict.message)
                    @if let Some(head) = &verdict.head { " Newest hash: " code.digest { (head) } }
                },
                Some(None) => (gap("personal-assistant")),
            }
            @match log {
                Some(log) if log.entries.is_empty() => p.empty { "Nothing was decided or changed yet." },
                Some(log) => table.events {
                    thead { tr { th scope="col" { "What" } th scope="col" { "By" } th scope="col" { "When" } } }
                    tbody { @for entry in &log.entries { (entry_line(entry)) } }
                },
                None => "",
            }
        }
    }
}

fn entry_line(entry: &AuditEntry) -> Markup {
    let detail = |name: &str| entry.detail.get(name).and_then(serde_json::Value::as_str);
    let amount = entry.detail.get("amountMicros").and_then(serde_json::Value::as_i64).map(Micros);
    html! {
        tr {
            td.wide {
                strong { (words_of(&entry.action)) } " " code { (printable(&entry.subject)) }
                span.quiet.detail {
                    @if let Some(agent) = detail("agent") { (printable(agent)) " " }
                    @if let Some(amount) = amount { "up to " (amount) " · " }
                    @if let Some(reason) = detail("reason") { (honest(reason)) }
                    @if entry.action == "policy.changed" { (settings(&entry.detail)) }
                }
            }
            td { (printable(&entry.actor)) }
            td { (signs::time(&entry.at)) }
        }
    }
}

/// The names of the settings that a change was about.
fn settings(detail: &serde_json::Value) -> String {
    let names = detail.as_object().into_iter().flat_map(|settings| settings.keys());
    names.map(|name| printable(name)).collect::<Vec<_>>().join(", ")
}

/// An action in words.
fn words_of(action: &str) -> &str {
    match action {
        "approval.asked" => "Asked you about",
        "approval.approved" => "Approved",
        "approval.rejected" => "Refused",
        "approval.expired" => "Not decided in time",
        "backup.restored" => "Backup restored",
        "policy.changed" => "Rules changed",
        "budget.changed" => "Budget changed",
        "budget.reset" => "Budget reset",
        "timeZone.changed" => "Time zone changed",
        "toolRule.removed" => "Allowed tool call removed",
        "halt" => "Halted",
        "resume" => "Resumed",
        other => other,
    }
}

/// `POST /dashboard/rules/change`: tries or makes a change.
pub async fn change(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    let (kind, hash) = (form.field("kind").to_owned(), form.field("hash").to_owned());
    owner.require(&form, &bound(&kind, &hash))?;
    let policy = owners::policy(&deps).await?;
    let update = PolicyUpdate { hash: Some(hash), ..rule_form::update(&kind, &form, policy)? };
    if form.field("only") != "try" {
        owners::change_policy(&deps, &update).await?;
        return Ok(see(&deps.config.url("/dashboard/rules?note=ruled")));
    }
    let update = PolicyUpdate { dry_run: true, ..update };
    let outcome = owners::change_policy(&deps, &update).await?;
    let again = form.all().filter(|(name, _)| !["token", "only"].contains(name));
    let form = again.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    page(&deps, &owner, &Asked::default(), Some(Tried { outcome, form })).await
}
