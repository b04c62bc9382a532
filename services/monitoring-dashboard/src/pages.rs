//! The owner's pages, rendered on the server. maud escapes all text from chats, files and models;
//! nothing is marked as safe by hand.

pub mod agents;
pub mod api;
pub mod approval_card;
pub mod approvals;
pub mod budget;
pub mod chats;
pub mod console;
pub mod dashboard;
pub mod door;
pub mod event;
pub mod events;
pub mod files;
mod first_steps;
pub mod graph;
mod graph_drawing;
pub mod halt;
pub mod health;
pub mod layout;
pub mod menu;
pub mod prose;
pub mod refusal;
pub mod schedules;
pub mod sign_in;
pub mod signs;
pub mod track;
