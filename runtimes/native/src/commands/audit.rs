//! `quintet audit`: who decided and changed what, and whether the log is as it was written.

use crate::cli::Audit;
use crate::client::Client;
use crate::exit::No;
use crate::terminal::{say, say_json, table};
use anyhow::Result;
use contracts::audit::AuditQuery;
use contracts::calls::personal_assistant::{ListAudit, VerifyAudit};
use platform::text::{printable, short};

const DETAIL_CHARS: usize = 60;

/// Runs the subcommand; lists without one.
///
/// # Errors
/// When the server refuses; [`No`] when the log is not as it was written.
pub async fn audit(client: &Client, command: Option<Audit>, as_json: bool) -> Result<()> {
    match command.unwrap_or(Audit::List { limit: 50 }) {
        Audit::List { limit } => {
            let query = AuditQuery { before: None, limit: Some(limit) };
            let list = client.ask::<ListAudit>(&(), &query).await?;
            if as_json {
                say_json(&list);
                return Ok(());
            }
            if list.entries.is_empty() {
                say("nothing has been decided or changed yet");
                return Ok(());
            }
            let rows: Vec<Vec<String>> = list
                .entries
                .iter()
                .map(|entry| {
                    vec![
                        entry.at.clone(),
                        entry.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string()),
                        printable(&entry.actor),
                        entry.action.clone(),
                        printable(&entry.subject),
                        short(&printable(&entry.detail.to_string()), DETAIL_CHARS),
                    ]
                })
                .collect();
            say(&table(&["AT", "NO", "BY", "ACTION", "ABOUT", "DETAIL"], &rows));
            Ok(())
        }
        Audit::Verify => {
            let verdict = client.ask::<VerifyAudit>(&(), &()).await?;
            if as_json {
                say_json(&verdict);
            } else {
                // The error says it otherwise.
                if verdict.intact {
                    say(&verdict.message);
                }
                if let Some(head) = &verdict.head {
                    say(&format!("newest hash: {head}"));
                }
            }
            if verdict.intact { Ok(()) } else { Err(No(verdict.message).into()) }
        }
    }
}
