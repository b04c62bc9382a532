//! `quintet budget`: the limits, what is spent, and the change of them.

use crate::cli::Budget;
use crate::client::Client;
use crate::terminal::{say, say_json, table};
use anyhow::Result;
use contracts::budget::{BudgetAnswer, BudgetUpdate};
use contracts::calls::personal_assistant::{ReadBudget, UpdateBudget};

/// Runs the subcommand; shows the budget without one.
///
/// # Errors
/// When the server refuses.
pub async fn budget(client: &Client, command: Option<Budget>, as_json: bool) -> Result<()> {
    let answer = match command.unwrap_or(Budget::Show) {
        Budget::Show => client.ask::<ReadBudget>(&(), &()).await?,
        Budget::Set(set) => {
            let update =
                BudgetUpdate { daily: set.daily, monthly: set.monthly, ..BudgetUpdate::default() };
            client.ask::<UpdateBudget>(&(), &update).await?
        }
        Budget::Reset => {
            let update = BudgetUpdate { reset: true, ..BudgetUpdate::default() };
            client.ask::<UpdateBudget>(&(), &update).await?
        }
    };
    show(&answer, as_json);
    Ok(())
}

fn show(answer: &BudgetAnswer, as_json: bool) {
    if as_json {
        say_json(answer);
        return;
    }
    let rows: Vec<Vec<String>> = answer
        .scopes
        .iter()
        .map(|row| {
            let money =
                [row.limit, row.spent, row.held, row.remaining].map(|micros| micros.to_string());
            [
                vec![row.scope.clone(), row.label.clone()],
                money.to_vec(),
                vec![row.source.clone(), row.resets_at.clone()],
            ]
            .concat()
        })
        .collect();
    say(&table(&["SCOPE", "WINDOW", "LIMIT", "SPENT", "HELD", "LEFT", "FROM", "RESETS"], &rows));
    if answer.agents.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = answer
        .agents
        .iter()
        .map(|row| {
            let unknown = if row.unpriced > 0 { row.unpriced.to_string() } else { String::new() };
            vec![row.agent.to_string(), row.spent.to_string(), row.held.to_string(), unknown]
        })
        .collect();
    say("");
    say(&table(&["AGENT TODAY", "SPENT", "HELD", "RUNS OF UNKNOWN COST"], &rows));
}
