//! The aggregator from outside, on memory ports.

mod bed;
mod conduct;
mod control;
mod refusals;
mod vectors;
mod wire;
