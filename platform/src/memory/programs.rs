//! Scripted programs: the test defines the output and the end of each.

use crate::ports::{
    PortError, PortErrorKind, PortResult, ProgramEvent, ProgramSpec, Programs, Running,
};
use async_trait::async_trait;
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
}

/// Programs by name; records starts and stops.
#[derive(Default)]
pub struct MemoryPrograms {
    scripts: Mutex<HashMap<String, ScriptedProgram>>,
    first: Mutex<HashMap<String, ScriptedProgram>>,
    started: Mutex<Vec<ProgramSpec>>,
    stopped: Arc<Mutex<Vec<String>>>,
    rests: Arc<Mutex<Vec<bool>>>,
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
    /// The started programs.
    pub fn started(&self) -> Vec<ProgramSpec> {
        self.started.lock().unwrap().clone()
    }
    /// Tasks whose program was stopped from outside.
    pub fn stopped(&self) -> Vec<String> {
        self.stopped.lock().unwrap().clone()
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
    async fn stop(&mut self) -> PortResult<()> {
        self.stopped.lock().unwrap().push(self.task.clone());
        self.end = Some(ProgramEvent::Exited { code: None, stderr: String::new() });
        Ok(())
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
        let end = (!script.hangs).then(|| ProgramEvent::Exited {
            code: Some(script.exit.unwrap_or(0)),
            stderr: script.stderr.clone(),
        });
        Ok(Box::new(ScriptedRun {
            task: spec.task,
            lines: script.lines.into(),
            end,
            never: Notify::new(),
            stopped: self.stopped.clone(),
            rests: self.rests.clone(),
        }))
    }
    fn exists(&self, program: &str) -> bool {
        self.scripts.lock().unwrap().contains_key(program)
    }
}
