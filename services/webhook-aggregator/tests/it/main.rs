//! The aggregator from outside, on memory ports.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop")]

mod attacks;
mod bed;
mod channels;
mod conduct;
mod control;
mod failures;
mod gateways;
mod matrix;
mod money;
mod refusals;
mod sessions;
mod stand_ins;
mod stops;
mod taking_back;
mod transactions;
mod vectors;
mod wire;
