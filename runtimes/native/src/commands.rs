//! The commands. To add one: a variant in `cli.rs` with an example, a file here, a line below.

mod audit;
mod backup;
mod budget;
mod check;
mod config;
mod decide;
mod doctor;
mod endpoints;
mod eval;
mod eval_approvals;
mod events;
mod gateway;
mod gateways;
pub mod graph;
pub mod graph_import;
mod mcp;
mod memory;
mod models;
mod open;
mod parts;
mod route;
mod rules;
mod schedules;
mod send;
mod service;
mod setup;
mod status;
mod suggest;
mod token;
mod tool_rules;
mod upgrade;
mod work;

use self::decide::How;
use crate::cli::{Cli, Command};
use crate::client::Client;
use crate::data_dir::DataDir;
use crate::terminal::say;
use crate::up;
use anyhow::Result;
use clap::CommandFactory;
use platform::edge::Scope;

/// Runs the command.
///
/// # Errors
/// One that `exit::code` maps to an exit code.
pub async fn run(cli: Cli) -> Result<()> {
    let json = cli.global.json;
    let data = || DataDir::locate(cli.global.data.as_deref());
    let server = cli.global.server.as_deref();
    let client = || Client::new(server, &data()?);
    match cli.command {
        Command::Up { config, listen, graph, reading } => {
            up::up(data()?, config.as_deref(), listen, reading.of(graph)).await
        }
        Command::Suggest { graph, reading, accept } => {
            suggest::suggest(&client()?, reading.of(graph.as_deref()), &accept, json).await
        }
        Command::Send { channel, text, wait } => {
            send::send(&client()?, &data()?, channel, &text, wait, json).await
        }
        Command::Route { text, graph, reading, channel } => {
            route::route(text, reading.of(graph.as_deref()), channel, &data()?, json).await
        }
        Command::Eval(asked) => eval_approvals::or_routing(&asked, client, json).await,
        Command::Graph(command) => graph::graph(command, client, data, json).await,
        Command::Approvals { state, command } => {
            decide::approvals(&client()?, command, &state, json).await
        }
        Command::Approve { id, extent, reason } => {
            How::approve(extent, reason).tell(&client()?, &id, json).await
        }
        Command::Reject { id, reason } => How::reject(reason).tell(&client()?, &id, json).await,
        Command::Halt(halt) => decide::halt(&client()?, halt, json).await,
        Command::Resume(resume) => decide::resume(&client()?, resume, json).await,
        Command::Budget { command } => budget::budget(&client()?, command, json).await,
        Command::Config(command) => config::config(command, &data()?, json).await,
        Command::Rules { command } => rules::rules(&client()?, command, json).await,
        Command::Audit { command } => audit::audit(&client()?, command, json).await,
        Command::Events(asked) => events::events(&client()?, asked, json).await,
        Command::Deliver { ids } => events::deliver(&client()?, &ids, json).await,
        Command::Replay { ids } => events::replay(&client()?, &ids, json).await,
        Command::Gateway { control, config, listen } => {
            gateway::gateway(&control, config.as_deref(), listen, &data()?).await
        }
        Command::Gateways { drain, restore } => {
            gateways::gateways(&client()?, drain, restore, json).await
        }
        Command::Endpoints => endpoints::endpoints(&client()?, json).await,
        Command::Schedules { command } => schedules::schedules(&client()?, command, json).await,
        Command::Mcp => mcp::mcp(Client::of(Scope::Agent, server, &data()?)?).await,
        Command::Answer { id, words } => decide::answer(&client()?, &id, &words, json).await,
        Command::Work { command } => work::work(command, json),
        Command::Open => open::open(&client()?, json).await,
        Command::Chat(asked) => memory::chat(&client()?, asked, json).await,
        Command::Memory(command) => memory::memory(&client()?, command, json).await,
        Command::Models(asked) => models::models(asked, &data()?, json),
        Command::Completions { shell } => completions(shell).map(|script| say(&script)),
        Command::Parts { config } => parts::print(&config),
        Command::Setup(args) => setup::setup(data()?, server, args, json).await,
        Command::Token(command) => token::token(command, &data()?, server, json).await,
        Command::Backup { file, encrypt, recipient } => {
            backup::backup(&data()?, &file, backup::lock_of(encrypt, &recipient)?, json)
        }
        Command::Restore { file, identity } => {
            backup::restore(&data()?, &file, identity.as_deref(), json)
        }
        Command::Status => status::status(&data()?, server, json).await,
        Command::Service(command) => service::service(command, &data()?, json),
        Command::Upgrade(asked) => upgrade::upgrade(&asked, &data()?, json).await,
        Command::Check { config } => check::check(&data()?, config.as_deref()),
        Command::Doctor { config } => doctor::doctor(&data()?, config.as_deref(), json).await,
    }
}

/// The script that completes the words of a command line.
fn completions(shell: clap_complete::Shell) -> Result<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "quintet", &mut script);
    Ok(String::from_utf8(script)?)
}
