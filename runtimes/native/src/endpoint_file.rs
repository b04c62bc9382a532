//! Writes into `quintet.toml`, for `quintet setup`, `quintet config` and the dashboard's page:
//! comments and formatting stay, the whole file is checked before it replaces the old one, and a
//! failure leaves the old one as it was.

use crate::config_file;
use crate::data_dir::write_private;
use crate::exit::{Unreachable, Usage};
use anyhow::{Context, Result};
use contracts::ChannelKind;
use std::path::{Path, PathBuf};
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, TomlError, Value, value};

/// The keys to write into one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// Texts; an existing one is replaced.
    pub texts: Vec<(String, String)>,
    /// Added to the approvers; those that are there stay.
    pub approver: Option<String>,
}

/// A change of the file, made but not written.
pub struct Change {
    file: PathBuf,
    /// The text it was made from; empty where there is no file.
    before: String,
    after: String,
}

impl Change {
    /// Enters the keys into `[endpoints.<channel>.<name>]`. The result is a configuration that
    /// `quintet up` takes.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or is not a configuration of Quintet, before or
    /// after; nothing is written.
    pub fn make(file: &Path, channel: ChannelKind, name: &str, keys: &Keys) -> Result<Self> {
        // A link stays a link: its target is replaced.
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let before = read(&file)?;
        let mut document = parsed(&file, &before)?;
        let endpoint = table(&mut document, &file, &["endpoints", channel.as_str(), name])?;
        for (key, text) in &keys.texts {
            set(endpoint, key, text);
        }
        if let Some(id) = &keys.approver {
            add_approver(endpoint, id, &file)?;
        }
        Self::checked(file, before, &document)
    }
    /// Sets the value at this path, or removes it. The result is a configuration that `quintet up`
    /// takes.
    ///
    /// # Errors
    /// As [`make`](Self::make); also where there is nothing to remove.
    pub fn of_key(file: &Path, key: &[&str], value: Option<Value>) -> Result<Self> {
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        let before = read(&file)?;
        let mut document = parsed(&file, &before)?;
        let Some((name, tables)) = key.split_last() else { return Err(no_key()) };
        let table = table(&mut document, &file, tables)?;
        match (value, table.get_mut(name)) {
            (Some(_), Some(old)) if !old.is_value() => {
                return Err(not_ours(&file, format!("has `{}`, which is a table.", key.join("."))));
            }
            (Some(value), Some(Item::Value(old))) => {
                let around = old.decor().clone();
                *old = value;
                *old.decor_mut() = around;
            }
            (Some(value), _) => {
                table.insert(name, Item::Value(value));
            }
            (None, Some(_)) => {
                let removed = table.remove(name);
                keep_comment(&mut document, removed.as_ref().and_then(Item::as_table));
            }
            (None, None) => {
                return Err(not_ours(&file, format!("has no `{}`.", key.join("."))));
            }
        }
        Self::checked(file, before, &document)
    }
    fn checked(file: PathBuf, before: String, document: &DocumentMut) -> Result<Self> {
        let after = document.to_string();
        config_file::check_text(&after).map_err(|error| {
            not_ours(&file, format!("would not be a configuration that Quintet takes: {error:#}"))
        })?;
        Ok(Self { file, before, after })
    }
    /// The file that is written.
    pub fn file(&self) -> &Path {
        &self.file
    }
    /// Replaces the file, mode 0600, at once or not at all.
    ///
    /// # Errors
    /// When the file was changed meanwhile, or cannot be written.
    pub fn write(&self) -> Result<()> {
        self.replace(&self.before, &self.after)
    }
    /// Puts the old text back, for a set-up that was not completed.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn undo(&self) -> Result<()> {
        self.replace(&self.after, &self.before)
    }
    fn replace(&self, from: &str, to: &str) -> Result<()> {
        if read(&self.file)? != from {
            return Err(Usage(format!(
                "{} was changed by another program meanwhile, so it was left alone. Run this again.",
                self.file.display()
            ))
            .into());
        }
        if to.is_empty() && from != to {
            return Ok(std::fs::remove_file(&self.file)?);
        }
        write_private(&self.file, to.as_bytes())
            .with_context(|| format!("cannot write {}; nothing was changed", self.file.display()))
    }
}

fn parsed(file: &Path, text: &str) -> Result<DocumentMut> {
    text.parse().map_err(|error: TomlError| {
        let mistake = config_file::mistake(text, error.span(), error.message());
        not_ours(file, format!("is not valid TOML: {mistake}"))
    })
}

/// Puts the comment above a removed table at the end of the file: it may be about the file.
fn keep_comment(document: &mut DocumentMut, removed: Option<&Table>) {
    let above = removed.and_then(|table| table.decor().prefix()).and_then(|text| text.as_str());
    let Some(above) = above.map(str::trim).filter(|above| !above.is_empty()) else { return };
    let end = document.trailing().as_str().unwrap_or_default().to_owned();
    document.set_trailing(format!("{end}{above}\n"));
}

fn no_key() -> anyhow::Error {
    Usage("write a key, such as budget.daily.".to_owned()).into()
}

fn read(file: &Path) -> Result<String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Unreachable(format!(
            "cannot read {} ({error}), so nothing was changed.",
            file.display()
        ))
        .into()),
    }
}

fn not_ours(file: &Path, why: impl std::fmt::Display) -> anyhow::Error {
    Usage(format!(
        "{} {why}\nNothing was changed. Correct it, or name another file with --config.",
        file.display()
    ))
    .into()
}

