//! The client's side of the Agent Client Protocol (version 1, JSON-RPC over standard input and
//! output) for one run: begin or resume a session, hand over the message, read the turn.
//!
//! It does nothing by itself: it takes the lines of the agent, and has lines to write and questions
//! for the owner. The first thing that is against the protocol ends the run.

mod cost;
mod message;
mod model;
mod permission;
mod tools;
mod update;

use crate::output::{Told, text_at};
use crate::text::{clean, clip};
use crate::tool_approvals::ToolApprovals;
use contracts::Micros;
use contracts::approval::Outcome;
use cost::Cost;
use message::{Failure, Incoming, METHOD_NOT_FOUND};
use permission::{OPEN_MAX, Permissions};
use platform::ports::{Surroundings, ToolAnswer, ToolCall};
use serde_json::{Value, json};
use std::collections::VecDeque;
use update::Message;

/// The version of the protocol that is spoken here.
const VERSION: u64 = 1;
/// Maximum bytes of a line that is shown.
const LINE_SHOWN_MAX: usize = 200;

/// The work of one run.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// The message, below the earlier turns: one block each.
    pub(crate) blocks: Vec<String>,
    /// The message alone, for a session that has the turns.
    pub(crate) message: String,
    /// The session to resume.
    pub(crate) session: Option<Known>,
    pub(crate) model: Option<String>,
    pub(crate) approvals: ToolApprovals,
    /// Whether it is offered our MCP server.
    pub(crate) takes_servers: bool,
    /// Whether the work is done elsewhere: then the end of its processes does not end the work, and
    /// a frozen program is thawed to cancel it.
    pub(crate) works_elsewhere: bool,
    /// An unused prefix for the ids of questions.
    pub(crate) nonce: String,
    /// How its owner signs it in: an imperative sentence.
    pub(crate) sign_in: String,
}

/// A session of an earlier run.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) cost: Option<Micros>,
}

/// The request of ours that is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Initialize,
    Resume,
    New,
    Model,
    Prompt,
}

/// The end of a run that the protocol did not report as the end of its turn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Broken {
    pub(crate) outcome: Outcome,
    /// A sentence that follows the agent's name.
    pub(crate) why: String,
}

/// The conversation with an agent.
#[derive(Debug)]
pub(crate) struct Acp {
    work: Work,
    surroundings: Surroundings,
    step: Option<Step>,
    last_id: u64,
    session: Option<String>,
    capabilities: Value,
    /// The session that was asked for is gone.
    is_afresh: bool,
    /// The message was handed over.
    has_begun: bool,
    is_cancelled: bool,
    broken: Option<Broken>,
    message: Message,
    permissions: Permissions,
    cost: Cost,
    outgoing: VecDeque<String>,
}

