//! Scripted programs: the test defines the output and the end of each.

use crate::ports::{
    LeftFile, PortError, PortErrorKind, PortResult, ProgramEvent, ProgramSpec, Programs, Running,
    Surroundings, ToolAnswer, ToolCall, ToolServerAccess,
};
use crate::secret::Secret;
use async_trait::async_trait;
use contracts::task::WorkOrder;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The behaviour of a program.
#[derive(Clone, Debug, Default)]
pub struct ScriptedProgram {
    pub lines: Vec<String>,
    pub exit: Option<i32>,
    pub stderr: String,
    /// Prints its lines, then never ends by itself.
    pub hangs: bool,
    /// Files that it leaves for the chat.
    pub leaves: Vec<LeftFile>,
    /// Its lines about files that could not be handed over.
    pub unsent: Vec<String>,
    /// The lines that it prints for a line of its input; then it ends when its input ends.
    pub replies: Option<fn(&str) -> Vec<String>>,
    /// The lines that it prints for its whole input, before all others.
    pub reads: Option<fn(&str) -> Vec<String>>,
}

/// Programs by name; records starts and stops.
#[derive(Default)]
pub struct MemoryPrograms {
    scripts: Mutex<HashMap<String, ScriptedProgram>>,
    first: Mutex<HashMap<String, ScriptedProgram>>,
    started: Mutex<Vec<ProgramSpec>>,
    stopped: Arc<Mutex<Vec<String>>>,
    rests: Arc<Mutex<Vec<bool>>>,
    written: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<ToolCall>>>,
    answers: Arc<Mutex<VecDeque<ToolAnswer>>>,
    signed_out: Mutex<bool>,
}

impl MemoryPrograms {
    /// Installs a program.
    pub fn install(&self, name: &str, script: ScriptedProgram) {
        self.scripts.lock().unwrap().insert(name.to_owned(), script);
    }
    /// Installs another behaviour for its next start alone.
    pub fn install_once(&self, name: &str, script: ScriptedProgram) {
        self.first.lock().unwrap().insert(name.to_owned(), script);
    }
    /// From now on no program shows a sign-in.
    pub fn sign_out(&self) {
        *self.signed_out.lock().unwrap() = true;
    }
    /// The started programs.
    pub fn started(&self) -> Vec<ProgramSpec> {
        self.started.lock().unwrap().clone()
    }
    /// Tasks whose program was stopped from outside.
    pub fn stopped(&self) -> Vec<String> {
        self.stopped.lock().unwrap().clone()
    }
    /// The lines that were written to open inputs.
    pub fn written(&self) -> Vec<String> {
        self.written.lock().unwrap().clone()
    }
    /// The next question of a program has this answer. One without an answer stays open.
    pub fn answer(&self, answer: ToolAnswer) {
        self.answers.lock().unwrap().push_back(answer);
    }
    /// The tools that the owner was asked about.
    pub fn asked(&self) -> Vec<ToolCall> {
        self.asked.lock().unwrap().clone()
    }
    /// Each freeze (true) and thaw (false), in order.
    pub fn rests(&self) -> Vec<bool> {
        self.rests.lock().unwrap().clone()
    }
}

struct ScriptedRun {
    task: String,
    lines: VecDeque<String>,
    end: Option<ProgramEvent>,
    never: Notify,
    stopped: Arc<Mutex<Vec<String>>>,
    rests: Arc<Mutex<Vec<bool>>>,
    leaves: Vec<LeftFile>,
    unsent: Vec<String>,
    replies: Option<fn(&str) -> Vec<String>>,
    asks: bool,
    written: Arc<Mutex<Vec<String>>>,
    asked: Arc<Mutex<Vec<ToolCall>>>,
    answers: Arc<Mutex<VecDeque<ToolAnswer>>>,
}

