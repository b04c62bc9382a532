//! An answer as server-sent events: `data: {"delta": …}` for each piece, then `event: done` with
//! the whole answer, or `event: error` with the problem.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use contracts::chat::ChatAnswer;
use event_listener::Event;
use futures_util::future::BoxFuture;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use platform::edge::ApiResult;
use platform::ports::Background;
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

/// Words per chunk of an answer that is there at once.
const PIECE_WORDS: usize = 6;

/// Pieces on their way to the caller.
#[derive(Default)]
struct Pipe {
    pieces: Mutex<(VecDeque<String>, bool)>,
    laid: Event,
}

impl Pipe {
    fn lay(&self, piece: Option<String>) {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        match piece {
            Some(piece) => pieces.0.push_back(piece),
            None => pieces.1 = true,
        }
        drop(pieces);
        self.laid.notify(usize::MAX);
    }
    /// The next piece, and whether it was the last one before.
    fn take(&self) -> (Option<String>, bool) {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        (pieces.0.pop_front(), pieces.1)
    }
    async fn next(&self) -> Option<String> {
        loop {
            let laid = self.laid.listen();
            let (piece, is_over) = self.take();
            if piece.is_some() || is_over {
                return piece;
            }
            laid.await;
        }
    }
}

fn delta(text: &str) -> String {
    format!("data: {}\n\n", json!({"delta": text}))
}

fn done(answer: &ChatAnswer) -> String {
    format!("event: done\ndata: {}\n\n", json!(answer))
}

/// Gets the text of an answer as it comes.
pub type Hear = Box<dyn FnMut(&str) + Send>;

/// The answer of a model as it comes. It is finished, paid and stored also when the caller leaves.
pub fn streamed(
    background: &dyn Background,
    answering: impl FnOnce(Hear) -> BoxFuture<'static, ApiResult<ChatAnswer>>,
) -> Response {
    let pipe = Arc::new(Pipe::default());
    let (into, heard) = (pipe.clone(), pipe.clone());
    let answering = answering(Box::new(move |text: &str| heard.lay(Some(delta(text)))));
    background.spawn(Box::pin(async move {
        into.lay(Some(match answering.await {
            Ok(answer) => done(&answer),
            Err(error) => format!("event: error\ndata: {}\n\n", json!(error.0)),
        }));
        into.lay(None);
    }));
    let pieces = stream::unfold(pipe, |pipe| async move {
        let piece = pipe.next().await?;
        Some((Ok::<_, Infallible>(piece), pipe))
    });
    response(Body::from_stream(pieces))
}

/// An answer that is there at once.
pub fn whole(answer: &ChatAnswer) -> Response {
    let words: Vec<&str> = answer.message.split_inclusive(' ').collect();
    let mut events: Vec<String> =
        words.chunks(PIECE_WORDS).map(|piece| delta(&piece.concat())).collect();
    events.push(done(answer));
    response(Body::from_stream(stream::iter(events.into_iter().map(Ok::<_, Infallible>))))
}

fn response(body: Body) -> Response {
    ([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")], body).into_response()
}
