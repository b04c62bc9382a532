//! The `quintet` binary from outside: its process, its command line, its files, and what agents can
//! see.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test equipment: whatever is odd must stop the test"
)]

mod acp;
mod agents;
mod approvals;
mod bed;
mod config;
mod configuration;
mod connecting;
mod conversations;
mod copies;
mod discord;
mod edge;
mod examples;
mod exchange;
mod fake;
mod files;
mod full_disk;
mod gateways;
mod graphs;
mod hardening;
mod http;
mod imports;
mod levers;
mod logs;
mod mail;
mod matrix;
mod mcp;
mod models;
mod own_network;
mod owner;
mod phone;
mod platforms;
mod polling;
mod recorder;
mod reload;
mod repositories;
mod requests;
mod rules;
mod runaways;
mod runs;
mod schedules;
mod secrets;
mod service;
mod setup;
mod shelf;
mod slack;
mod sockets;
mod start;
mod status;
mod strangers;
mod tokens;
mod upgrade;
mod words;
mod workspaces;
