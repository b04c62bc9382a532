//! One approval as a card: the request, the reason for asking, exactly what would run, and its
//! cost.

use super::signs;
use crate::Config;
use crate::session::Owner;
use contracts::Micros;
use contracts::approval::{Approval, ApprovalState, Decision};
use maud::{Markup, html};
use platform::text::honest;

/// Data for the cards besides the approvals.
pub struct Desk<'a> {
    pub config: &'a Config,
    pub owner: &'a Owner,
    pub now: i64,
    /// Remaining budget of the day; pending approvals hold nothing yet.
    pub remaining: Option<Micros>,
}

/// The change made by a decision form; its token is bound to exactly this.
pub fn change(id: &str, version: &str, decision: Decision) -> String {
    let word = match decision {
        Decision::Approve => "approve",
        Decision::Reject => "reject",
    };
    format!("decide:{id}:{version}:{word}")
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
        let version = approval.version.to_string();
        let id = approval.id.as_str();
        let action = self
            .config
            .url(&format!("/dashboard/approvals/{}/decide", platform::percent::encode(id)));
        let fields = |decision: Decision, word: &str| {
            html! {
                input type="hidden" name="version" value=(version);
                input type="hidden" name="decision" value=(word);
                input type="hidden" name="token" value=(self.owner.token(&change(id, &version, decision)));
            }
        };
        html! {
            div.decide {
                form.reject method="post" action=(action) {
                    (fields(Decision::Reject, "reject"))
                    label.unseen for={ "why-" (id) } { "Reason for rejecting" }
                    input type="text" id={ "why-" (id) } name="reason" maxlength="500" placeholder="Reason (optional, shown to the sender)";
                    button.danger autofocus[first] { "Reject" }
                }
                form method="post" action=(action) { (fields(Decision::Approve, "approve")) button.primary { "Approve once" } }
            }
        }
    }
}

/// The exact arguments and the digest that the approval covers.
fn what(approval: &Approval) -> Markup {
    let arguments =
        approval.arguments.as_ref().and_then(|value| serde_json::to_string_pretty(value).ok());
    html! {
        @if signs::excerpt(&approval.description, 140) != approval.description.trim() { div.whole { (honest(&approval.description)) } }
        details.exact open[approval.state == ApprovalState::Pending] {
            summary { "Exactly this would run" }
            @match arguments { Some(text) => pre { code { (honest(&text)) } }, None => p.quiet { "It has no arguments." } }
            p.quiet { "Digest " code.digest { (approval.digest) } }
        }
    }
}

fn outcome(approval: &Approval) -> Markup {
    html! {
        @if let Some(by) = &approval.decided_by {
            p.quiet { "Decided by " (by) @if let Some(at) = &approval.decided_at { " · " (signs::time(at)) } }
        }
    }
}
