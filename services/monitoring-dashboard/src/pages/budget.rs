//! The budget: limits, posted costs, holds, and how to change it.

use super::layout::{Frame, Noted, gap, title};
use super::menu;
use super::signs;
use crate::answer::see;
use crate::refusal::{Friendly, PageResult};
use crate::session::Owner;
use crate::stats::cents;
use crate::{Config, Deps, Form, owners, sla};
use axum::extract::{Query, State};
use contracts::budget::{AgentCost, BudgetScope, BudgetUpdate};
use contracts::monitoring::LedgerStats;
use contracts::{ErrorCode, Micros};
use futures_util::future::join3;
use maud::{Markup, html};

const CHANGE: &str = "budget";

/// `GET /dashboard/budget`.
pub async fn show(
    State(deps): State<Deps>,
    owner: Owner,
    Query(noted): Query<Noted>,
) -> PageResult {
    let (ledger, halts, budget) =
        join3(owners::ledger(&deps), owners::halts(&deps), owners::budget(&deps)).await;
    let ledger = ledger.ok();
    let frame = Frame::of(&deps, &owner, ledger.as_ref(), halts.ok(), &noted.note);
    let body = html! {
        (title("Budget", "Your limits, the money spent, and the money held for approved work."))
        @match budget {
            Err(_) => section.panel { (gap("personal-assistant")) },
            Ok(budget) => {
                div.cards.small { @for scope in &budget.scopes { (card(scope)) } }
                (by_agent(&budget.agents))
            }
        }
        @if let Some(ledger) = &ledger { (fortnight(ledger)) }
        section.panel {
            h2 { "Change it" }
            (form(&deps.config, &owner))
            p.quiet { "Limits of an agent's day and those to start with are in the configuration:" }
            pre { code { "[budget]\ndaily = 50.00\nmonthly = 500.00\n\n[agents.codegen]\ndaily_budget = 20.00" } }
            p.quiet { "At the limit new work is refused before it starts. A run that reports what it \
                costs is asked about or ended before it goes over." }
        }
    };
    Ok(frame.page(&menu::BUDGET, menu::BUDGET.title, body))
}

fn form(config: &Config, owner: &Owner) -> Markup {
    html! {
        form.stack method="post" action=(config.url(menu::BUDGET.path)) {
            input type="hidden" name="token" value=(owner.token(CHANGE));
            label { "A day, in dollars; empty: as it is"
                input type="number" name="daily" min="0" step="0.01";
            }
            label { "A month, in dollars; empty: as it is"
                input type="number" name="monthly" min="0" step="0.01";
            }
            div.links {
                button.primary { "Save" }
                button name="reset" value="true" { "Go back to the configuration" }
            }
        }
    }
}

/// `POST /dashboard/budget`.
pub async fn change(State(deps): State<Deps>, owner: Owner, form: Form) -> PageResult {
    owner.require(&form, CHANGE)?;
    let dollars = |field: &str| match form.filled(field) {
        None => Ok(None),
        Some(text) => match text.parse().ok().and_then(Micros::from_dollars) {
            Some(amount) => Ok(Some(amount)),
            None => Err(Friendly::new(
                ErrorCode::InvalidField,
                format!("The limit {text} is not a number of dollars."),
            )
            .fix("Go back and correct it.")),
        },
    };
    let reset = form.field("reset") == "true";
    let update = if reset {
        BudgetUpdate { reset, ..BudgetUpdate::default() }
    } else {
        BudgetUpdate { daily: dollars("daily")?, monthly: dollars("monthly")?, reset }
    };
    if !reset && update.daily.is_none() && update.monthly.is_none() {
        let problem = Friendly::new(ErrorCode::InvalidField, "No limit is given.".to_owned());
        return Err(problem.fix("Go back, and write the limit of a day or of a month.").into());
    }
    owners::change_budget(&deps, &update).await?;
    Ok(see(&deps.config.url("/dashboard/budget?note=budgeted")))
}

