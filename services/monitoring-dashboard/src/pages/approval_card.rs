//! One approval as a card: the request, the reason for asking, exactly what would run, and its
//! cost.

use super::signs;
use crate::Config;
use crate::session::Owner;
use contracts::Micros;
use contracts::agent_run::AgentRun;
use contracts::agent_run::RUNS;
use contracts::approval::{Approval, ApprovalState, Choice, Decision, Extent};
use maud::{Markup, html};
use platform::text::honest;
use serde_json::Value;

/// Data for the cards besides the approvals.
pub struct Desk<'a> {
    pub config: &'a Config,
    pub owner: &'a Owner,
    pub now: i64,
    /// Remaining budget of the day; pending approvals hold nothing yet.
    pub remaining: Option<Micros>,
}

/// The change made by a decision form; its token is bound to exactly this.
pub fn change(id: &str, version: &str, decision: Decision, extent: Extent) -> String {
    format!("decide:{id}:{version}:{}:{}", decision_word(decision), extent_word(extent))
}

/// A decision's value in a form.
const fn decision_word(decision: Decision) -> &'static str {
    match decision {
        Decision::Approve => "approve",
        Decision::Reject => "reject",
    }
}

/// An extent's value in a form.
pub const fn extent_word(extent: Extent) -> &'static str {
    match extent {
        Extent::Once => "once",
        Extent::Task => "task",
        Extent::Always => "always",
    }
}

/// URL of an approval's page.
pub fn address(config: &Config, approval: &Approval) -> String {
    config.url(&format!("/dashboard/approvals/{}", platform::percent::encode(approval.id.as_str())))
}

impl Desk<'_> {
    /// Renders the card; `first` gives its reject button the focus.
    pub fn card(&self, approval: &Approval, first: bool) -> Markup {
        html! {
            article.panel.card #{ "a-" (approval.id) } data-card {
                div.bar {
                    h2 { a href=(address(self.config, approval)) { (signs::excerpt(&approval.description, 140)) } }
                    (signs::approval(approval.state))
                }
                (self.why(approval))
                (self.facts(approval))
                (what(approval))
                @if approval.state == ApprovalState::Pending { (self.forms(approval, first)) } @else { (outcome(approval)) }
            }
        }
    }
    fn why(&self, approval: &Approval) -> Markup {
        html! {
            p.why {
                strong { @if approval.state == ApprovalState::Pending { "Why you are asked: " } @else { "Reason: " } }
                (approval.reason)
                @for policy in &approval.policies { " " code.tag { (policy) } }
            }
        }
    }
    fn facts(&self, approval: &Approval) -> Markup {
        let pending = approval.state == ApprovalState::Pending;
        html! {
            dl.facts.row {
                div { dt { "Cost" } dd { (approval.estimated_cost.map_or_else(|| "unknown".to_owned(), |cost| cost.to_string())) span.quiet { "at most " (approval.cost_limit) } } }
                @if let Some(remaining) = self.remaining.filter(|_| pending) { div { dt { "Left today after this" } dd {
                    @if remaining >= approval.cost_limit { (remaining.minus(approval.cost_limit)) span.quiet { "of " (remaining) " left now" } }
                    @else { "not covered" span.quiet { (remaining) " left now" } }
                } } }
                @if let Some(cost) = approval.actual_cost { div { dt { "Came to" } dd { (cost) } } }
                div { dt { "Agent" } dd { (approval.agent_type) @if let Some(operation) = &approval.operation { span.quiet { (operation) } } } }
                div { dt { "From" } dd {
                    (approval.channel.as_deref().unwrap_or("api"))
                    @if let Some(event) = &approval.event_id { a.detail href=(self.config.url(&format!("/dashboard/events/{}", platform::percent::encode(event.as_str())))) { "the event" } }
                } }
                div { dt { "Asked" } dd { (signs::time(&approval.requested_at)) @if pending { span.quiet { (signs::countdown(&approval.expires_at, self.now)) } } } }
            }
        }
    }
    /// Reject comes first and has the focus, so that no stray key approves.
    fn forms(&self, approval: &Approval, first: bool) -> Markup {
        let id = approval.id.as_str();
        if let Choice::Two { labels } = &approval.choice {
            return self.options(approval, labels);
        }
        let (reject, yeses) = labels(&approval.choice);
        let has_words = approval.choice == Choice::Words;
        html! {
            div.decide {
                form.reject method="post" action=(self.action(id)) {
                    (self.fields(approval, Decision::Reject, Extent::Once))
                    label.unseen for={ "why-" (id) } { "Reason for rejecting" }
                    input type="text" id={ "why-" (id) } name="reason" maxlength="500" placeholder="Reason (optional, shown to the sender)";
                    button.danger autofocus[first] { (reject) }
                }
                @if has_words {
                    form.answer method="post" action=(self.action(id)) {
                        (self.fields(approval, Decision::Approve, Extent::Once))
                        label.unseen for={ "answer-" (id) } { "Your answer" }
                        input type="text" id={ "answer-" (id) } name="answer" maxlength="500" required placeholder="Your answer";
                        button.primary { "Send answer" }
                    }
                }
                @for (extent, label) in &yeses {
                    form method="post" action=(self.action(id)) {
                        (self.fields(approval, Decision::Approve, *extent))
                        button.primary[*extent == Extent::Once] { (label) }
                    }
                }
            }
            @if approval.choice == Choice::ToolCall {
                p.quiet { "“For this task” and “Always” let " (approval.agent_type) " make the same call again with exactly these arguments. " code { "quintet rules" } " lists and removes what is always allowed." }
            }
        }
    }
    /// Two answers in their order. Neither is the careful one, so neither has the focus.
    fn options(&self, approval: &Approval, labels: &[String; 2]) -> Markup {
        html! {
            div.decide {
                @for (decision, label) in [Decision::Approve, Decision::Reject].into_iter().zip(labels) {
                    form method="post" action=(self.action(approval.id.as_str())) {
                        (self.fields(approval, decision, Extent::Once))
                        button { (label) }
                    }
                }
            }
        }
    }
    fn action(&self, id: &str) -> String {
        self.config.url(&format!("/dashboard/approvals/{}/decide", platform::percent::encode(id)))
    }
    fn fields(&self, approval: &Approval, decision: Decision, extent: Extent) -> Markup {
        let version = approval.version.to_string();
        let change = change(approval.id.as_str(), &version, decision, extent);
        html! {
            input type="hidden" name="version" value=(version);
            input type="hidden" name="decision" value=(decision_word(decision));
            @if extent != Extent::Once { input type="hidden" name="extent" value=(extent_word(extent)); }
            input type="hidden" name="token" value=(self.owner.token(&change));
        }
    }
}

