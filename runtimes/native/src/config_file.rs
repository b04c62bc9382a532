//! The configuration: `quintet.toml`, environment variables over it, and the local endpoints of
//! this installation. Reports all problems at once and then starts nothing.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON by name: a missing member reads as null, and every object written to is created \
        here"
)]

use crate::data_dir::{self, DataDir};
use crate::exit::Wrong;
use crate::local_endpoints;
use anyhow::{Context, Result, anyhow};
use contracts::ChannelKind;
use platform::config::{ConfigProblem, Report, Section, UNKNOWN_KEY};
use platform::models::LIST_KEY;
use serde_json::{Value, json};
use std::ops::Range;
use std::path::{Path, PathBuf};
use webhook_aggregator::channels::{Channel, channel};

/// Every service's part of the configuration.
pub struct Configuration {
    pub aggregator: webhook_aggregator::Config,
    pub router: agency_router::Config,
    pub assistant: personal_assistant::Config,
    pub gateway: agency_gateway::Config,
    pub dashboard: monitoring_dashboard::Config,
    /// The file it came from, if any; agents must not read it.
    pub file: Option<PathBuf>,
    /// Variables without a key.
    pub warnings: Vec<String>,
}

/// The file to read: the given one, or `quintet.toml` in the data directory if it exists.
pub fn path(given: Option<&Path>, data: &DataDir) -> Option<PathBuf> {
    given
        .map(Path::to_owned)
        .or_else(|| Some(data.join("quintet.toml")).filter(|path| path.exists()))
}

/// The file with the owner's prices of models, beside the configuration.
pub fn prices_beside(file: Option<&Path>, data: &DataDir) -> PathBuf {
    file.and_then(Path::parent).map_or_else(|| data.join(PRICES), |folder| folder.join(PRICES))
}

/// The owner's prices of models, if there are any.
fn prices(file: Option<&Path>) -> Result<Option<Value>> {
    let Some(path) = file.and_then(Path::parent).map(|folder| folder.join(PRICES)) else {
        return Ok(None);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    // Whatever is wrong with it is reported with the other problems.
    Ok(Some(serde_json::from_str(&text).unwrap_or(Value::Null)))
}

/// File and variables as one tree.
pub struct Tree {
    /// The file, if there was one.
    pub file: Option<PathBuf>,
    pub value: Value,
    /// Whether the file itself has secrets.
    pub holds_secrets: bool,
    /// Paths set by variables, with the variables' names.
    from_variables: Vec<(String, String)>,
    pub warnings: Vec<String>,
}

/// Reads the file (or none) and the variables into one tree.
///
/// # Errors
/// When the file is missing or not valid TOML; the message names line and column.
pub fn read_tree(file: Option<&Path>) -> Result<Tree> {
    let mut tree = match file {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the configuration {}", file.display()))?;
            let table = parse(&text)
                .map_err(|error| anyhow!("{} is not valid TOML: {error}", file.display()))?;
            serde_json::to_value(table)?
        }
        None => json!({}),
    };
    let holds_secrets = has_secrets(&tree);
    if let (Some(prices), Some(tables)) = (prices(file)?, tree.as_object_mut()) {
        tables.insert(LIST_KEY.to_owned(), prices);
    }
    let (from_variables, warnings) = apply_variables(&mut tree, std::env::vars());
    Ok(Tree {
        file: file.map(Path::to_path_buf),
        value: tree,
        holds_secrets,
        from_variables,
        warnings,
    })
}

/// A mistake in a file: where it is, and which. The line itself is never shown, because it may hold
/// a secret.
pub fn mistake(text: &str, at: Option<Range<usize>>, message: &str) -> String {
    let before = at.and_then(|at| text.get(..at.start.min(text.len())));
    let Some(before) = before else { return message.to_owned() };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    format!("line {line}, column {column}: {message}")
}

fn parse(text: &str) -> Result<toml::Table, String> {
    text.parse().map_err(|error: toml::de::Error| mistake(text, error.span(), error.message()))
}

/// Checks a configuration that is not written yet, as `quintet up` would: with the variables.
///
/// # Errors
/// When it is not valid TOML; [`Wrong`], with all problems.
pub fn check_text(text: &str) -> Result<()> {
    let table = parse(text).map_err(|error| anyhow!("it is not valid TOML: {error}"))?;
    let mut value = serde_json::to_value(table)?;
    let (from_variables, warnings) = apply_variables(&mut value, std::env::vars());
    let tree = Tree { file: None, value, holds_secrets: false, from_variables, warnings };
    let place = monitoring_dashboard::HostSettings {
        base_path: "/monitoring-dashboard".to_owned(),
        ..monitoring_dashboard::HostSettings::default()
    };
    read(&tree, &Value::Null, place, |_| Vec::new())?;
    Ok(())
}

