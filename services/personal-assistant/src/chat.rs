//! `POST /api/chat`: the assistant answers the owner.
//!
//! With a model for it (`thinking`) it answers by that, with the memory and with tools that only
//! look; every call is approved, held and settled. Without one, and whenever the model does not
//! answer, it answers from the skill graph, the state and the memory, and says so. Chat does
//! nothing: "halt" here gets a hint to the halt command. Messages are stored by session.

mod about_memory;
mod answers;
mod intent;
mod live;
mod summary;
mod thinking;

use crate::Deps;
use crate::memory::{self, Learnt};
use crate::think::NoReply;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use contracts::Problem;
use contracts::chat::{ChatAnswer, ChatHistory, ChatLine, ChatQuery, ChatRequest};
use contracts::memory::FactMaker;
use futures_util::FutureExt;
use http::HeaderMap;
use http::header::ACCEPT;
use platform::edge::{ApiError, ApiResult, JsonBody, Query};
use platform::ports::{ClockExt, SqlExt, Statement};
use platform::sql;
use platform::time::rfc3339;
use thinking::{Asked, Begun, Kept, Thought};

/// Maximum characters of a message.
const MESSAGE_CHARS_MAX: usize = 8_000;
const SESSION_CHARS_MAX: usize = 200;
/// Messages of a conversation that are read at once.
const HISTORY_MAX: u32 = 100;

/// The handler: JSON, or server-sent events if the caller accepts them.
pub async fn chat(
    State(deps): State<Deps>,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ChatRequest>,
) -> ApiResult<Response> {
    validate(&request)?;
    let wants_stream = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/event-stream"));
    let turn = Turn { id: format!("msg_{}", deps.clock.ulid()), deps, request };
    let begun = match turn.by_itself().await? {
        Some(thought) => Err(thought),
        None => turn.begin().await?,
    };
    if wants_stream {
        return Ok(match begun {
            Ok(begun) => {
                let background = turn.deps.background.clone();
                live::streamed(&*background, |hear| turn.answered(begun, hear).boxed())
            }
            Err(thought) => live::whole(&turn.kept(thought).await?),
        });
    }
    let thought = match begun {
        Ok(begun) => turn.finish(begun, &mut |_| ()).await?,
        Err(thought) => thought,
    };
    Ok(Json(turn.kept(thought).await?).into_response())
}

/// `GET /api/chat`: a conversation, oldest message first.
pub async fn history(
    State(deps): State<Deps>,
    Query(query): Query<ChatQuery>,
) -> ApiResult<Json<ChatHistory>> {
    let find = sql!(
        "SELECT id, role, content, at FROM chat_message WHERE session = ?1 ORDER BY id DESC LIMIT ?2",
        &query.session_key,
        HISTORY_MAX
    );
    let mut rows: Vec<Kept> = deps.sql.all(find).await?;
    rows.reverse();
    let line = |kept: Kept| ChatLine {
        id: kept.id,
        by_owner: kept.role == "user",
        text: kept.content,
        at: rfc3339(kept.at),
    };
    Ok(Json(ChatHistory { messages: rows.into_iter().map(line).collect() }))
}

fn validate(request: &ChatRequest) -> ApiResult<()> {
    let wrong = |field: &str, max: usize| {
        ApiError::from(Problem::field(
            field,
            format!("`{field}` is empty or has more than {max} characters."),
            format!("Send 1 to {max} characters."),
        ))
    };
    let fits = |text: &str, max: usize| {
        !text.trim().is_empty() && text.chars().count() <= max && !text.contains('\0')
    };
    if !fits(&request.message, MESSAGE_CHARS_MAX) {
        return Err(wrong("message", MESSAGE_CHARS_MAX));
    }
    if !fits(&request.session_key, SESSION_CHARS_MAX) {
        return Err(wrong("sessionKey", SESSION_CHARS_MAX));
    }
    Ok(())
}

/// One message and its answer.
struct Turn {
    deps: Deps,
    request: ChatRequest,
    /// The message's id.
    id: String,
}