#[async_trait]
impl Running for ScriptedRun {
    async fn next(&mut self) -> ProgramEvent {
        if let Some(line) = self.lines.pop_front() {
            return ProgramEvent::Line(line);
        }
        if self.end.is_none() {
            self.never.notified().await;
        }
        self.end.clone().unwrap_or(ProgramEvent::Exited { code: None, stderr: String::new() })
    }
    async fn write(&mut self, text: String) -> PortResult<()> {
        for line in text.lines() {
            self.written.lock().unwrap().push(line.to_owned());
            self.lines.extend(self.replies.map(|replies| replies(line)).unwrap_or_default());
        }
        Ok(())
    }
    async fn end_input(&mut self) -> PortResult<()> {
        if self.replies.is_some() {
            self.end = Some(ProgramEvent::Exited { code: Some(0), stderr: String::new() });
        }
        Ok(())
    }
    fn surroundings(&self) -> Surroundings {
        let tool_server = self.asks.then(|| ToolServerAccess {
            url: "http://127.0.0.1:1/mcp".to_owned(),
            token: Secret::new("run-token"),
        });
        Surroundings { directory: format!("/runs/{}", self.task), tool_server }
    }
    fn ask(&self, call: &ToolCall) -> BoxFuture<'static, PortResult<ToolAnswer>> {
        self.asked.lock().unwrap().push(call.clone());
        match self.answers.lock().unwrap().pop_front() {
            Some(answer) => std::future::ready(Ok(answer)).boxed(),
            None => std::future::pending().boxed(),
        }
    }
    async fn stop(&mut self) -> PortResult<()> {
        self.stopped.lock().unwrap().push(self.task.clone());
        self.end = Some(ProgramEvent::Exited { code: None, stderr: String::new() });
        Ok(())
    }
    async fn left(&mut self) -> Vec<LeftFile> {
        std::mem::take(&mut self.leaves)
    }
    async fn unsent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unsent)
    }
    async fn rest(&mut self, rests: bool) -> PortResult<()> {
        self.rests.lock().unwrap().push(rests);
        Ok(())
    }
}

#[async_trait]
impl Programs for MemoryPrograms {
    async fn start(&self, spec: ProgramSpec) -> PortResult<Box<dyn Running>> {
        let first = self.first.lock().unwrap().remove(&spec.program);
        let script = first.or_else(|| self.scripts.lock().unwrap().get(&spec.program).cloned());
        let script = script.ok_or_else(|| {
            PortError::clean(PortErrorKind::Invalid, format!("{} was not found", spec.program))
        })?;
        self.started.lock().unwrap().push(spec.clone());
        if let Some(log) = &spec.log {
            script.stderr.lines().for_each(|line| log.line(line, 0));
        }
        let mut lines = script.reads.map(|reads| reads(&spec.stdin)).unwrap_or_default();
        lines.extend(script.lines);
        let ends = !script.hangs && script.replies.is_none();
        let end = ends.then(|| ProgramEvent::Exited {
            code: Some(script.exit.unwrap_or(0)),
            stderr: script.stderr.clone(),
        });
        Ok(Box::new(ScriptedRun {
            task: spec.task,
            asks: spec.asks_as.is_some(),
            replies: script.replies,
            leaves: script.leaves,
            unsent: script.unsent,
            written: self.written.clone(),
            asked: self.asked.clone(),
            answers: self.answers.clone(),
            lines: lines.into(),
            end,
            never: Notify::new(),
            stopped: self.stopped.clone(),
            rests: self.rests.clone(),
        }))
    }
    async fn work(&self, order: WorkOrder) -> PortResult<String> {
        Ok(format!("{} of {}", order.action.label(), order.worktree))
    }
    fn sign_of(&self, _: &str, _: &[&str], _: &[&str]) -> Option<String> {
        (!*self.signed_out.lock().unwrap()).then(String::new)
    }
    fn exists(&self, program: &str) -> bool {
        self.scripts.lock().unwrap().contains_key(program)
    }
}
