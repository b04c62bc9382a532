//! A model of short texts: from a message to a probability for each label, and for "none of these".
//!
//! [`features`] hashes text into numbers, [`train`] learns weights from a [`TrainingSet`],
//! [`lexical`] finds a label by what its file says,
//! [`calibrate`] turns scores into probabilities, `stored.rs` keeps a [`Model`] in bytes,
//! [`explain`] names the deciding words, [`evaluate`] measures it on labelled messages. Everything
//! is pure and deterministic: the same training set gives the same bytes natively and on Workers.

pub mod arithmetic;
pub mod calibrate;
mod draft;
pub mod evaluate;
pub mod explain;
pub mod features;
pub mod lexical;
mod model;
mod stored;
pub mod train;
pub mod training_set;
pub mod weights;

pub use calibrate::{HeldOutFigures, Thresholds};
pub use draft::OUT_OF_SCOPE_MIN;
pub use explain::Term;
pub use lexical::{About, Field};
pub use model::{Model, Scored};
pub use stored::ModelError;
pub use training_set::{Example, TooManyAgents, TrainingSet};
pub use weights::Weights;