fn card(scope: &BudgetScope) -> Markup {
    let name = match scope.scope.split_once(':') {
        Some(("agent", whom)) => format!("Agent {whom}: "),
        Some(("endpoint", whom)) => format!("Endpoint {whom}: "),
        Some((_, whom)) => format!("{whom}: "),
        None => String::new(),
    };
    let window = match scope.window.as_str() {
        "month" => "This month",
        "week" => "This week",
        _ => "Today",
    };
    html! {
        section.panel {
            div.bar { h2 { (name) (window) } span.quiet { (scope.label) } }
            p.large { strong { (cents(scope.spent)) } " of " (cents(scope.limit)) }
            (bar(scope))
            dl.facts {
                dt { "Held" } dd { (cents(scope.held)) }
                dt { "Left" } dd { (cents(scope.remaining)) }
                dt { "Resets" } dd { (signs::time(&scope.resets_at)) }
                dt { "Set by" } dd { @match scope.source.as_str() { "api" => "changed at runtime", "file" => "quintet.toml", _ => "default" } }
            }
        }
    }
}

/// Today's cost of each agent; it adds up to the card of the day.
fn by_agent(agents: &[AgentCost]) -> Markup {
    html! {
        section.panel aria-label="Today by agent" {
            h2 { "Today by agent" }
            @if agents.is_empty() { p.empty { "Nothing was charged today." } }
            @else {
                table.events {
                    thead { tr { th scope="col" { "Agent" } th.figure scope="col" { "Spent" } th.figure scope="col" { "Held" } } }
                    tbody { @for row in agents { tr {
                        td.wide { strong { (row.agent) } @if row.unpriced > 0 { span.quiet.detail { "the cost of " (row.unpriced) " is unknown, and booked as it was held" } } }
                        (signs::cell("spent", &cents(row.spent)))
                        (signs::cell("held", &cents(row.held)))
                    } } }
                }
            }
        }
    }
}

/// Spent and held as percentages of the limit.
fn shares(scope: &BudgetScope) -> (f64, f64) {
    if scope.limit.0 <= 0 {
        return (100.0, 0.0);
    }
    let share = |amount: Micros| (amount.0 as f64 * 100.0 / scope.limit.0 as f64).clamp(0.0, 100.0);
    let spent = share(scope.spent);
    (spent, share(scope.held).min(100.0 - spent))
}

fn bar(scope: &BudgetScope) -> Markup {
    let (spent, held) = shares(scope);
    html! {
        svg.bar-chart width="100%" height="10" role="img" aria-label={ (format!("{spent:.0}")) " percent spent, " (format!("{held:.0}")) " percent held" } {
            rect.ground width="100%" height="10" rx="5" {}
            rect.held width=(format!("{:.2}%", spent + held)) height="10" rx="5" {}
            rect.spent width=(format!("{spent:.2}%")) height="10" rx="5" {}
        }
    }
}

/// The last full days as bars, plus the same figures as a list for screen readers.
fn fortnight(ledger: &LedgerStats) -> Markup {
    let days = &ledger.daily_costs;
    let most = days.iter().map(|day| day.0).max().unwrap_or(0).max(1);
    html! {
        section.panel {
            div.bar { h2 { "Last 14 days" } span.quiet { "trend: " (sla::cost_trend(days).replace('_', " ")) } }
            @if days.is_empty() { p.empty { "No full day has passed yet." } }
            @else {
                svg.columns viewBox={ "0 0 " (days.len() * 20) " 60" } preserveAspectRatio="none" height="60" role="img" aria-label="Daily cost, oldest first" {
                    @for (i, day) in days.iter().enumerate() {
                        @let height = (day.0.max(0) as f64 * 56.0 / most as f64).max(1.0);
                        rect x=(i * 20 + 2) width="16" y=(format!("{:.1}", 60.0 - height)) height=(format!("{height:.1}")) { title { (cents(*day)) } }
                    }
                }
                details { summary { "As a list" } ol.days { @for day in days { li { (cents(*day)) } } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_bar_never_leaves_its_frame() {
        let scope = |limit, spent, held| BudgetScope {
            scope: "all".into(),
            window: "day".into(),
            label: String::new(),
            limit: Micros(limit),
            source: String::new(),
            spent: Micros(spent),
            held: Micros(held),
            remaining: Micros(0),
            resets_at: String::new(),
        };
        assert_eq!(shares(&scope(100, 25, 50)), (25.0, 50.0));
        assert_eq!(shares(&scope(100, 90, 50)), (90.0, 10.0));
        assert_eq!(shares(&scope(100, 200, 50)), (100.0, 0.0));
        assert_eq!(shares(&scope(0, 0, 0)), (100.0, 0.0));
    }
}
