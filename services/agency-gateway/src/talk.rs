//! The input and output of a conversation by the Agent Client Protocol: writes its lines, puts its
//! questions to the owner, and ends its turn.

use crate::acp::{Acp, Work};
use crate::output::Told;
use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, Either, select};
use futures_util::stream::FuturesUnordered;
use platform::ports::{Clock, PortResult, ProgramEvent, Running, ToolAnswer};

/// Time for an agent to say that it speaks the protocol. Its first start may fetch its program.
const START_MS: i64 = 120_000;
/// Time for an agent to end its turn when it is to stop; then its process tree is ended.
const CANCEL_MS: i64 = 1_000;

type Answer = (u64, PortResult<ToolAnswer>);

/// A conversation with a running program.
pub(crate) struct Talk {
    pub(crate) acp: Acp,
    asking: FuturesUnordered<BoxFuture<'static, Answer>>,
    start_by_ms: i64,
    /// Everything of it is frozen: it hears nothing.
    pub(crate) rests: bool,
    /// Its input was closed.
    is_closed: bool,
}

impl Talk {
    pub(crate) fn new(work: Work, running: &dyn Running, clock: &dyn Clock) -> Self {
        Self {
            acp: Acp::new(work, running.surroundings()),
            asking: FuturesUnordered::new(),
            start_by_ms: clock.now_ms() + START_MS,
            rests: false,
            is_closed: false,
        }
    }
    /// When it must have said that it speaks the protocol; none once it has.
    pub(crate) fn start_by_ms(&self) -> Option<i64> {
        (!self.acp.is_spoken()).then_some(self.start_by_ms)
    }
    /// Writes the lines that are due, and begins to ask what is to be asked. Cancel-safe.
    pub(crate) async fn send(&mut self, running: &mut dyn Running) {
        while let Some(line) = self.acp.outgoing() {
            // A program that has ended shows by its end.
            let _ = running.write(line.clone()).await;
            self.acp.written();
        }
        while let Some((number, call)) = self.acp.question() {
            let answer = running.ask(&call);
            self.asking.push(answer.map(move |answer| (number, answer)).boxed());
        }
    }
    /// Closes the input, at which a program ends by itself.
    pub(crate) async fn close(&mut self, running: &mut dyn Running) {
        if !self.is_closed {
            let _ = running.end_input().await;
            self.is_closed = true;
        }
    }
    /// The next answer of the owner. Never returns while nothing is asked.
    pub(crate) async fn answer(&mut self) -> Answer {
        loop {
            match self.asking.next().await {
                Some((number, _)) if !self.acp.waits_for(number) => {}
                Some(answer) => return answer,
                None => std::future::pending().await,
            }
        }
    }
    pub(crate) fn take_answer(&mut self, told: &mut Told, (number, answer): Answer) {
        self.acp.answered(told, number, answer.map_err(|error| error.to_string()));
    }
    /// Has the agent end its turn, and hears its last words. Returns when it has, or after
    /// [`CANCEL_MS`].
    pub(crate) async fn cancel(
        &mut self,
        running: &mut dyn Running,
        told: &mut Told,
        clock: &dyn Clock,
    ) {
        let hears = !self.rests || self.acp.works_elsewhere();
        if !self.acp.is_at_work() || self.acp.is_cancelled() || !hears {
            return;
        }
        if self.rests {
            let _ = running.rest(false).await;
        }
        self.asking.clear();
        self.acp.cancel();
        let until_ms = clock.now_ms() + CANCEL_MS;
        let mut over = clock.sleep_until(until_ms);
        // An agent that never stops talking must not outlive its stop: the time comes first.
        while self.acp.is_at_work() && clock.now_ms() < until_ms {
            self.send(running).await;
            match select(&mut over, running.next()).await {
                Either::Right((ProgramEvent::Line(line), _)) => {
                    self.acp.hear(told, &line);
                }
                Either::Left(_) | Either::Right(_) => return,
            }
        }
    }
}
