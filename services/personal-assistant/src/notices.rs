//! Notices of the budget: approvers are told once in their chats when half of the budget of a day,
//! a week or a month is spent, when four fifths are, and when all of it is.
//!
//! A notice names shares and no amounts: an approver of one chat may not see the spending of the
//! others. The outbox sends an id once, so that a notice is sent once although several look.

use crate::{Deps, budget};
use contracts::budget::BudgetScope;
use contracts::calls::webhook_aggregator::{Deliver, ListApprovers};
use contracts::outbox::{Delivery, OutboxRequest};
use platform::edge::ApiResult;

/// Shares of a budget, percent; the highest that is reached is told.
const STEPS: [i64; 3] = [100, 80, 50];
/// Seconds in which this process remembers a notice; the outbox remembers longer.
const REMEMBERED_S: u64 = 24 * 3_600;

/// Looks after a cost was posted.
pub fn soon(deps: &Deps) {
    let (background, deps) = (deps.background.clone(), deps.clone());
    background.spawn(Box::pin(async move {
        if let Err(error) = look(&deps).await {
            tracing::warn!(
                ?error,
                "a notice of the budget was not sent; the next cost tries again"
            );
        }
    }));
}

async fn look(deps: &Deps) -> ApiResult<()> {
    let scopes = budget::limits(deps).await?;
    for scope in scopes.iter().filter(|scope| scope.scope == "all") {
        let Some(step) = step(scope) else { continue };
        let key = format!("budget:{}:{step}", scope.label);
        if deps.kv.get(&key).await?.is_some() {
            continue;
        }
        let text = text(scope, step);
        let approvers = deps.calls.ask::<ListApprovers>(&(), &()).await?;
        let deliveries: Vec<Delivery> = approvers
            .targets
            .into_iter()
            .map(|target| Delivery {
                id: format!("{key}:{}:{}:{}", target.channel, target.endpoint, target.chat),
                revision: 1,
                text: text.clone(),
                target,
                buttons: None,
                event_id: None,
            })
            .collect();
        if !deliveries.is_empty() {
            deps.calls.ask::<Deliver>(&(), &OutboxRequest { deliveries }).await?;
        }
        deps.kv.put(&key, "sent", REMEMBERED_S).await?;
    }
    Ok(())
}

/// The highest step that is reached. A budget of nothing has none.
fn step(scope: &BudgetScope) -> Option<i64> {
    let (spent, limit) = (i128::from(scope.spent.0), i128::from(scope.limit.0));
    STEPS.into_iter().find(|step| limit > 0 && spent * 100 >= limit * i128::from(*step))
}

fn text(scope: &BudgetScope, step: i64) -> String {
    let whose = match scope.window.as_str() {
        "month" => "this month's",
        "week" => "this week's",
        _ => "today's",
    };
    let until = &scope.resets_at;
    if step >= 100 {
        return format!(
            "All of {whose} budget is spent. New work is refused until {until}, or until the owner raises the limit."
        );
    }
    format!("{step} % of {whose} budget is spent. It resets at {until}.")
}
