//! The gateway over memory ports, against a control plane of a few lines.

mod bed;
mod http;
mod knowledge;
mod lease;
mod runners;
mod shutdown;