impl Acp {
    pub(crate) fn new(work: Work, surroundings: Surroundings) -> Self {
        let known = work.session.as_ref().and_then(|session| session.cost);
        let permissions = Permissions::new(work.approvals, work.nonce.clone());
        let mut acp = Self {
            permissions,
            work,
            surroundings,
            step: None,
            last_id: 0,
            session: None,
            capabilities: Value::Null,
            is_afresh: false,
            has_begun: false,
            is_cancelled: false,
            broken: None,
            message: Message::default(),
            cost: Cost::of_session(known),
            outgoing: VecDeque::new(),
        };
        let info =
            json!({ "name": "quintet", "title": "Quintet", "version": env!("CARGO_PKG_VERSION") });
        let capabilities =
            json!({ "fs": { "readTextFile": false, "writeTextFile": false }, "terminal": false });
        let params = json!({ "protocolVersion": VERSION, "clientCapabilities": capabilities, "clientInfo": info });
        acp.ask(Step::Initialize, "initialize", &params);
        acp
    }
    /// The next line to write; to be removed by [`Self::written`].
    pub(crate) fn outgoing(&self) -> Option<&String> {
        self.outgoing.front()
    }
    pub(crate) fn written(&mut self) {
        self.outgoing.pop_front();
    }
    /// The next question for the owner, with its number.
    pub(crate) fn question(&mut self) -> Option<(u64, ToolCall)> {
        self.permissions.question()
    }
    pub(crate) const fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }
    /// Whether the agent has said that it speaks the protocol.
    pub(crate) fn is_spoken(&self) -> bool {
        self.step != Some(Step::Initialize)
    }
    /// Whether the message was handed over.
    pub(crate) const fn has_begun(&self) -> bool {
        self.has_begun
    }
    /// Whether nothing was done that costs anything.
    pub(crate) fn is_free(&self) -> bool {
        !self.has_begun
    }
    /// Whether the agent was asked to end its turn.
    pub(crate) const fn is_cancelled(&self) -> bool {
        self.is_cancelled
    }
    pub(crate) const fn works_elsewhere(&self) -> bool {
        self.work.works_elsewhere
    }
    /// Whether the turn has started and not ended.
    pub(crate) fn is_at_work(&self) -> bool {
        self.step == Some(Step::Prompt) && self.broken.is_none()
    }
    /// Whether the session that was asked for is gone.
    pub(crate) const fn is_afresh(&self) -> bool {
        self.is_afresh
    }
    /// The cost of the whole session so far.
    pub(crate) fn session_cost(&self) -> Option<Micros> {
        self.cost.total()
    }
    /// Whether the owner's answer to this question still matters.
    pub(crate) fn waits_for(&self, number: u64) -> bool {
        self.permissions.waits_for(number)
    }

    /// Takes a line; returns a line of progress. None of it is taken after the end.
    pub(crate) fn hear(&mut self, told: &mut Told, line: &str) -> Option<String> {
        if self.broken.is_some() || self.step.is_none() {
            return None;
        }
        match Incoming::read(line) {
            Some(Incoming::Reply { id, result }) => self.replied(told, &id, result),
            Some(Incoming::Notification { method, params }) => {
                self.notified(told, &method, &params)
            }
            Some(Incoming::Request { id, method, params }) => {
                self.requested(told, id, &method, params)
            }
            None => {
                let line = clip(clean(line).trim(), LINE_SHOWN_MAX);
                self.against(&format!("not a protocol message: {line}"));
                None
            }
        }
    }
    /// Asks the agent to end its turn, and answers everything that it waits for.
    pub(crate) fn cancel(&mut self) {
        self.is_cancelled = true;
        if let Some(session) = &self.session {
            let params = json!({ "sessionId": session });
            self.outgoing.push_back(message::notification("session/cancel", &params));
        }
        self.permissions.cancel();
        self.outgoing.extend(self.permissions.replies());
    }
    /// Takes the owner's answer to a question; an error is none.
    pub(crate) fn answered(
        &mut self,
        told: &mut Told,
        number: u64,
        answer: Result<ToolAnswer, String>,
    ) {
        self.permissions.answered(told, number, answer);
        self.outgoing.extend(self.permissions.replies());
    }

    fn ask(&mut self, step: Step, method: &str, params: &Value) {
        self.last_id += 1;
        self.step = Some(step);
        self.outgoing.push_back(message::request(self.last_id, method, params));
    }
    fn against(&mut self, how: &str) {
        self.end(
            Outcome::Failed,
            format!("was stopped: it broke the Agent Client Protocol ({how})"),
        );
    }
    fn end(&mut self, outcome: Outcome, why: String) {
        self.step = None;
        self.broken.get_or_insert(Broken { outcome, why });
    }

    fn replied(
        &mut self,
        told: &mut Told,
        id: &Value,
        result: Result<Value, Failure>,
    ) -> Option<String> {
        let step = self.step.filter(|_| id.as_u64() == Some(self.last_id));
        let Some(step) = step else {
            self.against(&format!("a reply to an unknown request, id {id}"));
            return None;
        };
        match (step, result) {
            (_, Err(failure)) if failure.needs_sign_in() => self.needs_sign_in(&failure),
            (Step::Resume, Err(failure)) => {
                tracing::info!(why = failure.words, "a session could not be resumed");
                self.is_afresh = true;
                self.begin_session();
            }
            (Step::Prompt, Err(failure)) => {
                self.step = None;
                if !self.is_cancelled {
                    told.end_with_failure(&failure.words);
                }
            }
            (step, Err(failure)) => {
                let asked = match step {
                    Step::Initialize => "initialize",
                    Step::Model => "choose its model",
                    _ => "begin a session",
                };
                self.end(Outcome::Failed, format!("could not {asked}: {}", failure.words));
            }
            (Step::Initialize, Ok(result)) => self.initialized(result),
            (Step::Resume, Ok(result)) => {
                let id = self.work.session.as_ref().map(|session| session.id.clone());
                self.in_session(told, id.unwrap_or_default(), &result);
            }
            (Step::New, Ok(result)) => {
                match text_at(&result, "/sessionId").filter(|id| !id.is_empty()) {
                    Some(id) => {
                        self.cost.begin();
                        self.in_session(told, id.to_owned(), &result);
                    }
                    None => self.against("a session without an id"),
                }
            }
            (Step::Model, Ok(_)) => self.prompt(),
            (Step::Prompt, Ok(result)) => self.turn_ended(told, &result),
        }
        None
    }
    /// Before it was handed the message it has cost nothing, and another gateway may be signed in.
    /// Afterwards that is its word alone: it may have worked without saying so.
    fn needs_sign_in(&mut self, failure: &Failure) {
        let words =
            if failure.words.is_empty() { String::new() } else { format!(" ({})", failure.words) };
        let fix = &self.work.sign_in;
        let outcome = if self.has_begun { Outcome::Failed } else { Outcome::Unavailable };
        self.end(outcome, format!("is not available: its program is not signed in{words}. {fix}"));
    }
    fn initialized(&mut self, result: Value) {
        let version = result.get("protocolVersion").cloned().unwrap_or_default();
        if version.as_u64() != Some(VERSION) {
            let text = format!(
                "speaks version {version} of the Agent Client Protocol, and Quintet speaks {VERSION}. \
                 Install a version of its program that does too."
            );
            self.end(Outcome::Failed, text);
            return;
        }
        self.capabilities = result.get("agentCapabilities").cloned().unwrap_or_default();
        let method = self.resumes_by();
        match (self.work.session.clone(), method) {
            (Some(session), Some(method)) => {
                let params = json!({
                    "sessionId": session.id,
                    "cwd": self.surroundings.directory,
                    "mcpServers": self.servers(),
                });
                self.ask(Step::Resume, method, &params);
            }
            (session, _) => {
                self.is_afresh = session.is_some();
                self.begin_session();
            }
        }
    }
    /// The method by which it goes on with a session; none when it keeps none.
    fn resumes_by(&self) -> Option<&'static str> {
        if self.capabilities.pointer("/sessionCapabilities/resume").is_some_and(|it| !it.is_null())
        {
            return Some("session/resume");
        }
        let loads = self.capabilities.get("loadSession") == Some(&Value::Bool(true));
        loads.then_some("session/load")
    }
    fn begin_session(&mut self) {
        let params = json!({ "cwd": self.surroundings.directory, "mcpServers": self.servers() });
        self.ask(Step::New, "session/new", &params);
    }
    /// Our own MCP server, for an agent that reaches servers over HTTP.
    fn servers(&self) -> Value {
        let reaches = self.work.takes_servers
            && self.capabilities.pointer("/mcpCapabilities/http") == Some(&Value::Bool(true));
        let Some(server) = self.surroundings.tool_server.as_ref().filter(|_| reaches) else {
            return json!([]);
        };
        let bearer = format!("Bearer {}", server.token.reveal());
        let headers = json!([{ "name": "Authorization", "value": bearer }]);
        json!([{ "type": "http", "name": "quintet", "url": server.url, "headers": headers }])
    }
    fn in_session(&mut self, told: &mut Told, id: String, state: &Value) {
        // One that it cannot go on with is of no use to a later run.
        if self.resumes_by().is_some() {
            told.in_session(&id);
        }
        self.session = Some(id.clone());
        let Some(model) = self.work.model.clone() else {
            self.prompt();
            return;
        };
        match model::choose(&id, &model, state) {
            Ok((method, params)) => self.ask(Step::Model, method, &params),
            Err(why) => self.end(Outcome::Failed, why),
        }
    }
    fn prompt(&mut self) {
        let resumed = self.work.session.is_some() && !self.is_afresh;
        let blocks =
            if resumed { vec![self.work.message.clone()] } else { self.work.blocks.clone() };
        let blocks: Vec<_> =
            blocks.into_iter().map(|text| json!({ "type": "text", "text": text })).collect();
        let params = json!({ "sessionId": self.session, "prompt": blocks });
        self.has_begun = true;
        self.ask(Step::Prompt, "session/prompt", &params);
    }
    fn turn_ended(&mut self, told: &mut Told, result: &Value) {
        self.step = None;
        if let Some(usage) = result.get("usage").filter(|usage| usage.is_object()) {
            told.spend_in_total(cost::tokens(usage), usage);
        }
        let why = match result["stopReason"].as_str() {
            Some("end_turn") => return told.succeed(None),
            Some("max_tokens") => "it reached the maximum of its model's tokens".to_owned(),
            Some("max_turn_requests") => {
                "it reached its maximum of requests to its model".to_owned()
            }
            Some("refusal") => "it refuses to go on with this".to_owned(),
            Some("cancelled") if self.is_cancelled => return,
            Some("cancelled") => "it cancelled its own work".to_owned(),
            other => format!("it stopped with the reason {}", other.unwrap_or("none")),
        };
        told.end_with_failure(&why);
    }

    fn notified(&mut self, told: &mut Told, method: &str, params: &Value) -> Option<String> {
        match method {
            "session/update" => self.updated(told, params),
            "$/cancel_request" => {
                self.permissions.withdrawn(params.get("requestId").unwrap_or(&Value::Null));
                self.outgoing.extend(self.permissions.replies());
                None
            }
            _ => None,
        }
    }
    fn updated(&mut self, told: &mut Told, params: &Value) -> Option<String> {
        let is_ours = match (&self.session, params["sessionId"].as_str(), self.step) {
            (Some(ours), Some(id), _) => ours == id,
            // While a session is loaded, its earlier updates come again.
            (None, Some(id), Some(Step::Resume)) => {
                self.work.session.as_ref().is_some_and(|session| session.id == id)
            }
            _ => false,
        };
        let update = &params["update"];
        if !is_ours {
            return None;
        }
        if update["sessionUpdate"] == "usage_update" {
            if let Some(cost) = self.cost.report(update, self.has_begun) {
                told.costs(cost);
            }
            return None;
        }
        if !self.has_begun {
            return None;
        }
        update::read(told, &mut self.message, &mut self.permissions.calls, update)
    }

    /// A request of the agent, which is answered or asked about.
    fn requested(
        &mut self,
        told: &mut Told,
        id: Value,
        method: &str,
        params: Value,
    ) -> Option<String> {
        if method != "session/request_permission" {
            let text = format!("This client has no method {}.", clip(method, LINE_SHOWN_MAX));
            self.outgoing.push_back(message::refusal(&id, METHOD_NOT_FOUND, &text));
            return None;
        }
        let is_ours =
            self.session.is_some() && text_at(&params, "/sessionId") == self.session.as_deref();
        if !self.is_at_work() || self.is_cancelled || !is_ours {
            self.outgoing.push_back(message::reply(&id, &tools::cancelled()));
            return None;
        }
        if self.permissions.is_full() {
            self.against(&format!("more than {OPEN_MAX} permission requests at once"));
            return None;
        }
        let progress = self.permissions.request(told, id, params);
        self.outgoing.extend(self.permissions.replies());
        progress
    }
}
