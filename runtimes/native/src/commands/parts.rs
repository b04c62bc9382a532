//! `quintet __parts`: prints each service's part of the configuration as JSON, for `cargo xtask`.

use crate::config_file;
use crate::exit::Wrong;
use crate::local_endpoints;
use crate::terminal::say;
use anyhow::Result;
use contracts::ServiceName;
use platform::config::Report;
use serde_json::{Map, Value};
use std::path::Path;

/// Top-level tables that a service's configuration reads. Only the aggregator gets platform
/// secrets, and only the assistant the key of a transcription.
const fn tables(service: ServiceName) -> &'static [&'static str] {
    match service {
        ServiceName::PersonalAssistant => &["budget", "agents", "transcription", "digest"],
        ServiceName::AgencyRouter => &["agents", "budget"],
        ServiceName::SkillGraphLoader => &[],
        ServiceName::MonitoringDashboard => &["server"],
        ServiceName::WebhookAggregator => &["endpoints", "limits", "files", "agents", "schedules"],
        ServiceName::AgencyGateway => &["gateway", "secrets", "agents"],
    }
}

/// Each service's part. Local endpoints are left out.
fn parts(tree: &Value) -> Map<String, Value> {
    let part = |service: ServiceName| {
        let tables = tables(service)
            .iter()
            .filter_map(|table| Some(((*table).to_owned(), tree.get(*table)?.clone())));
        (service.to_string(), Value::Object(tables.collect()))
    };
    let mut all: Map<String, Value> = ServiceName::ALL.into_iter().map(part).collect();
    let endpoints = all
        .get_mut(ServiceName::WebhookAggregator.as_str())
        .and_then(|part| part.get_mut("endpoints")?.as_object_mut());
    for channel in endpoints
        .into_iter()
        .flat_map(|channels| channels.values_mut())
        .filter_map(Value::as_object_mut)
    {
        channel.remove(local_endpoints::NAME);
    }
    all
}

/// Checks the file as `up` does and prints the parts.
///
/// # Errors
/// When the file cannot be read or is invalid; lists all problems.
pub fn print(config: &Path) -> Result<()> {
    let tree = config_file::read_tree(Some(config))?;
    let place = monitoring_dashboard::HostSettings::default();
    let read = config_file::read(&tree, &Value::Null, place, |_| Vec::new())?;
    let report = Report::default();
    read.aggregator.refuse_polling(&report);
    let problems = report.into_problems();
    if !problems.is_empty() {
        return Err(Wrong(problems).into());
    }
    say(&Value::Object(parts(&tree.value)).to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_give_platform_secrets_to_the_aggregator_alone_and_omit_local_endpoints() {
        let endpoint = json!({ "secret_token": "s3cret", "bot_token": "b0t" });
        let tree = json!({ "endpoints": { "telegram": { "main": endpoint, "local": endpoint } }, "budget": { "daily": 5 }, "agents": {}, "server": {} });
        let all = parts(&tree);
        for (service, part) in &all {
            assert_eq!(
                part.to_string().contains("s3cret"),
                service == "webhook-aggregator",
                "{service}"
            );
        }
        assert!(all["webhook-aggregator"]["endpoints"]["telegram"].get("local").is_none());
        assert_eq!(all["personal-assistant"]["budget"]["daily"], 5);
    }
}