/// The label of the no, and those of each yes.
fn labels(choice: &Choice) -> (String, Vec<(Extent, String)>) {
    let yes = |label: &str| (Extent::Once, label.to_owned());
    match choice {
        Choice::ApproveOrReject | Choice::Two { .. } => {
            ("Reject".to_owned(), vec![yes("Approve once")])
        }
        Choice::ToolCall => {
            let task = (Extent::Task, "For this task".to_owned());
            let always = (Extent::Always, "Always".to_owned());
            ("Reject".to_owned(), vec![yes("Approve once"), task, always])
        }
        Choice::Words => ("Give no answer".to_owned(), Vec::new()),
    }
}

/// The exact arguments and the digest that the approval covers.
fn what(approval: &Approval) -> Markup {
    html! {
        @if signs::excerpt(&approval.description, 140) != approval.description.trim() { div.whole { (honest(&approval.description)) } }
        details.exact open[approval.state == ApprovalState::Pending] {
            summary { @if is_question(approval) { "Exactly this is asked" } @else { "Exactly this would run" } }
            (arguments(approval))
            p.quiet { "Digest " code.digest { (approval.digest) } }
        }
    }
}

/// Whether an answer starts nothing by itself.
fn is_question(approval: &Approval) -> bool {
    matches!(approval.choice, Choice::Two { .. } | Choice::Words)
}

/// A message of a chat with what its run starts, or the arguments of anything else as JSON.
fn arguments(approval: &Approval) -> Markup {
    let Some(given) = &approval.arguments else {
        return html! { p.quiet { "It has no arguments." } };
    };
    let message =
        given.get("message").and_then(Value::as_str).filter(|_| approval.event_id.is_some());
    let Some(message) = message else {
        let text = serde_json::to_string_pretty(given).unwrap_or_default();
        return html! { pre { code { (honest(&text)) } } };
    };
    let runs: Vec<AgentRun> = given
        .get(RUNS)
        .and_then(|runs| serde_json::from_value(runs.clone()).ok())
        .unwrap_or_default();
    html! {
        @if runs.is_empty() {
            p.quiet { "The program is not known: no gateway had said what it runs for this agent." }
        }
        @if runs.len() > 1 { p.quiet { "The gateways have different settings; one of these would run." } }
        @for run in &runs { (starts(run)) }
        p.quiet { "The message that it is given" }
        pre { code { (honest(message)) } }
    }
}

/// The program that a run starts, with its settings by name and value.
fn starts(run: &AgentRun) -> Markup {
    let folder = match (&run.workspace, run.worktree) {
        (Some(folder), true) => format!("a git worktree of {folder} for the conversation"),
        (Some(folder), false) => folder.clone(),
        (None, _) => "a work folder of its own".to_owned(),
    };
    let sandbox = match run.sandbox.as_str() {
        "off" => "off: it reaches everything that you can",
        other => other,
    };
    let limits = format!(
        "{} s, {} MB of memory, {} MB of files{}",
        run.timeout_s,
        run.memory_bytes_max >> 20,
        run.work_bytes_max >> 20,
        run.max_turns.map(|turns| format!(", {turns} turns")).unwrap_or_default()
    );
    let list = |names: &[String]| names.join(", ");
    let rows = [
        ("Runner", run.runner.clone()),
        ("Program", run.program.join(" ")),
        ("Folder", folder),
        ("Model", run.model.clone().unwrap_or_else(|| "the program's own choice".to_owned())),
        ("Limits", limits),
        ("Sandbox", sandbox.to_owned()),
        ("Network", run.network.clone()),
        ("May read", list(&run.readable)),
        ("May write", list(&run.writable)),
        ("Variables", list(&run.env)),
        ("Keys by relay", list(&run.secrets)),
        ("Tool calls", run.tool_approvals.clone().unwrap_or_default()),
        ("Data directory", if run.data_visible { "visible" } else { "" }.to_owned()),
    ];
    html! {
        dl.starts {
            @for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
                dt { (name) } dd { code { (honest(value)) } }
            }
        }
    }
}

fn outcome(approval: &Approval) -> Markup {
    html! {
        @if let Some(by) = &approval.decided_by {
            @let shown = approval.decider();
            p.quiet { "Decided by " (shown) @if !shown.contains(by.as_str()) { " (" (by) ")" } @if let Some(at) = &approval.decided_at { " · " (signs::time(at)) } }
        }
    }
}
