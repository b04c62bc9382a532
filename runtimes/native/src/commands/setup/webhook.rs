//! An endpoint of the configuration: its webhook registered with the platform, or the steps.

use crate::config_file;
use crate::data_dir::DataDir;
use crate::exit::{No, Unreachable, Usage, Wrong};
use crate::ports::outbound::ReqwestOutbound;
use crate::terminal::say;
use anyhow::Result;
use contracts::ChannelKind;
use platform::config::Report;
use platform::ports::Outbound;
use std::path::Path;
use webhook_aggregator::channels::{self, Connection, Setup};
use webhook_aggregator::config::Config;

/// Sets up one endpoint.
///
/// # Errors
/// When the endpoint does not exist, or the platform refuses.
pub(super) async fn setup(
    data: &DataDir,
    channel: ChannelKind,
    name: Option<String>,
    url: Option<String>,
    config: Option<&Path>,
) -> Result<()> {
    let configuration = read(data, config)?;
    let found = configuration
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.channel == channel)
        .find(|endpoint| name.as_ref().is_none_or(|name| &endpoint.name == name))
        .and_then(|endpoint| Some((endpoint.connection.as_ref()?, &endpoint.name)));
    let Some((connection, name)) = found else {
        let lines = channels::channel(channel).map_or("", |channel| channel.example());
        let file = data.join("quintet.toml");
        let file = file.display();
        let Some(enrol) = channels::enrol(channel) else {
            say(&format!("Add to {file}:\n\n{lines}\n"));
            return Err(No(format!("the configuration has no such {channel} endpoint yet.")).into());
        };
        say(&format!(
            "{}\n\nThen run this in a terminal, which asks for the token, or hand it over:\n\n  \
             quintet setup {channel} --token-stdin\n\nOr add to {file}:\n\n{lines}\n",
            enrol.guide(None)
        ));
        return Err(No(format!(
            "the configuration has no such {channel} endpoint yet, and no token was given."
        ))
        .into());
    };
    let public = url.as_deref().map(|url| url.trim_end_matches('/'));
    register(channel, connection.as_ref(), &channel.webhook_path(name), public).await
}

fn read(data: &DataDir, config: Option<&Path>) -> Result<Config> {
    let file = config_file::path(config, data);
    let tree = config_file::read_tree(file.as_deref())?;
    let report = Report::default();
    let configuration = Config::read(&tree.value, &report);
    let problems = report.into_problems();
    if problems.is_empty() { Ok(configuration) } else { Err(Wrong(problems).into()) }
}

async fn register(
    channel: ChannelKind,
    connection: &dyn Connection,
    path: &str,
    public: Option<&str>,
) -> Result<()> {
    match connection.set_up(path, public) {
        Setup::Steps(steps) => say(&steps),
        Setup::Refused(reason) => return Err(Usage(reason).into()),
        Setup::Request { request, agrees, done } => {
            let answer = ReqwestOutbound::new()?.send(*request).await.map_err(|e| {
                Unreachable(format!("{} does not answer: {}", channel.title(), e.detail))
            })?;
            agrees(&answer).map_err(No)?;
            say(&done);
        }
    }
    Ok(())
}
