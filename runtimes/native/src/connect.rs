//! Connecting an endpoint natively: which lines of the configuration it gets, tried before anything
//! is written. `quintet setup` and the dashboard's page share it.

use crate::config_file;
use crate::endpoint_file::{Change, Keys};
use crate::exit::{No, Unreachable, Usage};
use anyhow::{Context, Result};
use contracts::ChannelKind;
use platform::config::is_safe_url;
use platform::ports::Outbound;
use platform::secret::Secret;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use webhook_aggregator::channels::enrol::{Account, Enrol, Learnt, Trouble};
use webhook_aggregator::channels::{self};

/// The input of a person.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The endpoint's name; by default the one of the same account, else the channel's own.
    pub endpoint: Option<String>,
    /// Address of the platform's API, unless the configuration has another.
    pub api_base: Option<String>,
    /// By their keys in the configuration; the first is the bot's token.
    pub secrets: Vec<(&'static str, Secret)>,
}

/// An endpoint whose credentials were tried.
pub struct Connected {
    pub channel: ChannelKind,
    pub name: String,
    pub learnt: Learnt,
    /// Approvers that the configuration has already.
    pub approvers: Vec<String>,
    /// Whether the endpoint is in the configuration already, with a token.
    pub is_known: bool,
    pub enrol: &'static dyn Enrol,
    given: Given,
    api_base: String,
    file: PathBuf,
    outbound: Arc<dyn Outbound>,
}

/// The channel's way to connect.
///
/// # Errors
/// [`Usage`] for a channel without a platform.
pub fn enrol(channel: ChannelKind) -> Result<&'static dyn Enrol> {
    channels::enrol(channel)
        .ok_or_else(|| Usage(format!("{} needs no set-up.", channel.title())).into())
}

/// A platform's refusal, as an error of a command.
pub fn failed(trouble: Trouble) -> anyhow::Error {
    let Trouble { what, fix, is_away } = trouble;
    let text = format!("{what}.\n{fix}");
    if is_away { Unreachable(text).into() } else { No(text).into() }
}

/// The configured endpoints of a channel, by name.
fn endpoints(tree: &Value, channel: ChannelKind) -> impl Iterator<Item = (&str, &Value)> {
    let tables = tree.get("endpoints").and_then(|all| all.get(channel.as_str()));
    tables
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, table)| (name.as_str(), table))
}

fn text<'a>(table: &'a Value, key: &str) -> Option<&'a str> {
    table.get(key)?.as_str().filter(|text| !text.is_empty())
}

impl Connected {
    /// The configuration file that the endpoint is written to.
    pub fn file(&self) -> &Path {
        &self.file
    }
    /// Tries the secrets, and finds out where they belong in the configuration.
    ///
    /// # Errors
    /// When the platform refuses them or does not answer, or the file cannot take them. Nothing is
    /// written anywhere.
    pub async fn attempt(
        channel: ChannelKind,
        given: Given,
        file: &Path,
        outbound: Arc<dyn Outbound>,
    ) -> Result<Self> {
        let enrol = enrol(channel)?;
        let tree = config_file::read_tree(Some(file).filter(|file| file.exists()))?.value;
        let api_base = api_base(channel, &given, &tree)?;
        let account = account(&given, &api_base, &*outbound)?;
        let learnt = enrol.learn(&account).await.map_err(failed)?;
        drop(account);
        let name = name(channel, enrol, &given, &learnt, &tree)?;
        let known = endpoints(&tree, channel).find(|(known, _)| *known == name);
        let known = known.map(|(_, table)| table);
        let approvers = known.and_then(|table| table.get("approvers")).and_then(Value::as_array);
        let as_text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let connected = Self {
            channel,
            approvers: approvers.into_iter().flatten().map(as_text).collect(),
            is_known: known.is_some_and(|table| text(table, "bot_token").is_some()),
            name,
            learnt,
            enrol,
            given,
            api_base,
            file: file.to_owned(),
            outbound,
        };
        // A file that cannot take it is told before anything is registered.
        connected.change(None)?;
        Ok(connected)
    }
    /// The account, for further requests.
    ///
    /// # Errors
    /// Never, once it was tried.
    pub fn account(&self) -> Result<Account<'_>> {
        account(&self.given, &self.api_base, &*self.outbound)
    }
    /// The change of the configuration, with this approver.
    ///
    /// # Errors
    /// When the file cannot take it; nothing is written.
    pub fn change(&self, approver: Option<&str>) -> Result<Change> {
        let text = |key: &str, text: &str| (key.to_owned(), text.to_owned());
        let mut texts: Vec<(String, String)> =
            self.given.secrets.iter().map(|(key, secret)| text(key, secret.reveal())).collect();
        texts.push(text("mode", self.enrol.mode()));
        texts.extend(self.learnt.keys.iter().map(|(key, value)| text(key, value)));
        let own = channels::channel(self.channel).map_or("", |channel| channel.default_api_base());
        if self.api_base != own {
            texts.push(text("api_base", &self.api_base));
        }
        let keys = Keys { texts, approver: approver.map(str::to_owned) };
        Change::make(&self.file, self.channel, &self.name, &keys)
    }
}

