//! The agent's requests for a permission, and their answers.

use super::message::{self, CANCELLED};
use super::tools::{self, Calls, Word};
use crate::output::Told;
use crate::text::{clean, clip};
use crate::tool_approvals::ToolApprovals;
use platform::ports::{ToolAnswer, ToolCall};
use serde_json::Value;
use std::collections::VecDeque;

/// Maximum requests that are open at once.
pub(super) const OPEN_MAX: usize = 32;
/// Maximum bytes of a title.
const TITLE_BYTES_MAX: usize = 200;

/// A request.
#[derive(Debug)]
struct Request {
    id: Value,
    params: Value,
    /// The line that people read.
    title: String,
    number: u64,
}

/// The requests of one run.
#[derive(Debug)]
pub(super) struct Permissions {
    approvals: ToolApprovals,
    /// An unused prefix for the ids of questions.
    nonce: String,
    /// The tool calls, as far as they are known.
    pub(super) calls: Calls,
    open: Vec<Request>,
    questions: VecDeque<(u64, ToolCall)>,
    asked: u64,
    replies: Vec<String>,
}

impl Permissions {
    pub(super) fn new(approvals: ToolApprovals, nonce: String) -> Self {
        Self {
            approvals,
            nonce,
            calls: Calls::default(),
            open: Vec::new(),
            questions: VecDeque::new(),
            asked: 0,
            replies: Vec::new(),
        }
    }
    /// The next question for the owner, with its number.
    pub(super) fn question(&mut self) -> Option<(u64, ToolCall)> {
        self.questions.pop_front()
    }
    /// Takes the replies that are due.
    pub(super) fn replies(&mut self) -> Vec<String> {
        std::mem::take(&mut self.replies)
    }
    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= OPEN_MAX
    }
    /// Whether the owner's answer to this question still matters.
    pub(super) fn waits_for(&self, number: u64) -> bool {
        self.open.iter().any(|request| request.number == number)
    }
    /// Takes a request, which is answered or becomes a question; returns a line of progress.
    pub(super) fn request(&mut self, told: &mut Told, id: Value, params: Value) -> Option<String> {
        let call = params.get("toolCall").unwrap_or(&Value::Null);
        self.calls.note(call);
        self.asked += 1;
        let question = format!("{}-{}", self.nonce, self.asked);
        let title = self.calls.title(call).unwrap_or_else(|| "a tool".to_owned());
        let title = clip(&clean(&title), TITLE_BYTES_MAX);
        let asked = self.calls.asked(call, question);
        let request = Request { id, params, title, number: self.asked };
        match (self.approvals, asked) {
            (ToolApprovals::Trust, _) => self.decide(told, &request, Word::Trusted, ""),
            (ToolApprovals::Deny, _) => self.decide(told, &request, Word::Refused, ""),
            (ToolApprovals::Ask, None) => {
                let why = "the call has no description, or more than 64 KiB";
                self.decide(told, &request, Word::Refused, why);
            }
            (ToolApprovals::Ask, Some(_))
                if tools::outcome(&request.params, Word::Once).is_none() =>
            {
                self.decide(told, &request, Word::Refused, "the program offers no “allow once”");
            }
            (ToolApprovals::Ask, Some(call)) => {
                let line = told.work(format!("It asks for permission: {}", request.title));
                self.questions.push_back((request.number, call));
                self.open.push(request);
                return Some(line);
            }
        }
        None
    }
    /// Takes the owner's answer to a question; an error is none.
    pub(super) fn answered(
        &mut self,
        told: &mut Told,
        number: u64,
        answer: Result<ToolAnswer, String>,
    ) {
        let Some(request) = self.take(|request| request.number == number) else { return };
        match answer {
            Ok(ToolAnswer::Allowed) => self.decide(told, &request, Word::Once, ""),
            Ok(ToolAnswer::Refused(why)) => self.decide(told, &request, Word::Refused, &why),
            Err(why) => self.decide(told, &request, Word::Refused, &format!("No answer: {why}")),
        }
    }
    /// The agent withdraws a request.
    pub(super) fn withdrawn(&mut self, id: &Value) {
        let Some(request) = self.take(|request| request.id == *id) else { return };
        self.questions.retain(|(number, _)| *number != request.number);
        self.replies.push(message::refusal(&request.id, CANCELLED, "Withdrawn."));
    }
    /// Answers every open request: the turn is cancelled.
    pub(super) fn cancel(&mut self) {
        self.questions.clear();
        for request in std::mem::take(&mut self.open) {
            self.replies.push(message::reply(&request.id, &tools::cancelled()));
        }
    }
    fn take(&mut self, is_meant: impl Fn(&Request) -> bool) -> Option<Request> {
        let at = self.open.iter().position(is_meant)?;
        Some(self.open.remove(at))
    }
    /// Answers a request. One without an option that fits is answered as cancelled, after which the
    /// agent does not use the tool.
    fn decide(&mut self, told: &mut Told, request: &Request, word: Word, why: &str) {
        let outcome = tools::outcome(&request.params, word);
        let is_refused = word == Word::Refused || outcome.is_none();
        let result = outcome.unwrap_or_else(tools::cancelled);
        self.replies.push(message::reply(&request.id, &result));
        if is_refused {
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            told.deny(format!("{}{why}", request.title));
        }
    }
}
