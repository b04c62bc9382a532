//! The aggregator from outside, on memory ports.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop")]

mod addresses;
mod addressing;
mod attacks;
mod bed;
mod cases;
mod channels;
mod cockpit;
mod conduct;
mod control;
mod discord_gateway;
mod endings;
mod enrolling;
mod failures;
mod files;
mod gateways;
mod homeserver;
mod hooks;
mod long_answers;
mod matrix;
mod matrix_direct;
mod matrix_faults;
mod matrix_gaps;
mod matrix_out;
mod matrix_reactions;
mod matrix_rooms;
mod matrix_sync;
mod money;
mod pointed_at;
mod polling;
mod progress;
mod refusals;
mod rendering;
mod second_ways;
mod sessions;
mod small_talk;
mod socket_mode;
mod stand_ins;
mod stops;
mod taking_back;
mod transactions;
mod vectors;
mod voices;
mod wire;
mod work;