impl Turn {
    /// The answer to a message about the memory itself.
    async fn by_itself(&self) -> ApiResult<Option<Thought>> {
        let ChatRequest { session_key, message } = &self.request;
        let told = about_memory::answer(&self.deps, session_key, message).await?;
        let thought = |told: about_memory::Told| Thought {
            text: told.text,
            docs: told.docs,
            is_hidden: true,
            ..Thought::default()
        };
        Ok(told.map(thought))
    }
    /// A turn with a model, or the answer without one.
    async fn begin(&self) -> ApiResult<Result<Begun, Thought>> {
        let asked = Asked {
            session: &self.request.session_key,
            message: &self.request.message,
            id: &self.id,
        };
        Ok(match thinking::begin(&self.deps, &asked).await? {
            Ok(begun) => Ok(begun),
            Err(NoReply::Refused(refused)) => return Err(*refused),
            Err(why) => Err(self.without(&why).await?),
        })
    }
    /// The model's answer; the one without it where the model fails.
    async fn finish(
        &self,
        begun: Begun,
        hear: &mut (dyn FnMut(&str) + Send),
    ) -> ApiResult<Thought> {
        match begun.finish(hear).await? {
            Ok(thought) => Ok(thought),
            Err(why) => {
                tracing::warn!(%why, "the chat is answered without its model");
                self.without(&why).await
            }
        }
    }
    /// The model's answer, stored.
    async fn answered(self, begun: Begun, mut hear: live::Hear) -> ApiResult<ChatAnswer> {
        let thought = self.finish(begun, &mut *hear).await?;
        self.kept(thought).await
    }
    async fn without(&self, why: &NoReply) -> ApiResult<Thought> {
        let honestly = match why {
            NoReply::NoModel => {
                "I answer from the skill graph and the state; no model is configured.".to_owned()
            }
            why => format!("I answer from the skill graph and the state, because {why}."),
        };
        let ChatRequest { session_key, message } = &self.request;
        let noted = memory::said(message);
        let told = if noted.is_empty() {
            about_memory::known(&self.deps, message).await?
        } else {
            let texts: Vec<String> = noted.iter().map(|said| format!("“{}”", said.text)).collect();
            let text = format!("I have noted: {}.", texts.join(", "));
            Some(about_memory::Told { text, docs: Vec::new() })
        };
        let (mut text, docs) = match told {
            Some(told) => (told.text, told.docs),
            None => (answers::answer(&self.deps, session_key, message).await?, Vec::new()),
        };
        text = format!("{text}\n\n{honestly}");
        Ok(Thought { text, docs, ..Thought::default() })
    }

    /// Stores question, answer and facts, or none of them.
    async fn kept(&self, thought: Thought) -> ApiResult<ChatAnswer> {
        let Self { deps, request, id } = self;
        // The answer's id sorts directly after the question's.
        let answer = format!("{id}~");
        let mut batch: Vec<Statement> = Vec::new();
        // One that was forgotten while the model thought is not told again by its answer.
        let shown = serde_json::Value::from(thought.docs.clone()).to_string();
        let rows = [(id, "user", request.message.as_str()), (&answer, "assistant", &thought.text)];
        for (id, role, content) in rows {
            batch.push(sql!(
                "INSERT INTO chat_message (id, session, role, content, at, hidden)
                 SELECT ?1, ?2, ?3, ?4, ?5, MAX(?6, EXISTS (
                   SELECT 1 FROM json_each(?7) d WHERE d.value LIKE 'mem%' AND NOT EXISTS (SELECT 1 FROM memory_fact f WHERE f.id = d.value)))",
                id,
                &request.session_key,
                role,
                content,
                deps.clock.now_ms(),
                i64::from(thought.is_hidden),
                &shown
            ));
            batch.extend(memory::index(id, content));
        }
        let mut docs = thought.docs.clone();
        let by_words = memory::said(&request.message).into_iter().map(|said| Learnt {
            said,
            by: FactMaker::Words,
            source: Some(id.as_str()),
            pinned: false,
            replaces: None,
        });
        for learnt in by_words.chain(thinking::learnt(&thought, id)) {
            let (fact, statements) = memory::learn(deps, &learnt);
            batch.extend(statements);
            docs.push(fact);
        }
        batch.push(memory::used(&answer, &docs));
        batch.extend(memory::unindex_hidden());
        deps.sql.batch(batch).await?;
        summary::soon(deps, &request.session_key);
        Ok(ChatAnswer {
            message: thought.text,
            session_key: request.session_key.clone(),
            usage: thought.usage,
            cost: thought.cost,
        })
    }
}
