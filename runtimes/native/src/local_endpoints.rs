//! The `local` endpoints, one a channel: random keys of this installation, one person, this server
//! itself as their platform. Kept in `local.json` without the address, which may change from start
//! to start.

use crate::data_dir::{DataDir, write_private};
use crate::exit::Unreachable;
use crate::local_platform;
use crate::ports::clock::SystemClock;
use anyhow::{Context, Result};
use contracts::ChannelKind;
use serde_json::{Map, Value};
use webhook_aggregator::channels::{self, LocalPlatform};

/// Name of the endpoints and of their key in the configuration.
pub const NAME: &str = "local";
const FILE: &str = "local.json";

fn platforms() -> impl Iterator<Item = (ChannelKind, &'static dyn LocalPlatform)> {
    ChannelKind::ALL.iter().filter_map(|kind| Some((*kind, channels::local_platform(*kind)?)))
}

/// The endpoints in the words of the configuration, by channel. Makes those that the file lacks.
///
/// # Errors
/// When the file cannot be written.
pub fn configuration(data: &DataDir, address: &str) -> Result<Value> {
    let path = data.join(FILE);
    let kept = std::fs::read(&path).ok();
    let mut all: Map<String, Value> =
        kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    if make_missing(&mut all) {
        write_private(&path, &serde_json::to_vec_pretty(&all)?)?;
    }
    let endpoints = platforms().filter_map(|(kind, platform)| {
        let mut endpoint = all.get(kind.as_str())?.as_object()?.clone();
        platform.signing_keys().iter().for_each(|key| drop(endpoint.remove(*key)));
        if channels::channel(kind).is_some_and(webhook_aggregator::channels::Channel::has_api) {
            let api_base = format!("{address}{}", local_platform::path(kind));
            endpoint.insert("api_base".to_owned(), api_base.into());
        }
        endpoint.insert("local".to_owned(), true.into());
        Some((kind.to_string(), Value::Object(endpoint)))
    });
    Ok(Value::Object(endpoints.collect()))
}

/// Whether anything was missing: the file is new, or older than a channel.
fn make_missing(all: &mut Map<String, Value>) -> bool {
    let before = all.len();
    for (kind, platform) in platforms() {
        all.entry(kind.as_str()).or_insert_with(|| platform.credentials(&SystemClock));
    }
    all.len() > before
}

/// A channel's keys, with those that only its platform has.
///
/// # Errors
/// When the server has never run here.
pub fn credentials(data: &DataDir, channel: ChannelKind) -> Result<Value> {
    let bytes = std::fs::read(data.join(FILE)).map_err(|_| {
        Unreachable(format!(
            "no local endpoints in {}: is the server on this machine?",
            data.path().display()
        ))
    })?;
    let mut all: Map<String, Value> =
        serde_json::from_slice(&bytes).context("local.json cannot be read")?;
    all.remove(channel.as_str()).with_context(|| {
        format!("local.json has no {channel} endpoint: start the server again to make it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn local_endpoints_that_an_older_file_lacks_are_made_beside_the_kept_ones() {
        let kept = json!({ "secret_token": "kept" });
        let mut all = Map::from_iter([("telegram".to_owned(), kept.clone())]);
        assert!(make_missing(&mut all));
        assert_eq!(all["telegram"], kept);
        assert!(all.contains_key("discord"));
        assert!(!make_missing(&mut all), "nothing is missing the second time");
    }
}
