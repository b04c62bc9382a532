//! `quintet config`: the configuration file, what is in force, and the change of one key.

use super::setup::running::Running;
use crate::cli::{Config, ConfigFile};
use crate::config_file::{self, is_secret};
use crate::data_dir::DataDir;
use crate::endpoint_file::Change;
use crate::exit::{No, Usage};
use crate::terminal::{say, say_json};
use anyhow::{Context, Result};
use platform::models::LIST_KEY;
use platform::text::{honest, printable};
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;

/// Stands for a secret.
const MASK: &str = "***";

/// Runs the subcommand.
///
/// # Errors
/// When the file cannot be read or written, or would not be a configuration.
pub async fn config(command: Config, data: &DataDir, as_json: bool) -> Result<()> {
    match command {
        Config::Path(file) => {
            let file = file.find(data).await?;
            if as_json {
                say_json(&serde_json::json!({ "file": file, "exists": file.exists() }));
            } else {
                say(&file.display().to_string());
            }
            Ok(())
        }
        Config::Show { key, file } => {
            let file = file.find(data).await?;
            let tree = config_file::read_tree(
                Some(&file).filter(|file| file.exists()).map(PathBuf::as_path),
            )?;
            show(masked(tree.value), key.as_deref(), as_json)
        }
        Config::Set { key, value, file } => {
            let value = read_value(&key, &value)?;
            change(data, &file, &key, Some(value), as_json).await
        }
        Config::Unset { key, file } => change(data, &file, &key, None, as_json).await,
    }
}

impl ConfigFile {
    /// The file that is meant, whether or not it exists.
    async fn find(&self, data: &DataDir) -> Result<PathBuf> {
        if let Some(file) = &self.config {
            return Ok(std::path::absolute(file)?);
        }
        let running = Running::find(data).await?;
        Ok(running.map_or_else(|| data.join("quintet.toml"), |running| running.file.clone()))
    }
}

/// The value of a command line: TOML where it is, else a text. A secret comes by standard input
/// alone, because other programs see arguments.
fn read_value(key: &str, text: &str) -> Result<toml_edit::Value> {
    let parts = parts(key)?;
    let name = parts.last().map_or("", String::as_str);
    if text == "-" {
        let mut given = String::new();
        std::io::stdin().read_to_string(&mut given).context("cannot read standard input")?;
        return Ok(given.trim_end_matches(['\r', '\n']).into());
    }
    if is_secret(name) {
        let how = format!(
            "{} holds a secret, and other programs see the arguments of this one. Write it to \
             standard input: quintet config set {} -",
            printable(key),
            printable(key)
        );
        return Err(Usage(how).into());
    }
    Ok(text.parse().unwrap_or_else(|_| text.into()))
}

async fn change(
    data: &DataDir,
    file: &ConfigFile,
    key: &str,
    value: Option<toml_edit::Value>,
    as_json: bool,
) -> Result<()> {
    let parts = parts(key)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let file = file.find(data).await?;
    let change = Change::of_key(&file, &parts, value)?;
    change.write()?;
    let running = Running::find(data).await?.filter(|running| running.is_same_file(change.file()));
    let pending = match &running {
        Some(running) => running.reload().await?.pending(),
        None => None,
    };
    let written = change.file().display().to_string();
    if as_json {
        let left = pending.map(|(what, _)| what);
        say_json(&serde_json::json!({ "file": written, "key": key, "notInForce": left }));
        return Ok(());
    }
    say(&format!("{} is changed in {written}.", printable(key)));
    match (pending, running) {
        (Some((what, fix)), _) => say(&format!("{what}: {fix}")),
        (None, Some(_)) => say("The running server has taken it up."),
        (None, None) => {}
    }
    Ok(())
}

/// The names of a dotted key, of which one with a dot is in quotes.
fn parts(key: &str) -> Result<Vec<String>> {
    let parts = toml_edit::Key::parse(key).ok().filter(|parts| !parts.is_empty());
    let why = || {
        let key = printable(key);
        Usage(format!(
            "{key} is no key. Write one such as budget.daily, and a name with other characters than letters, digits, - and _ in quotes: budget.endpoints.\"telegram.main\".daily."
        ))
    };
    Ok(parts.ok_or_else(why)?.iter().map(|part| part.get().to_owned()).collect())
}

/// The tree without its secrets, and without the list of prices, which has a command of its own.
fn masked(mut tree: Value) -> Value {
    if let Some(tables) = tree.as_object_mut() {
        tables.remove(LIST_KEY);
    }
    mask(&mut tree);
    tree
}

fn mask(tree: &mut Value) {
    match tree {
        Value::Object(table) => {
            for (key, value) in table {
                if is_secret(key) && !value.is_object() {
                    *value = MASK.into();
                } else {
                    mask(value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(mask),
        _ => {}
    }
}

fn show(tree: Value, key: Option<&str>, as_json: bool) -> Result<()> {
    let found = match key {
        None => tree,
        Some(key) => {
            let pointer: String = parts(key)?
                .iter()
                .map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")))
                .collect();
            let found = tree.pointer(&pointer).cloned();
            found.ok_or_else(|| No(format!("{} is not set", printable(key))))?
        }
    };
    if as_json {
        say_json(&found);
        return Ok(());
    }
    let text = match &found {
        Value::Object(_) => toml::to_string_pretty(&found)?,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    // The file may be another person's.
    let text = honest(text.trim_end());
    say(if text.is_empty() { "nothing is set: every key has its default" } else { &text });
    Ok(())
}
