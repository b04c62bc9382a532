//! The agents' programs: scripts in memory, some of them missing.

use crate::agent::Agent;
use async_trait::async_trait;
use platform::memory::MemoryPrograms;
use platform::ports::{PortError, PortErrorKind, PortResult, ProgramSpec, Programs, Running};
use std::collections::HashSet;
use std::sync::Mutex;

/// Programs by their agents' names.
#[derive(Default)]
pub struct Shelf {
    programs: MemoryPrograms,
    missing: Mutex<HashSet<String>>,
}

impl Shelf {
    /// Changes the agent's program; a running one continues.
    pub fn put(&self, agent: &Agent) {
        let mut missing = self.missing.lock().unwrap();
        match agent.scripted() {
            Some(script) => {
                missing.remove(&agent.name);
                self.programs.install(&agent.name, script);
            }
            None => {
                missing.insert(agent.name.clone());
            }
        }
    }
    /// How often it was started.
    pub fn starts(&self, agent: &str) -> usize {
        self.programs.started().iter().filter(|spec| spec.program == agent).count()
    }
}

#[async_trait]
impl Programs for Shelf {
    async fn start(&self, spec: ProgramSpec) -> PortResult<Box<dyn Running>> {
        if self.missing.lock().unwrap().contains(&spec.program) {
            return Err(PortError::clean(
                PortErrorKind::Invalid,
                format!("{} was not found", spec.program),
            ));
        }
        self.programs.start(spec).await
    }
    fn exists(&self, program: &str) -> bool {
        !self.missing.lock().unwrap().contains(program) && self.programs.exists(program)
    }
}