impl Tree {
    /// The same file with these tables.
    #[must_use]
    pub fn with_value(&self, value: Value) -> Self {
        Self {
            file: self.file.clone(),
            value,
            holds_secrets: self.holds_secrets,
            from_variables: self.from_variables.clone(),
            warnings: self.warnings.clone(),
        }
    }
    /// Takes a file with secrets away from others who could read it.
    ///
    /// # Errors
    /// When its mode cannot be changed.
    pub fn close(&self) -> Result<()> {
        match &self.file {
            Some(file) if self.holds_secrets => data_dir::close(file),
            _ => Ok(()),
        }
    }
}

/// Whether a key holds a secret, by the names and endings that secret keys have.
pub fn is_secret(key: &str) -> bool {
    key != "public_key"
        && (["secret", "password"].contains(&key)
            || ["_token", "_secret", "_key"].iter().any(|end| key.ends_with(end)))
}

fn has_secrets(tree: &Value) -> bool {
    match tree {
        Value::Object(table) => table
            .iter()
            .any(|(key, value)| (is_secret(key) && value.is_string()) || has_secrets(value)),
        _ => false,
    }
}

/// The name of the file with the owner's prices of models.
const PRICES: &str = "model-prices.json";
/// Allowed top-level tables; a variable for another one is a warning.
pub const TABLES: [&str; 14] = [
    LIST_KEY,
    "endpoints",
    "models",
    "approvals",
    "budget",
    "limits",
    "files",
    "transcription",
    "digest",
    "schedules",
    "agents",
    "secrets",
    "gateway",
    "server",
];
/// Variables outside the configuration.
const NOT_CONFIG: [&str; 9] = [
    "QUINTET_SETUP_TOKEN",
    "QUINTET_SETUP_APP_TOKEN",
    "QUINTET_BACKUP_PASSPHRASE",
    "QUINTET_DATA",
    "QUINTET_LOG",
    "QUINTET_OPERATOR_TOKEN",
    "QUINTET_VIEWER_TOKEN",
    "QUINTET_AGENT_TOKEN",
    "QUINTET_GATEWAY_TOKEN",
];

/// `QUINTET_BUDGET__DAILY=20` sets `budget.daily`. A path keeps the case of the file. A value is
/// parsed as TOML if possible, otherwise it is text.
fn apply_variables(
    tree: &mut Value,
    variables: impl Iterator<Item = (String, String)>,
) -> (Vec<(String, String)>, Vec<String>) {
    let (mut paths, mut warnings) = (Vec::new(), Vec::new());
    for (name, text) in variables {
        let Some(path) =
            name.strip_prefix("QUINTET_").filter(|_| !NOT_CONFIG.contains(&name.as_str()))
        else {
            continue;
        };
        let words: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        let known = words.len() > 1
            && words.first().is_some_and(|table| TABLES.contains(&table.as_str()))
            && words.iter().all(|word| !word.is_empty());
        if !known {
            warnings.push(format!(
                "the variable {name} matches no key of the configuration and is ignored"
            ));
            continue;
        }
        paths.push((words.join("."), name.clone()));
        set(tree, &words, path, typed(&words, &text));
    }
    (paths, warnings)
}

/// Keeps secrets and ids as text, even if they look like a number.
fn typed(words: &[String], text: &str) -> Value {
    let in_endpoint = words.first().is_some_and(|word| word == "endpoints");
    let parsed = format!("v = {text}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|table| serde_json::to_value(table.get("v")?).ok());
    match parsed {
        Some(value) if !in_endpoint || value.is_array() || value.is_boolean() => value,
        _ => text.into(),
    }
}

fn set(tree: &mut Value, words: &[String], raw: &str, value: Value) {
    let raw_words: Vec<&str> = raw.split("__").collect();
    let mut at = tree;
    for (depth, word) in words.iter().enumerate() {
        if !at.is_object() {
            *at = json!({});
        }
        let Some(object) = at.as_object_mut() else { return };
        let existing = object.keys().find(|key| key.eq_ignore_ascii_case(word)).cloned();
        let fresh = match channel_named_by(words.get(..depth).unwrap_or_default()) {
            Some(channel) => channel.name_of_variable(raw_words.get(depth).unwrap_or(&"")),
            None => word.clone(),
        };
        let key = existing.unwrap_or(fresh);
        if depth + 1 == words.len() {
            object.insert(key, value);
            return;
        }
        at = object.entry(key).or_insert_with(|| json!({}));
    }
}

/// The channel if the next word is the name of one of its endpoints.
fn channel_named_by(words: &[String]) -> Option<&'static dyn Channel> {
    match words {
        [table, name] if table == "endpoints" => channel(ChannelKind::parse(name)?),
        _ => None,
    }
}

