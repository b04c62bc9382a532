//! `quintet endpoints`: the way in of each endpoint, and whether its messages arrive.

use crate::client::Client;
use crate::terminal::{say, say_json, table};
use anyhow::Result;
use contracts::calls::webhook_aggregator::ListEndpoints;
use contracts::endpoint::EndpointView;

/// Lists the endpoints.
///
/// # Errors
/// When the server refuses.
pub async fn endpoints(client: &Client, as_json: bool) -> Result<()> {
    let list = client.ask::<ListEndpoints>(&(), &()).await?;
    if as_json {
        say_json(&list);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = list.endpoints.iter().map(row).collect();
    say(&table(&["ENDPOINT", "MODE", "STATE", "SINCE", "WHY"], &rows));
    for (view, fix) in list.endpoints.iter().filter_map(|view| Some((view, view.fix.as_ref()?))) {
        say(&format!("\n{}.{}: {fix}", view.channel, view.name));
    }
    Ok(())
}

fn row(view: &EndpointView) -> Vec<String> {
    vec![
        format!("{}.{}", view.channel, view.name),
        view.mode.clone(),
        view.state.as_str().to_owned(),
        view.since.clone().unwrap_or_default(),
        view.why.clone().unwrap_or_default(),
    ]
}
