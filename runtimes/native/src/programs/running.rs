//! A started program, as its runner sees it.

use super::asking::{self, Asker};
use super::made::Ended;
use super::session::Input;
use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use platform::ports::{
    Changes, LeftFile, PortError, PortErrorKind, PortResult, ProgramEvent, Running, Surroundings,
    ToolAnswer, ToolCall,
};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// A running program. Its session runs in its own task; dropping this drops `stop`, which stops it.
pub(super) struct NativeRun {
    pub(super) events: mpsc::Receiver<ProgramEvent>,
    pub(super) stop: Option<oneshot::Sender<()>>,
    pub(super) rest: watch::Sender<bool>,
    pub(super) end: Option<ProgramEvent>,
    pub(super) ended: Option<oneshot::Receiver<Ended>>,
    /// Its work, once it has ended.
    pub(super) work: Ended,
    pub(super) writes: mpsc::UnboundedSender<Input>,
    pub(super) asker: Option<Arc<Asker>>,
    pub(super) surroundings: Surroundings,
}

#[async_trait]
impl Running for NativeRun {
    async fn next(&mut self) -> ProgramEvent {
        if let Some(end) = &self.end {
            return end.clone();
        }
        match self.events.recv().await {
            Some(line @ ProgramEvent::Line(_)) => line,
            Some(end) => self.end.insert(end).clone(),
            // The session's task ended with its runtime.
            None => {
                self.end.insert(ProgramEvent::Exited { code: None, stderr: String::new() }).clone()
            }
        }
    }
    async fn write(&mut self, text: String) -> PortResult<()> {
        // An ended program has nobody left to read it.
        let _ = self.writes.send(Input::Text(text));
        Ok(())
    }
    async fn end_input(&mut self) -> PortResult<()> {
        let _ = self.writes.send(Input::End);
        Ok(())
    }
    fn surroundings(&self) -> Surroundings {
        self.surroundings.clone()
    }
    fn ask(&self, call: &ToolCall) -> BoxFuture<'static, PortResult<ToolAnswer>> {
        match self.asker.clone() {
            Some(asker) => asking::ask(asker, call.clone()).boxed(),
            None => {
                let why = "the program may not ask its owner";
                let error = PortError::clean(PortErrorKind::Invalid, why);
                std::future::ready(Err(error)).boxed()
            }
        }
    }
    async fn stop(&mut self) -> PortResult<()> {
        drop(self.stop.take());
        // The session sends the end after the whole tree is gone.
        while let Some(event) = self.events.recv().await {
            if !matches!(event, ProgramEvent::Line(_)) {
                self.end = Some(event);
            }
        }
        self.end.get_or_insert(ProgramEvent::Exited { code: None, stderr: String::new() });
        Ok(())
    }
    async fn changes(&mut self) -> Option<Changes> {
        self.await_work().await;
        self.work.changes.take()
    }
    async fn left(&mut self) -> Vec<LeftFile> {
        self.await_work().await;
        std::mem::take(&mut self.work.left.files)
    }
    async fn unsent(&mut self) -> Vec<String> {
        self.await_work().await;
        std::mem::take(&mut self.work.left.unsent)
    }
    async fn rest(&mut self, rests: bool) -> PortResult<()> {
        // An ended program has nobody left to hear it.
        let _ = self.rest.send(rests);
        Ok(())
    }
}

impl NativeRun {
    async fn await_work(&mut self) {
        if let Some(ended) = &mut self.ended {
            // Fails when its task ended with its runtime.
            self.work = ended.await.unwrap_or_default();
            self.ended = None;
        }
    }
}