/// Reads every service's part, including the local endpoints. `machine` holds the agents against
/// this machine; its problems are listed with the others.
///
/// # Errors
/// [`Wrong`], with all problems.
pub fn read(
    tree: &Tree,
    local: &Value,
    place: monitoring_dashboard::HostSettings,
    machine: impl FnOnce(&agency_gateway::Config) -> Vec<ConfigProblem>,
) -> Result<Configuration, Wrong> {
    let report = Report::default();
    let Tree { file, value: tree, from_variables, warnings, .. } = tree;
    let mut root = Section::new(Some(tree), "", &report);
    for table in TABLES {
        root.value(table);
    }
    root.finish();
    let with_local = merged(tree, local);
    let mut found = report.into_problems();
    let mut configuration = Configuration {
        aggregator: part(&mut found, |report| {
            webhook_aggregator::Config::read(&with_local, report)
        }),
        gateway: part(&mut found, |report| agency_gateway::Config::read(tree, report)),
        assistant: part(&mut found, |report| personal_assistant::Config::read(tree, report)),
        dashboard: part(&mut found, |report| {
            monitoring_dashboard::Config::read(tree, place, report)
        }),
        router: agency_router::Config::read(tree),
        file: file.clone(),
        warnings: warnings.clone(),
    };
    add(&mut found, machine(&configuration.gateway));
    // A variable without a key is only a warning: it may belong to another program.
    let setter = |problem: &ConfigProblem| {
        from_variables
            .iter()
            .find(|(path, _)| path.eq_ignore_ascii_case(&problem.path))
            .map(|(_, name)| name)
    };
    let (strays, problems): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|problem| problem.message == UNKNOWN_KEY && setter(problem).is_some());
    configuration.warnings.extend(strays.iter().filter_map(setter).map(|name| {
        format!("the variable {name} matches no key of the configuration and is ignored")
    }));
    if problems.is_empty() { Ok(configuration) } else { Err(Wrong(problems)) }
}

/// Reads one service's part. Several services read the same tables, so each problem is reported
/// once per path.
fn part<T>(found: &mut Vec<ConfigProblem>, read: impl FnOnce(&Report) -> T) -> T {
    let report = Report::default();
    let value = read(&report);
    add(found, report.into_problems());
    value
}

fn add(found: &mut Vec<ConfigProblem>, problems: Vec<ConfigProblem>) {
    let is_news = |problem: &ConfigProblem| found.iter().all(|known| known.path != problem.path);
    let news: Vec<_> = problems.into_iter().filter(is_news).collect();
    found.extend(news);
}

/// Agents whose keys are not set where the server starts.
pub fn key_problems(gateway: &agency_gateway::Config) -> Vec<ConfigProblem> {
    missing_keys(gateway)
        .map(|(agent, key)| ConfigProblem {
            path: format!("agents.{agent}.secrets"),
            message: format!("names {key}, which is not set in the environment."),
            fix: format!("Set {key} where you start this, or remove it from the list."),
        })
        .collect()
}

/// Agents with a key of theirs that is not set in this environment.
pub fn missing_keys(gateway: &agency_gateway::Config) -> impl Iterator<Item = (&str, &str)> {
    let keys = gateway.programs().flat_map(|(agent, program)| {
        program.secrets.iter().map(move |secret| (agent, secret.name.as_str()))
    });
    keys.filter(|(_, key)| data_dir::variable(key).is_none())
}

