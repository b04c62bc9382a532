//! The memory: facts about the owner, and the recall of what was said.
//!
//! Messages are kept as they are (`chat_message`). `said` finds plain statements in the owner's
//! words, and a model may write down more; both become facts here. A newer fact of the same subject
//! supersedes the older one, and only the owner deletes: `forget` also hides the message that
//! stated it. `recall` finds facts and messages by their words.

mod facts;
mod handlers;
#[cfg(test)]
mod quality;
mod recall;
mod said;
mod words;

pub use facts::{FactRow, Learnt, by_ids, forget, in_force, just_stated, learn, origin};
pub use handlers::{add, edit, list, read, remove};
pub use recall::{Kind, index, recall, unindex_hidden, used, uses};
pub use said::{Said, said};
