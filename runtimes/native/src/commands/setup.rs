//! `quintet setup`: connects a chat in a conversation, or without one; with `--url` registers a
//! webhook with its platform.

mod owner;
pub mod running;
mod secrets;
mod webhook;

use crate::cli::SetupArgs;
use crate::connect::{self, Connected, Given};
use crate::data_dir::DataDir;
use crate::endpoint_file::Change;
use crate::exit::Usage;
use crate::ports::outbound::ReqwestOutbound;
use crate::terminal::{ask_or_end, is_typed, remark, say, say_json};
use crate::up;
use anyhow::Result;
use contracts::ChannelKind;
use platform::text::printable;
use running::Running;
use serde_json::json;
use std::sync::Arc;
use webhook_aggregator::channels::{self, enrol::Weight};

/// Sets up one endpoint.
///
/// # Errors
/// When the platform refuses or does not answer, nobody writes within the wait, or the
/// configuration cannot take it. Then nothing of the endpoint is left in the configuration.
pub async fn setup(
    data: DataDir,
    server: Option<&str>,
    args: SetupArgs,
    as_json: bool,
) -> Result<()> {
    if server.is_some() {
        return Err(Usage(
            "a chat is set up on its server's own machine, in its data directory. Run this there \
             without --server."
                .to_owned(),
        )
        .into());
    }
    let channel = match args.channel {
        Some(channel) => channel,
        None => ask_channel()?,
    };
    let is_given = secrets::are_given(&args);
    let has_account = channels::enrol(channel).is_some();
    if !has_account || args.url.is_some() || !(is_given || is_typed()) {
        let config = args.config.as_deref();
        return webhook::setup(&data, channel, args.endpoint, args.url, config).await;
    }
    Setup::begin(data, channel, args, as_json).await?.run().await
}

fn ask_channel() -> Result<ChannelKind> {
    let chats = || {
        let all = channels::all().map(|(channel, _)| channel);
        all.filter(|channel| channels::enrol(*channel).is_some())
    };
    let names = chats().map(ChannelKind::as_str).collect::<Vec<_>>().join(", ");
    let said = if is_typed() { ask_or_end(&format!("Which chat? ({names}) "))? } else { None };
    let said = said.unwrap_or_default().to_lowercase();
    let found = chats().find(|known| known.as_str() == said);
    found.ok_or_else(|| Usage(format!("name the channel to set up: {names}")).into())
}

/// One set-up, from the token to the first answer.
struct Setup {
    data: DataDir,
    args: SetupArgs,
    as_json: bool,
    running: Option<Running>,
    connected: Connected,
    /// Messages from before do not count.
    since_ms: i64,
}

impl Setup {
    /// Asks for the secrets and tries them.
    async fn begin(
        data: DataDir,
        channel: ChannelKind,
        args: SetupArgs,
        as_json: bool,
    ) -> Result<Self> {
        let since_ms = running::now_ms();
        let running = Running::find(&data).await?;
        let file = match (&args.config, &running) {
            (Some(file), _) => std::path::absolute(file)?,
            (None, Some(running)) => running.file.clone(),
            (None, None) => data.join("quintet.toml"),
        };
        if let Some(running) = running.as_ref().filter(|running| !running.is_same_file(&file)) {
            return Err(Usage(format!(
                "the running server reads {}, not {}, so nothing was changed. Leave --config out, or \
                 stop the server first.",
                running.file.display(),
                file.display()
            ))
            .into());
        }
        let secrets = secrets::read(&args, channel)?;
        let (endpoint, api_base) = (args.endpoint.clone(), args.api_base.clone());
        let mut given = Given { endpoint, api_base, secrets };
        if let Some(question) = connect::enrol(channel)?.asks_address()
            && is_typed()
            && connect::needs_address(channel, &given, &file)?
        {
            given.api_base = ask_or_end(&format!("{question}: "))?;
        }
        remark(&format!("Trying it at {} …", channel.title()));
        let outbound = Arc::new(ReqwestOutbound::new()?);
        let connected = Connected::attempt(channel, given, &file, outbound).await?;
        Ok(Self { data, args, as_json, running, connected, since_ms })
    }
    async fn run(self) -> Result<()> {
        self.tell();
        if self.needs_first_message_through_server() {
            return self.run_through_server().await;
        }
        self.register().await?;
        let approver = self.approver().await?;
        let change = self.write(approver.as_deref()).await?;
        self.end(&change, approver.as_deref());
        if self.running.is_none() && !self.args.no_start && !self.as_json {
            return self.start().await;
        }
        Ok(())
    }
    /// The account, and what is worth knowing about it.
    fn tell(&self) {
        let Connected { learnt, channel, name, .. } = &self.connected;
        remark(&format!(
            "This is {}. It becomes [endpoints.{channel}.{name}].",
            printable(&learnt.title)
        ));
        for note in &learnt.notes {
            let mark = if note.weight == Weight::Fine { "Note" } else { "Attention" };
            remark(&format!(
                "{mark}: {}.{}{}",
                note.what,
                if note.fix.is_empty() { "" } else { " " },
                note.fix
            ));
        }
    }
    async fn register(&self) -> Result<()> {
        let Connected { enrol, learnt, .. } = &self.connected;
        let done = enrol.register(&self.connected.account()?, learnt).await;
        done.map_err(connect::failed)?.iter().for_each(|line| remark(line));
        Ok(())
    }
    /// Writes the configuration, and has a running server take it up; if it does not, the old
    /// configuration is put back.
    async fn write(&self, approver: Option<&str>) -> Result<Change> {
        if self.running.is_none() && self.connected.file().starts_with(self.data.path()) {
            self.data.create()?;
        }
        let change = self.connected.change(approver)?;
        change.write()?;
        let Some(running) = &self.running else { return Ok(change) };
        match running.reload().await {
            Ok(in_force) => {
                if !in_force.needs_restart.is_empty() {
                    let tables = in_force.needs_restart.join(", ");
                    remark(&format!("Your changes of {tables} take a restart of the server."));
                }
                Ok(change)
            }
            Err(error) => {
                change.undo()?;
                Err(error.context(
                    "the running server did not take it, so the configuration is as it was",
                ))
            }
        }
    }
    fn end(&self, change: &Change, approver: Option<&str>) {
        let Connected { channel, name, learnt, approvers, .. } = &self.connected;
        let mut approvers = approvers.clone();
        approvers.extend(
            approver.filter(|id| !approvers.iter().any(|known| known == id)).map(str::to_owned),
        );
        if self.as_json {
            say_json(&json!({
                "channel": channel.as_str(), "endpoint": name, "account": learnt.title, "file": change.file(),
                "approvers": approvers, "running": self.running.is_some(),
            }));
            return;
        }
        let file = change.file().display();
        say(&format!(
            "[endpoints.{channel}.{name}] is in {file}; approvers: {}.",
            approvers.join(", ")
        ));
        if learnt.owner.is_some() {
            say(&format!("Now {}", learnt.first_message));
        }
        if self.running.is_some() {
            say(&format!("The running server uses it now: {} answers.", printable(&learnt.title)));
        } else if self.args.no_start {
            say("Start the server to have it answer: quintet up");
        }
    }
    /// The server, until Ctrl-C.
    async fn start(self) -> Result<()> {
        say("Starting the server. Next time: quintet up\n");
        up::up(self.data, self.args.config.as_deref(), self.args.listen, None).await
    }
}
