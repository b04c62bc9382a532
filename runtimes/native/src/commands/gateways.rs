//! `quintet gateways`: lists the machines that run agents, drains and restores them.

use crate::client::Client;
use crate::exit::Usage;
use crate::terminal::{say, say_json, table};
use anyhow::Result;
use contracts::GatewayId;
use contracts::calls::webhook_aggregator::{DrainGateway, ListGateways};
use contracts::task::{DrainRequest, GatewayRow};

/// Drains or restores a gateway, or lists them all.
///
/// # Errors
/// When the server refuses.
pub async fn gateways(
    client: &Client,
    drained: Option<String>,
    restored: Option<String>,
    as_json: bool,
) -> Result<()> {
    match (drained, restored) {
        (Some(id), _) => drain(client, &id, true, as_json).await,
        (None, Some(id)) => drain(client, &id, false, as_json).await,
        (None, None) => list(client, as_json).await,
    }
}

async fn list(client: &Client, as_json: bool) -> Result<()> {
    let list = client.ask::<ListGateways>(&(), &()).await?;
    if as_json {
        say_json(&list);
        return Ok(());
    }
    if list.gateways.is_empty() {
        say("no gateway has joined yet. `quintet up` runs one, `quintet gateway --control URL` \
             joins another.");
        return Ok(());
    }
    let row = |row: &GatewayRow| {
        vec![
            row.gateway_id.0.clone(),
            row.state().as_str().to_owned(),
            row.running.to_string(),
            row.last_seen.clone(),
            row.agents.join(", "),
        ]
    };
    say(&table(
        &["GATEWAY", "STATE", "RUNNING", "LAST SEEN", "AGENTS"],
        &list.gateways.iter().map(row).collect::<Vec<_>>(),
    ));
    for row in &list.gateways {
        for unready in &row.unready {
            let (agent, why, fix) = (&unready.agent, &unready.why, &unready.fix);
            say(&format!("{}: {agent} is not ready: {why}\n  fix: {fix}", row.gateway_id));
        }
    }
    Ok(())
}

async fn drain(client: &Client, id: &str, drained: bool, as_json: bool) -> Result<()> {
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        return Err(Usage(format!(
            "{id} is not the id of a gateway. `quintet gateways` lists them."
        ))
        .into());
    }
    let request = DrainRequest { drained };
    let row = client.ask::<DrainGateway>(&GatewayId::from(id), &request).await?;
    if as_json {
        say_json(&row);
    } else if !drained {
        say(&format!("{id} gets tasks again"));
    } else if row.running == 0 {
        say(&format!("{id} gets no new tasks and has finished its own"));
    } else {
        say(&format!("{id} gets no new tasks and still runs {}", row.running));
    }
    Ok(())
}
