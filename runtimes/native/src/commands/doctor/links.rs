//! Whether the messages of each endpoint arrive that the running server has to fetch itself.

use super::finding::{Finding, error, ok, warning};
use crate::client::Client;
use crate::data_dir::DataDir;
use contracts::calls::webhook_aggregator::ListEndpoints;
use contracts::endpoint::{EndpointView, LinkState};

/// One finding for each; none without a server, which another check reports.
pub(super) async fn check(data: &DataDir) -> Vec<Finding> {
    let Ok(client) = Client::new(None, data) else { return Vec::new() };
    let Ok(list) = client.ask::<ListEndpoints>(&(), &()).await else { return Vec::new() };
    list.endpoints.iter().filter_map(finding).collect()
}

fn finding(view: &EndpointView) -> Option<Finding> {
    let name = format!("endpoint {}.{} ({})", view.channel, view.name, view.mode);
    let why = view.why.as_deref().unwrap_or("no reason is known yet");
    let fix = |without: &str| view.fix.clone().unwrap_or_else(|| without.to_owned());
    Some(match view.state {
        LinkState::Listening => return None,
        LinkState::Connected => ok(format!("{name} is connected")),
        LinkState::Connecting => warning(format!("{name} is still connecting"), "try again"),
        LinkState::Reconnecting => warning(
            format!("{name} is not connected: {why}"),
            fix(
                "none needed if it lasts a minute; else look at the network and at the platform's status page",
            ),
        ),
        LinkState::Refused => {
            error(format!("{name} is refused: {why}"), fix("do what the message says"))
        }
    })
}
