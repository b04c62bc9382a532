//! A question to a model and its answer, in the words of neither protocol.

use bytes::Bytes;
use serde_json::Value;

/// Something that is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Instructions. They and the tools are the same from call to call, and so are cached.
    pub system: String,
    pub messages: Vec<Message>,
    pub tools: Vec<Tool>,
    /// Maximum tokens of the answer; at most the model's own.
    pub output_max: Option<u64>,
    /// The answer is JSON of this form.
    pub format: Option<Format>,
}

/// The form of an answer.
#[derive(Clone, Debug)]
pub struct Format {
    pub name: &'static str,
    /// A JSON schema.
    pub schema: Value,
}

/// Something that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    pub name: String,
    pub description: String,
    /// The JSON schema of its arguments.
    pub schema: Value,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    User,
    Model,
}

/// One turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub role: Role,
    pub parts: Vec<Part>,
}

impl Message {
    /// A turn of text alone.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self { role, parts: vec![Part::Text(text.into())] }
    }
}

/// A part of a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(String),
    Image(Image),
    /// The model calls a tool. Arguments that are no JSON object are the text as it came.
    Call {
        id: String,
        name: String,
        arguments: Value,
    },
    /// The answer of the tool.
    Result {
        id: String,
        text: String,
        is_error: bool,
    },
    /// A part that only its own server understands, such as a signed thought. It goes back as it
    /// came, and only to that server.
    Sealed(Value),
}

/// A picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// `image/png`.
    pub kind: String,
    pub bytes: Bytes,
}

/// Why a model stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It has said everything.
    End,
    /// It waits for the results of its calls.
    Calls,
    /// The answer is cut at the maximum of its tokens.
    Length,
    /// The conversation is longer than the model can read.
    Context,
    /// It declined to answer.
    Refusal,
    /// Anything else, in the server's word.
    Other(String),
}