/// The table at a path; tables that are missing are made, without headers of their own but for the
/// last.
fn table<'a>(
    document: &'a mut DocumentMut,
    file: &Path,
    path: &[&str],
) -> Result<&'a mut dyn TableLike> {
    let mut at: &mut dyn TableLike = document.as_table_mut();
    let mut place = String::new();
    for (depth, name) in path.iter().enumerate() {
        place = if place.is_empty() { (*name).to_owned() } else { format!("{place}.{name}") };
        let is_last = depth + 1 == path.len();
        let made = || {
            let mut table = Table::new();
            table.set_implicit(!is_last);
            Item::Table(table)
        };
        let item = at.entry(name).or_insert_with(made);
        at = item
            .as_table_like_mut()
            .ok_or_else(|| not_ours(file, format!("has `{place}`, which is not a table.")))?;
    }
    Ok(at)
}

/// Sets a text. Comments around an existing value stay.
fn set(table: &mut dyn TableLike, key: &str, text: &str) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            let around = old.decor().clone();
            *old = Value::from(text);
            *old.decor_mut() = around;
        }
        None => {
            table.insert(key, value(text));
        }
    }
}

fn add_approver(table: &mut dyn TableLike, id: &str, file: &Path) -> Result<()> {
    let item = table.entry("approvers").or_insert_with(|| value(Array::new()));
    let list = item
        .as_array_mut()
        .ok_or_else(|| not_ours(file, "has `approvers` that are not a list."))?;
    let is_there = |known: &Value| {
        known.as_str() == Some(id)
            || known.as_integer().is_some_and(|number| number.to_string() == id)
    };
    if !list.iter().any(is_there) {
        list.push(id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn keys(approver: Option<&str>) -> Keys {
        let texts = [("bot_token", "123:new"), ("bot_username", "desk_bot")];
        Keys {
            texts: texts.map(|(key, text)| (key.to_owned(), text.to_owned())).to_vec(),
            approver: approver.map(str::to_owned),
        }
    }

    fn changed(before: &str, keys: &Keys) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quintet.toml");
        std::fs::write(&file, before).unwrap();
        Change::make(&file, ChannelKind::Telegram, "main", keys).unwrap().write().unwrap();
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::read_to_string(&file).unwrap()
    }

    #[test]
    fn endpoint_is_added_beside_all_that_is_there() {
        let before = "# my notes\n[budget] # money\ndaily = 5.0   # dollars\n\n[endpoints.slack.T0AAAA111]\nsigning_secret = \"s\"\nbot_token = \"xoxb-1\"\n";
        let after = changed(before, &keys(Some("7")));
        assert!(after.starts_with(before), "{after}");
        let added = after.strip_prefix(before).unwrap().trim();
        assert_eq!(
            added,
            "[endpoints.telegram.main]\nbot_token = \"123:new\"\nbot_username = \"desk_bot\"\napprovers = [\"7\"]"
        );
    }

    #[test]
    fn endpoint_that_is_there_keeps_its_comments_keys_and_approvers() {
        let before = "[endpoints.telegram.main] # the bot\nbot_token = \"123:old\" # from @BotFather\nagent = \"pm\"\napprovers = [\"1\", # me\n]\n";
        let after = changed(before, &keys(Some("7")));
        assert!(after.contains("bot_token = \"123:new\" # from @BotFather"), "{after}");
        assert!(
            after.contains("# the bot")
                && after.contains("agent = \"pm\"")
                && after.contains("# me"),
            "{after}"
        );
        let read: toml::Table = after.parse().unwrap();
        let approvers = &read["endpoints"]["telegram"]["main"]["approvers"];
        assert_eq!(approvers.as_array().unwrap().len(), 2, "{after}");
        assert_eq!(changed(&after, &keys(Some("7"))), after, "a second time changes nothing");
    }

    #[test]
    fn inline_tables_and_dotted_keys_are_taken() {
        for before in [
            "endpoints.telegram.main = { bot_token = \"1:a\" }\n",
            "[endpoints]\ntelegram.main.bot_token = \"1:a\"\n",
        ] {
            let after = changed(before, &keys(None));
            let read: toml::Table = after.parse().unwrap();
            assert_eq!(
                read["endpoints"]["telegram"]["main"]["bot_token"].as_str(),
                Some("123:new"),
                "{after}"
            );
        }
    }

    #[test]
    fn file_of_others_or_with_mistakes_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.toml");
        for (text, says) in [
            ("[package]\nname = \"other\"\n", "package"),
            ("[budget\n", "TOML"),
            ("endpoints = 1\n", "endpoints"),
            ("[endpoints.telegram.main]\napprovers = \"7\"\n", "approvers"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error =
                Change::make(&file, ChannelKind::Telegram, "main", &keys(Some("7"))).err().unwrap();
            assert!(
                error.to_string().contains(says)
                    && error.to_string().contains("Nothing was changed"),
                "{error}"
            );
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn file_that_changes_meanwhile_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quintet.toml");
        let change = Change::make(&file, ChannelKind::Telegram, "main", &keys(None)).unwrap();
        std::fs::write(&file, "# by hand\n").unwrap();
        assert!(change.write().is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "# by hand\n");
        std::fs::remove_file(&file).unwrap();
        change.write().unwrap();
        change.undo().unwrap();
        assert!(!file.exists(), "a file that was made is removed again");
    }
}
