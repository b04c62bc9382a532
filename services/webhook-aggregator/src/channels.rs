//! The channels: one folder each, and nothing about one of them elsewhere in this service.
//!
//! To add one: its line in `contracts/src/channel.rs`, a type here that is a [`Channel`] and a
//! [`LocalPlatform`], and that type's line in [`channel`] and [`local_platform`], where the
//! compiler asks for it. `tests/it/channels.rs` says which of its other parts is missing.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON by name: what is missing reads as null, and what is written to is an object made here"
)]

mod connection;
mod discord;
mod form;
mod local;
mod setup;
mod slack;
mod telegram;

pub use connection::{Ack, Aim, Attempt, Channel, Connection, Inbound, Incoming, Kind, SendResult};
pub use local::{LocalMessage, LocalPlatform, Signed};
pub use setup::Setup;

use connection::{
    NextPart, SEND_TIMEOUT_MS, body_key, by_status, header, next_part, secret, text_at,
};
use contracts::ChannelKind;
use local::first_approver;

/// The channel's own code; `None` for the web console, which has no platform behind it.
pub const fn channel(kind: ChannelKind) -> Option<&'static dyn Channel> {
    match kind {
        ChannelKind::Telegram => Some(&telegram::Telegram),
        ChannelKind::Slack => Some(&slack::Slack),
        ChannelKind::Discord => Some(&discord::Discord),
        ChannelKind::Web => None,
    }
}

/// The platform's side of a channel. Apart from [`channel`], so that a Worker's bundle has none of
/// it.
pub const fn local_platform(kind: ChannelKind) -> Option<&'static dyn LocalPlatform> {
    match kind {
        ChannelKind::Telegram => Some(&telegram::Telegram),
        ChannelKind::Slack => Some(&slack::Slack),
        ChannelKind::Discord => Some(&discord::Discord),
        ChannelKind::Web => None,
    }
}

/// The channels with a platform behind them.
pub fn all() -> impl Iterator<Item = (ChannelKind, &'static dyn Channel)> {
    ChannelKind::ALL.iter().filter_map(|kind| Some((*kind, channel(*kind)?)))
}
