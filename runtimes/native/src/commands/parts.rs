//! `quintet __parts`: prints each service's part of the configuration as JSON, for `cargo xtask`.

use crate::config_file;
use crate::exit::Wrong;
use crate::local_endpoints;
use crate::terminal::say;
use anyhow::Result;
use contracts::ServiceName;
use platform::config::Report;
use platform::models::LIST_KEY;
use serde_json::{Map, Value};
use std::path::Path;

/// Top-level tables that a service's configuration reads. Only the aggregator gets platform
/// secrets, and only the assistant the keys of models and of a transcription.
const fn tables(service: ServiceName) -> &'static [&'static str] {
    match service {
        ServiceName::PersonalAssistant => {
            &["approvals", "budget", "agents", "models", LIST_KEY, "transcription", "digest"]
        }
        ServiceName::AgencyRouter => &["agents", "models", LIST_KEY, "budget"],
        ServiceName::SkillGraphLoader => &[],
        ServiceName::MonitoringDashboard => &["server"],
        ServiceName::WebhookAggregator => {
            &["endpoints", "limits", "files", "agents", "models", LIST_KEY, "schedules"]
        }
        ServiceName::AgencyGateway => &["gateway", "secrets", "agents", "models", LIST_KEY],
    }
}

/// The services that ask models.
const ASKS_MODELS: [ServiceName; 2] = [ServiceName::PersonalAssistant, ServiceName::AgencyGateway];

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
    // The others read their prices alone.
    for service in ServiceName::ALL.into_iter().filter(|service| !ASKS_MODELS.contains(service)) {
        let models =
            all.get_mut(service.as_str()).and_then(|part| part.get_mut("models")?.as_object_mut());
        for model in models.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
            model.remove("api_key");
        }
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
    fn key_of_a_model_is_in_the_parts_that_ask_it_alone() {
        let model = json!({"api": "anthropic", "api_key": "m0del-key", "model": "claude-opus-5-5"});
        let all = parts(&json!({ "models": { "claude": model }, "agents": {} }));
        for (service, part) in &all {
            let asks = ASKS_MODELS.iter().any(|asking| asking.as_str() == service);
            assert_eq!(part.to_string().contains("m0del-key"), asks, "{service}");
        }
        assert_eq!(all["agency-router"]["models"]["claude"]["model"], "claude-opus-5-5");
    }

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
