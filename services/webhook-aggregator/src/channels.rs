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
pub mod enrol;
mod form;
mod hook;
mod html;
mod hub;
mod inbound;
mod lenient;
mod link;
mod local;
#[cfg(not(target_family = "wasm"))]
mod mail;
mod mailbox;
mod marks;
mod matrix;
#[cfg(any(test, target_family = "wasm"))]
mod no_mail;
mod protocol;
mod setup;
mod slack;
mod telegram;
mod upload;
mod whatsapp;

pub use connection::{
    Aim, Attempt, Change, Channel, Connection, Fetch, Length, LookUp, Mode, Poll, Polled, Program,
    SendResult,
};
pub use inbound::{Ack, ENCRYPTED, Inbound, Incoming, Kind};
pub use link::Link;
pub use local::{LocalMessage, LocalPlatform, Signed};
pub use mailbox::{Addressed, Mailbox};
pub use protocol::{Action, Input, Line, OPEN_MS, Protocol, Taking};
pub use setup::Setup;

use connection::{
    NextPart, SEND_TIMEOUT_MS, body_key, by_status, header, length, name_of, next_part, secret,
    text_at,
};
use contracts::ChannelKind;
use local::first_approver;

/// The channel's own code; `None` for the web console, which has no platform behind it.
pub const fn channel(kind: ChannelKind) -> Option<&'static dyn Channel> {
    match kind {
        ChannelKind::Telegram => Some(&telegram::Telegram),
        ChannelKind::Slack => Some(&slack::Slack),
        ChannelKind::Discord => Some(&discord::Discord),
        ChannelKind::Matrix => Some(&matrix::Matrix),
        ChannelKind::WhatsApp => Some(&whatsapp::WhatsApp),
        #[cfg(not(target_family = "wasm"))]
        ChannelKind::Mail => Some(&mail::Mail),
        // Its code would be in every Worker's bundle and never run.
        #[cfg(target_family = "wasm")]
        ChannelKind::Mail => Some(&no_mail::NoMail),
        ChannelKind::Hook => Some(&hook::Hook),
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
        ChannelKind::Matrix => Some(&matrix::Matrix),
        ChannelKind::WhatsApp => Some(&whatsapp::WhatsApp),
        #[cfg(not(target_family = "wasm"))]
        ChannelKind::Mail => Some(&mail::Mail),
        #[cfg(target_family = "wasm")]
        ChannelKind::Mail => None,
        ChannelKind::Hook => Some(&hook::Hook),
        ChannelKind::Web => None,
    }
}

/// How a channel's accounts are connected. Apart from [`channel`], as above.
pub const fn enrol(kind: ChannelKind) -> Option<&'static dyn enrol::Enrol> {
    match kind {
        ChannelKind::Telegram => Some(&telegram::Telegram),
        ChannelKind::Slack => Some(&slack::Slack),
        ChannelKind::Discord => Some(&discord::Discord),
        ChannelKind::Matrix => Some(&matrix::Matrix),
        // WhatsApp takes a public address in any case; a program has no account, a secret is all; a
        // mailbox is written into the configuration by hand.
        ChannelKind::WhatsApp | ChannelKind::Mail | ChannelKind::Hook | ChannelKind::Web => None,
    }
}

/// How a channel's configured endpoints are checked. Apart from [`channel`], as above.
pub fn examine(kind: ChannelKind) -> Option<&'static dyn enrol::Examine> {
    match kind {
        ChannelKind::WhatsApp => Some(&whatsapp::WhatsApp),
        _ => enrol(kind).map(|enrol| enrol as &dyn enrol::Examine),
    }
}

/// The channels with a platform behind them.
pub fn all() -> impl Iterator<Item = (ChannelKind, &'static dyn Channel)> {
    ChannelKind::ALL.iter().filter_map(|kind| Some((*kind, channel(*kind)?)))
}
