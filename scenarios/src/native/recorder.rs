//! A local server for Telegram's Bot API; it records calls and answers as Telegram does.

use crate::configuration::BOT_TOKEN;
use crate::telegram::Telegram;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The server; it stops when dropped.
pub struct Recorder {
    pub address: String,
    serving: JoinHandle<()>,
}

impl Recorder {
    /// Listens on a free port.
    pub async fn start(telegram: Telegram) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/{bot}/{method}", post(call)).with_state(telegram);
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, serving }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn call(
    State(telegram): State<Telegram>,
    Path((bot, method)): Path<(String, String)>,
    body: String,
) -> (StatusCode, Json<Value>) {
    assert_eq!(bot, format!("bot{BOT_TOKEN}"), "a call with another token");
    let (status, body) = telegram.answer(&method, &serde_json::from_str(&body).unwrap_or_default());
    (StatusCode::from_u16(status).unwrap(), Json(body))
}
