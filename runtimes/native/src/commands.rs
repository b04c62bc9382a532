//! The commands. To add one: a variant in `cli.rs` with an example, a file here, a line below.

mod backup;
mod decide;
mod doctor;
mod eval;
mod events;
mod gateway;
mod gateways;
pub mod graph;
mod mcp;
mod open;
mod parts;
mod route;
mod send;
mod setup;
mod suggest;
mod token;
mod work;

use crate::cli::{Cli, Command};
use crate::client::Client;
use crate::data_dir::DataDir;
use crate::up;
use anyhow::Result;
use contracts::approval::Decision;
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
        Command::Up { config, listen, graph } => {
            up::up(data()?, config.as_deref(), listen, graph).await
        }
        Command::Suggest { graph, accept } => {
            suggest::suggest(&client()?, graph.as_deref(), &accept, json).await
        }
        Command::Send { channel, text, wait } => {
            send::send(&client()?, &data()?, channel, &text, wait, json).await
        }
        Command::Route { text, graph, channel } => {
            route::route(text, graph.as_deref(), channel, &data()?, json).await
        }
        Command::Eval { test, train, graph, label_field, seeds, per_label, without_oos } => {
            let plan = text_model::evaluate::Trials {
                seeds,
                per_label: per_label.map(|count| count as usize),
                without_oos,
            };
            eval::eval(
                test.as_deref(),
                train.as_deref(),
                graph.as_deref(),
                &label_field,
                plan,
                json,
            )
        }
        Command::Graph(command) => graph::graph(command, client, json).await,
        Command::Approvals { state } => decide::approvals(&client()?, &state, json).await,
        Command::Approve { id, reason } => {
            decide::decide(&client()?, &id, Decision::Approve, reason, json).await
        }
        Command::Reject { id, reason } => {
            decide::decide(&client()?, &id, Decision::Reject, reason, json).await
        }
        Command::Halt { task, reason } => decide::halt(&client()?, task, reason, json).await,
        Command::Resume { task } => decide::resume(&client()?, task, json).await,
        Command::Budget => decide::budget(&client()?, json).await,
        Command::Events { state, limit } => events::events(&client()?, state, limit, json).await,
        Command::Replay { ids } => events::replay(&client()?, &ids, json).await,
        Command::Gateway { control, config, listen } => {
            gateway::gateway(&control, config.as_deref(), listen, &data()?).await
        }
        Command::Gateways { drain, restore } => {
            gateways::gateways(&client()?, drain, restore, json).await
        }
        Command::Mcp => mcp::mcp(Client::of(Scope::Agent, server, &data()?)?).await,
        Command::Answer { id, words } => decide::answer(&client()?, &id, &words, json).await,
        Command::Work { command } => work::work(command, json),
        Command::Open => open::open(&client()?, json).await,
        Command::Parts { config } => parts::print(&config),
        Command::Setup { channel, endpoint, url, config } => {
            setup::setup(&data()?, channel, endpoint, url, config.as_deref()).await
        }
        Command::Token(command) => token::token(command, &data()?, server, json).await,
        Command::Backup { file, encrypt, recipient } => {
            backup::backup(&data()?, &file, backup::lock_of(encrypt, &recipient)?, json)
        }
        Command::Restore { file, identity } => {
            backup::restore(&data()?, &file, identity.as_deref(), json)
        }
        Command::Doctor { config } => doctor::doctor(&data()?, config.as_deref(), json).await,
    }
}