fn merged(tree: &Value, local: &Value) -> Value {
    let mut both = tree.clone();
    for (channel, endpoint) in local.as_object().into_iter().flatten() {
        if !both["endpoints"].is_object() {
            both["endpoints"] = json!({});
        }
        if !both["endpoints"][channel.as_str()].is_object() {
            both["endpoints"][channel.as_str()] = json!({});
        }
        both["endpoints"][channel.as_str()][local_endpoints::NAME] = endpoint.clone();
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use webhook_aggregator::channels;

    #[test]
    fn config_variables_override_the_file_and_unknown_ones_are_warnings() {
        let mut tree = json!({"budget": {"daily": 5}, "endpoints": {"slack": {"T0AAAA111": {"bot_token": "a"}}}});
        let variables = [
            ("QUINTET_BUDGET__DAILY", "20.5"),
            ("QUINTET_ENDPOINTS__SLACK__T0AAAA111__BOT_TOKEN", "12345"),
            ("QUINTET_ENDPOINTS__TELEGRAM__MAIN__APPROVERS", "[\"1\"]"),
            ("QUINTET_COLOUR", "red"),
            ("QUINTET_DATA", "/tmp"),
            ("PATH", "/bin"),
        ];
        let (_, warnings) = apply_variables(
            &mut tree,
            variables.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        assert_eq!(tree["budget"]["daily"], 20.5);
        assert_eq!(tree["endpoints"]["slack"]["T0AAAA111"]["bot_token"], "12345");
        assert_eq!(tree["endpoints"]["telegram"]["main"]["approvers"], json!(["1"]));
        assert_eq!(warnings.len(), 1);
    }

    #[test]
    fn mistake_names_its_place_and_never_the_line() {
        const TOKEN: &str = "8123456789:AAE-SECRET_of-a-bot";
        for line in [
            format!("bot_token = \"{TOKEN}"),
            format!("bot_token = {TOKEN}"),
            format!("bot_token = \"{TOKEN}\" \"x\""),
            format!("bot_token \"{TOKEN}\""),
            format!("bot_token = \"{TOKEN}\"\nbot_token = \"{TOKEN}\""),
            format!("\"{TOKEN}\""),
            format!("= \"{TOKEN}\""),
            format!("bot_token = \"\\q{TOKEN}\""),
            format!("bot_token = [\"{TOKEN}\""),
            TOKEN.to_owned(),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("quintet.toml");
            let text = format!("[endpoints.telegram.main]\n{line}\n");
            std::fs::write(&file, &text).unwrap();
            let changed = crate::endpoint_file::Change::make(
                &file,
                ChannelKind::Telegram,
                "main",
                &crate::endpoint_file::Keys::default(),
            );
            let errors = [
                read_tree(Some(&file)).err().unwrap(),
                check_text(&text).unwrap_err(),
                changed.err().unwrap(),
            ];
            for error in errors {
                let shown = format!("{error:?} {error:#}");
                assert!(!shown.contains("SECRET"), "{line}: {shown}");
                assert!(shown.contains(": line ") && shown.contains(", column "), "{shown}");
            }
        }
    }

    #[test]
    fn config_reference_lists_every_key() {
        let nope = json!({ "nope": 1 });
        let channels: Vec<_> = channels::all().collect();
        let endpoints = channels.iter().map(|(kind, _)| (kind.to_string(), json!({ "x": nope })));
        let tree = json!({
            "endpoints": endpoints.collect::<serde_json::Map<_, _>>(),
            "approvals": nope, "budget": nope, "limits": nope, "files": nope, "transcription": nope, "digest": nope, "schedules": { "x": nope }, "agents": { "x": nope }, "gateway": nope, "server": nope,
            "secrets": { "X": nope },
        });
        let tree = Tree {
            file: None,
            value: tree,
            holds_secrets: false,
            from_variables: Vec::new(),
            warnings: Vec::new(),
        };
        let wrong =
            read(&tree, &Value::Null, monitoring_dashboard::HostSettings::default(), |_| {
                Vec::new()
            })
            .err()
            .unwrap();
        let listed: Vec<&ConfigProblem> =
            wrong.0.iter().filter(|problem| problem.path.ends_with(".nope")).collect();
        assert_eq!(listed.len(), channels.len() + 11, "{wrong}");
        let reference = include_str!("../../../docs/config.md");
        for problem in listed {
            let (_, keys) = problem.fix.split_once("the keys here are: ").unwrap();
            for key in keys.trim_end_matches('.').split(", ").filter(|key| *key != "local") {
                assert!(
                    reference.contains(&format!("`{key}`")),
                    "docs/config.md says nothing of {} ({})",
                    key,
                    problem.path
                );
            }
        }
    }
}
