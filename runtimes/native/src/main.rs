//! `quintet`: the control plane between your chat channels and your AI agents, on one machine.

mod address;
mod away;
mod chats;
mod cli;
mod client;
mod commands;
mod config_file;
mod connect;
mod data_dir;
mod edge;
mod endpoint_file;
mod exit;
mod finding;
mod harden;
mod http_client;
mod identity;
mod kept_model;
mod live;
mod local_endpoints;
mod local_platform;
mod names;
mod offline;
mod owner;
mod ports;
mod programs;
mod reload;
mod server;
mod service;
mod services;
mod stop;
mod storage;
mod supervise;
mod terminal;
mod tokens;
mod up;
mod watch_graph;
mod workspaces;

use clap::Parser;
use cli::Cli;
use commands::graph_import::bounds;
use ports::mail::reader;

fn main() {
    let mut args = std::env::args_os();
    let _ = args.next();
    // The gateway starts agents through this very program: see supervise.rs.
    let word = args.next();
    if word.as_ref().is_some_and(|word| word == supervise::SUBCOMMAND) {
        harden::supervisor();
        std::process::exit(supervise::main(args));
    }
    if word.as_ref().is_some_and(|word| word == bounds::SUBCOMMAND) {
        std::process::exit(bounds::main(args));
    }
    if word.as_ref().is_some_and(|word| word == reader::SUBCOMMAND) {
        std::process::exit(reader::main(args));
    }
    #[cfg(target_os = "linux")]
    if word.is_some_and(|word| word == supervise::init::SUBCOMMAND) {
        harden::supervisor();
        std::process::exit(supervise::init::main(args));
    }
    let hardened = harden::command();
    let cli = Cli::parse();
    start_log();
    if let Err(error) = hardened {
        tracing::warn!(%error, "agents may be able to read this process's environment");
    }
    // Fails only if a provider is already installed, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    std::process::exit(run(cli));
}

fn run(cli: Cli) -> i32 {
    let as_json = cli.global.json;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(commands::run(cli));
            runtime.shutdown_timeout(std::time::Duration::from_millis(500));
            done
        }
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            let plain = || format!("quintet: {error:#}");
            let told = if as_json { exit::as_json(&error).to_string() } else { plain() };
            terminal::remark(&told);
            exit::code(&error)
        }
    }
}

/// Logs structured lines to stderr; `QUINTET_LOG=debug` logs more.
fn start_log() {
    use std::io::IsTerminal;
    let filter = data_dir::variable("QUINTET_LOG").unwrap_or_else(|| "warn".to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.compact().init();
    } else {
        builder.json().init();
    }
}
