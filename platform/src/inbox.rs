//! Under construction.
pub enum Command {} pub enum Reply {}
