//! A recorder for outbound requests with scripted responses.

use crate::ports::{
    Outbound, OutboundRequest, OutboundResponse, PortError, PortErrorKind, PortResult,
};
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A recorded request.
#[derive(Clone, Debug)]
pub struct Sent {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

type Script = dyn Fn(&Sent) -> PortResult<OutboundResponse> + Send + Sync;

/// Records requests and answers them.
pub struct MemoryOutbound {
    sent: Mutex<Vec<Sent>>,
    script: Mutex<Arc<Script>>,
    hangs: AtomicBool,
}

impl MemoryOutbound {
    /// Answers every request with the function's result.
    pub fn new(
        script: impl Fn(&Sent) -> PortResult<OutboundResponse> + Send + Sync + 'static,
    ) -> Self {
        let script = Mutex::new(Arc::new(script) as Arc<Script>);
        Self { sent: Mutex::default(), script, hangs: AtomicBool::new(false) }
    }
    /// Changes the answers from now on.
    pub fn answer(
        &self,
        script: impl Fn(&Sent) -> PortResult<OutboundResponse> + Send + Sync + 'static,
    ) {
        *self.script.lock().unwrap() = Arc::new(script);
    }
    /// Answers nothing from now on.
    pub fn hang(&self) {
        self.hangs.store(true, Ordering::Relaxed);
    }
    /// The requests so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
    /// A response with a JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> OutboundResponse {
        OutboundResponse { status, headers: http::HeaderMap::new(), body: body.to_string().into() }
    }
}

#[async_trait]
impl Outbound for MemoryOutbound {
    async fn send_within(
        &self,
        request: OutboundRequest,
        bytes_max: usize,
    ) -> PortResult<OutboundResponse> {
        let sent = Sent {
            method: request.method.to_string(),
            url: request.url,
            headers: request
                .headers
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
        };
        self.sent.lock().unwrap().push(sent.clone());
        if self.hangs.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        let script = self.script.lock().unwrap().clone();
        let answer = script(&sent)?;
        if answer.body.len() > bytes_max {
            let text = "the response is too large";
            return Err(PortError::unknown(PortErrorKind::Invalid, text));
        }
        Ok(answer)
    }
}
