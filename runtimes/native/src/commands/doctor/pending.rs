//! Whether the running server has taken up the configuration as its file is now.

use super::finding::{Finding, ok, warning};
use crate::client::Client;
use crate::data_dir::DataDir;
use crate::live::{InForce, PATH};
use reqwest::Method;

/// None without a server that can be asked, which another check reports.
pub(super) async fn check(data: &DataDir) -> Option<Finding> {
    let client = Client::new(None, data).ok()?;
    let in_force = client.ask_server::<InForce>(Method::GET, PATH).await.ok()?;
    Some(match in_force.pending() {
        Some((what, fix)) => warning(what, fix),
        None => ok("the server has taken up its configuration"),
    })
}
