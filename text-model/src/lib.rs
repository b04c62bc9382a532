//! A model of short texts: from a message to a probability for each label, and for "none of these".
//!
//! [`features`] hashes text into numbers, [`train`] learns weights from a [`TrainingSet`],
//! [`calibrate`] turns scores into probabilities, `stored.rs` keeps a [`Model`] in bytes,
//! [`explain`] names the deciding words, [`evaluate`] measures it on labelled messages. Everything
//! is pure and deterministic: the same training set gives the same bytes natively and on Workers.

pub mod arithmetic;
pub mod calibrate;
pub mod evaluate;
pub mod explain;
pub mod features;
mod model;
mod stored;
pub mod train;
pub mod training_set;
pub mod weights;

pub use calibrate::{HeldOutFigures, Thresholds};
pub use explain::Term;
pub use model::{Model, OUT_OF_SCOPE_MIN, Scored};
pub use stored::ModelError;
pub use training_set::{Example, TrainingSet};
pub use weights::Weights;