fn account<'a>(given: &Given, api_base: &str, outbound: &'a dyn Outbound) -> Result<Account<'a>> {
    let secret = |name: &str| {
        given.secrets.iter().find(|(key, _)| *key == name).map(|(_, secret)| secret.clone())
    };
    Ok(Account {
        outbound,
        api_base: api_base.to_owned(),
        bot_token: secret("bot_token").context("there is no bot token")?,
        app_token: secret("app_token"),
    })
}

/// Whether a set-up has to ask for the platform's address: nothing names one.
///
/// # Errors
/// When the file cannot be read.
pub fn needs_address(channel: ChannelKind, given: &Given, file: &Path) -> Result<bool> {
    let tree = config_file::read_tree(Some(file).filter(|file| file.exists()))?.value;
    Ok(given.api_base.is_none() && find_address(channel, given, &tree).is_empty())
}

/// The platform's address: given, or of the endpoint, or the channel's own.
fn find_address(channel: ChannelKind, given: &Given, tree: &Value) -> String {
    let of = |name: &str| {
        endpoints(tree, channel)
            .find(|(known, _)| *known == name)
            .and_then(|(_, table)| text(table, "api_base"))
    };
    let only = || {
        let mut all = endpoints(tree, channel).filter_map(|(_, table)| text(table, "api_base"));
        all.next().filter(|first| all.all(|other| other == *first))
    };
    let own = channels::channel(channel).map_or("", |channel| channel.default_api_base());
    let base = given.api_base.as_deref();
    let base = base.or_else(|| of(given.endpoint.as_deref().unwrap_or("main"))).or_else(only);
    base.unwrap_or(own).trim_end_matches('/').to_owned()
}

/// The platform's address, of which it is known that it may be called.
fn api_base(channel: ChannelKind, given: &Given, tree: &Value) -> Result<String> {
    let base = find_address(channel, given, tree);
    let base = base.as_str();
    if is_safe_url(base) {
        return Ok(base.to_owned());
    }
    if base.is_empty() {
        return Err(Usage(format!(
            "{} has many servers, and yours is not named. Give its address: --homeserver https://…",
            channel.title()
        ))
        .into());
    }
    Err(Usage(format!(
        "`api_base` is {base}, which is not an https address. Plain http is for this machine only."
    ))
    .into())
}

/// The endpoint's name: the one given, or the one of this account, or one without a token, or the
/// channel's own, or one after the account.
fn name(
    channel: ChannelKind,
    enrol: &dyn Enrol,
    given: &Given,
    learnt: &Learnt,
    tree: &Value,
) -> Result<String> {
    let all: Vec<(&str, &Value)> = endpoints(tree, channel).collect();
    let account = |name: &str| {
        let table = all.iter().find(|(known, _)| *known == name).map(|(_, table)| *table)?;
        enrol.account_of(name, table)
    };
    if let Some(name) = &given.endpoint {
        return match account(name) {
            Some(other) if other != learnt.account => Err(Usage(format!(
                "[endpoints.{channel}.{name}] belongs to another account ({other}), and the token is \
                 of {} ({}), so nothing was changed. Give a new name with --endpoint, or remove \
                 those lines first.",
                learnt.title, learnt.account
            ))
            .into()),
            _ => Ok(name.clone()),
        };
    }
    let same = all.iter().find(|(name, _)| account(name).as_ref() == Some(&learnt.account));
    let open = || all.iter().find(|(_, table)| text(table, "bot_token").is_none());
    if let Some((name, _)) = same.or_else(open) {
        return Ok((*name).to_owned());
    }
    let is_free = |name: &str| all.iter().all(|(known, _)| *known != name);
    if is_free(&learnt.endpoint) {
        return Ok(learnt.endpoint.clone());
    }
    Ok(format!("{}-{}", learnt.endpoint, learnt.account))
}
