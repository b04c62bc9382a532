//! A webhook comes in: limits, proof, reading, durable accept, and only then the channel's own
//! acknowledgement.

use crate::channels::{Ack, Connection, Inbound, Incoming, Kind};
use crate::config::{Endpoint, Standing};
use crate::control::ControlCommand;
use crate::pointed::{Forwarded, marked};
use crate::{Deps, control, files, look_up, pointed, press, pump, reaction, undelivered, wordless};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use contracts::calls::personal_assistant as assistant;
use contracts::event::{Speaker, Stage, UNKNOWN_SENDER};
use contracts::halt::HaltRequest;
use contracts::outbox::Target;
use contracts::{ChannelKind, ConversationId, ErrorCode, Problem};
use inbox::{
    Accepted, Draft, EventOrigin, InboxExt, Limit, NewEvent, NewSaid, OfferedFile, Press, SENDER,
    STRANGER, line_id, sender_key,
};
use platform::edge::{ApiError, ApiResult, FromLoopback, read_body};
use platform::ports::PortError;
use serde_json::json;
use std::collections::HashMap;

/// A message is kept up to this many characters; what is longer ends with an ellipsis.
const TEXT_CHARS_MAX: usize = 16_000;
/// A command or a press that its platform dates more than a year back is not obeyed. Platforms keep
/// an update for a day, so nobody has just sent it. A shorter limit would have to trust the clocks
/// of both sides.
const COMMAND_AGE_MS_MAX: i64 = 365 * 24 * 3_600_000;
/// Said at once of a message that came during a run; its answer replaces it.
pub(crate) const WAITS: &str =
    "I am still working on an earlier message here; yours is next. Write “stop” to end that run.";
/// Messages a minute that are recorded from one stranger, and from all strangers of an endpoint.
/// A message above that is acknowledged and leaves no row.
const STRANGER_PER_MINUTE: u32 = 5;
const STRANGERS_PER_MINUTE: u32 = 60;
/// Maximum files of one message that are looked at, with those that are then refused.
const FILES_MAX: usize = 32;
/// Said to a sender over the rate limit.
const LIMITED: &str = "You are sending messages too fast. Please wait a minute; messages sent until then are not processed.";
/// Said at once to a person who is not heard, where the platform would show that we are thinking.
const NOT_HEARD: &str = "This is not available to you. The owner decides who may use it.";
/// Maximum bytes kept of an unreadable body.
const RAW_BYTES_MAX: usize = 64 << 10;

/// `POST /<channel>/{endpoint}`, for every channel with webhooks.
pub(crate) async fn webhook(
    kind: ChannelKind,
    State(deps): State<Deps>,
    Path(name): Path<String>,
    request: Request,
) -> ApiResult<Response> {
    let (endpoint, connection) = find(&deps, kind, &name, request.extensions())?;
    refuse_compressed(request.headers())?;
    let (parts, body) = request.into_parts();
    let headers = parts.headers.clone();
    let bytes_max = connection.body_bytes_max(&headers);
    let body = read_body(Request::from_parts(parts, body), bytes_max).await?;
    let now_ms = deps.clock.now_ms();
    if !connection.verify(&headers, &body, now_ms) {
        return Err(ApiError::new(
            ErrorCode::BadSignature,
            "The request is not signed with this endpoint's secret.",
        ));
    }
    let received = receive(&deps, endpoint, connection, &headers, &body).await?;
    let ack = received.ack.clone();
    received.begin(&deps);
    Ok(acknowledge(&ack))
}

/// The endpoint of a webhook with its platform. One of this machine is found from it alone.
pub(crate) fn find<'a>(
    deps: &'a Deps,
    kind: ChannelKind,
    name: &str,
    extensions: &http::Extensions,
) -> ApiResult<(&'a Endpoint, &'a dyn Connection)> {
    let near = extensions.get::<FromLoopback>().is_some();
    let endpoint = deps.config.endpoint(kind.as_str(), name);
    let found = endpoint
        .filter(|endpoint| !endpoint.local || near)
        .and_then(|endpoint| Some((endpoint, endpoint.connection.as_deref()?)));
    found.ok_or_else(|| {
        let detail = format!("There is no {kind} endpoint of this name.");
        ApiError::new(ErrorCode::NotFound, detail)
    })
}

/// The same at a path that the platform itself puts behind the webhook's.
pub(crate) async fn webhook_below(
    kind: ChannelKind,
    state: State<Deps>,
    Path(parts): Path<HashMap<String, String>>,
    request: Request,
) -> ApiResult<Response> {
    let name = parts.get("endpoint").cloned().unwrap_or_default();
    webhook(kind, state, Path(name), request).await
}

/// No platform compresses what it signs. Such a body would be acknowledged and never read.
fn refuse_compressed(headers: &http::HeaderMap) -> ApiResult<()> {
    let encoding = headers.get(http::header::CONTENT_ENCODING);
    if encoding.is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    let detail = "Webhooks with a Content-Encoding are not read; nothing was stored.";
    Err(ApiError::new(ErrorCode::UnsupportedEncoding, detail))
}

/// Accepts a message that its platform handed over when it was asked.
pub(crate) async fn take(
    deps: &Deps,
    endpoint: &Endpoint,
    connection: &dyn Connection,
    body: &[u8],
) -> ApiResult<()> {
    receive(deps, endpoint, connection, &http::HeaderMap::new(), body).await?.begin(deps);
    Ok(())
}

/// An authentic body, read and stored.
pub(crate) struct Received {
    /// The acknowledgement for the platform.
    pub(crate) ack: Ack,
    /// Its messages; none where there was nothing to store.
    stored: Vec<Stored>,
}

impl Received {
    /// Nothing to store.
    pub(crate) const fn nothing(ack: Ack) -> Self {
        Self { ack, stored: Vec::new() }
    }
    /// Begins the work on it, once it is acknowledged. The inbox's timer does so in any case.
    pub(crate) fn begin(self, deps: &Deps) {
        self.stored.into_iter().for_each(|stored| stored.begin(deps));
    }
}

/// Reads an authentic body and stores its messages. If one of several cannot be stored, none is
/// acknowledged: those that are stored already are known by their keys when it comes again.
pub(crate) async fn receive(
    deps: &Deps,
    endpoint: &Endpoint,
    connection: &dyn Connection,
    headers: &http::HeaderMap,
    body: &[u8],
) -> ApiResult<Received> {
    look_up::look_up(deps, connection, body).await?;
    match connection.read(headers, body, deps.clock.now_ms()) {
        Incoming::Handshake(ack) => Ok(Received::nothing(ack)),
        Incoming::Event(inbound) => store(deps, endpoint, *inbound, body).await,
        Incoming::Events(ack, inbounds) => {
            let mut stored = Vec::with_capacity(inbounds.len());
            for (inbound, piece) in inbounds {
                stored.extend(store(deps, endpoint, inbound, &piece).await?.stored);
            }
            Ok(Received { ack, stored })
        }
    }
}

/// A stored message on which no work has begun.
struct Stored {
    accepted: Accepted,
    conversation: ConversationId,
}

impl Stored {
    fn begin(self, deps: &Deps) {
        if !self.accepted.duplicate {
            started(deps, &self.accepted, self.conversation.as_str());
        }
    }
}

/// Stores a message, in one transaction.
pub(crate) async fn store(
    deps: &Deps,
    endpoint: &Endpoint,
    inbound: Inbound,
    body: &[u8],
) -> ApiResult<Received> {
    if let Kind::Undelivered { message, why } = &inbound.kind {
        let named = (inbound.target.chat.as_str(), message.as_str());
        undelivered::note(deps, endpoint, named, why).await.map_err(cannot_store)?;
        return Ok(Received::nothing(inbound.ack));
    }
    let inbound = reaction::resolved(deps, endpoint, inbound).await.map_err(cannot_store)?;
    let (ack, unheard) = (inbound.ack.clone(), inbound.unheard);
    let mut inbound = inbound;
    let further = inbound.attachments.len().saturating_sub(FILES_MAX);
    if further > 0 {
        inbound.attached.push(format!("{further} more files, which are too many"));
    }
    let came = inbound.attached.clone();
    let event = new_event(deps, endpoint, inbound, body);
    // Where the acknowledgement itself says something, that is enough.
    let notice = wordless::notice(&event, &came, deps.clock.now_ms());
    let notice = notice.filter(|_| unheard.is_none());
    let conversation = event.conversation.clone();
    let shard = endpoint.shard();
    let order = halt_order(&event);
    let is_known = event.state == Stage::Received;
    let mut accepted = deps.inbox.ask(&shard, pump::accept(event.clone())).await;
    if let (Err(error), Some(order)) = (&accepted, order) {
        // A halt must not wait for storage. It frees space, so the message may fit now.
        tracing::error!(%error, "a halt could not be stored; it is passed on at once");
        let passed = deps.calls.ask::<assistant::Halt>(&(), &order).await;
        if let Err(error) = passed {
            tracing::error!(%error, "the halt was not taken");
        }
        accepted = deps.inbox.ask(&shard, pump::accept(event)).await;
    }
    let accepted = accepted.map_err(cannot_store)?;
    if let Some(notice) = notice.filter(|_| !accepted.duplicate) {
        let notice = Draft { event_id: Some(accepted.event.clone()), ..notice };
        wordless::tell(deps, &shard, notice).await;
    }
    let is_heard = !matches!(accepted.state, Stage::Ignored | Stage::Quarantined);
    let why = if is_known { LIMITED } else { NOT_HEARD };
    let mut ack = unheard.filter(|_| !is_heard).map_or(ack, |says| says(why));
    if ack.with_event {
        ack.body = Some(json!({ "eventId": accepted.event }));
    }
    Ok(Received { ack, stored: vec![Stored { accepted, conversation }] })
}

/// The halt that an approver typed, if the event is one.
fn halt_order(event: &NewEvent) -> Option<HaltRequest> {
    let meant = event.control && event.origin.approver && event.state == Stage::Received;
    match control::parse(&event.text).filter(|_| meant)? {
        ControlCommand::Halt(task) => Some(press::halt_request(task, event.origin.actor.clone())),
        _ => None,
    }
}

/// After the commit: notifies readers of the conversation and starts the event without waiting for
/// a timer.
pub(crate) fn started(deps: &Deps, accepted: &Accepted, conversation: &str) {
    tracing::info!("event.id" = %accepted.event, state = accepted.state.as_str(), "accepted");
    deps.notify_conversation(conversation);
    pump::begin(deps, accepted);
}

/// Nothing was stored: the platform must keep the message and come again, whatever the storage
/// said.
pub(crate) fn cannot_store(error: PortError) -> ApiError {
    tracing::error!(error = %error, "an event could not be stored");
    Problem::new(ErrorCode::Unavailable, "The message could not be stored; it was not accepted.")
        .with("retryAfter", 5)
        .with_fix("Send it again after Retry-After; check the disk of the server.")
        .into()
}

fn new_event(deps: &Deps, endpoint: &Endpoint, inbound: Inbound, body: &[u8]) -> NewEvent {
    let target = whole_target(endpoint, inbound.target);
    let parts = std::iter::once(endpoint.channel.as_str())
        .chain([endpoint.name.as_str()])
        .chain(inbound.conversation.iter().map(String::as_str));
    let conversation = ConversationId::new(parts.collect::<Vec<_>>().join(":"));
    let actor = inbound
        .sender
        .as_ref()
        .map(|user| format!("{}:{}:{user}", endpoint.channel, endpoint.name));
    let standing =
        inbound.sender.as_deref().map_or(Standing::Stranger, |user| endpoint.standing(user));
    let approver = inbound.sender.as_deref().is_some_and(|user| endpoint.is_approver(user));
    let mut event = NewEvent {
        channel: endpoint.channel.to_string(),
        endpoint: endpoint.name.clone(),
        dedupe_key: inbound.dedupe_key,
        semantic_key: inbound.semantic_key,
        conversation,
        control: false,
        sender: inbound.sender.clone(),
        text: String::new(),
        origin: EventOrigin {
            target,
            actor,
            approver,
            reply: inbound.is_reply,
            late: inbound
                .sent_ms
                .is_some_and(|sent| deps.clock.now_ms().saturating_sub(sent) > COMMAND_AGE_MS_MAX),
            replies_to: inbound.replies_to,
            name: inbound.sender_name.filter(|_| approver),
            in_group: inbound.in_group,
            album: inbound.album.map(|album| album.chars().take(100).collect()),
            message: inbound.message,
            context: pointed::context(inbound.quoted.as_ref(), &inbound.attached),
            ..EventOrigin::default()
        },
        raw: None,
        state: Stage::Received,
        reason: None,
        limits: Vec::new(),
        limit_notice: None,
        overheard: false,
        is_stop_word: false,
        waits_notice: None,
        moved: inbound.moved,
        edits: inbound.edits,
        said: Vec::new(),
        unrecorded_over_limit: false,
    };
    // A body that nobody could read may be a known person's: it is always kept.
    let is_readable = !matches!(inbound.kind, Kind::Quarantined(_));
    event.origin.public_only = standing != Standing::Known && is_readable;
    if standing == Standing::Stranger && is_readable {
        limit_stranger(endpoint, &mut event);
    }
    let kind = inbound.kind;
    let by = inbound.forwarded_by;
    // A file of another person is marked like the words of one.
    let passed_on = inbound.attachments.iter().any(|file| file.passed_on);
    let words = inbound.forwarded.or_else(|| passed_on.then(|| "a file".to_owned()));
    let forwarded = words.map(|words| Forwarded { words, by });
    let attachments = inbound.attachments;
    if let Kind::Quarantined(_) = kind {
        let kept = body.get(..RAW_BYTES_MAX).unwrap_or(body);
        event.raw = Some(String::from_utf8_lossy(kept).into_owned());
    }
    fill(deps, endpoint, &mut event, kind, (forwarded, attachments), standing);
    event
}

/// The address of the answer; it is in the endpoint itself unless it names another.
fn whole_target(endpoint: &Endpoint, target: Target) -> Target {
    if !target.channel.is_empty() {
        return target;
    }
    let (channel, name) = (endpoint.channel.to_string(), endpoint.name.clone());
    Target { channel, endpoint: name, ..target }
}

/// Adds what the person did.
fn fill(
    deps: &Deps,
    endpoint: &Endpoint,
    event: &mut NewEvent,
    kind: Kind,
    (forwarded, attachments): (Option<Forwarded>, Vec<OfferedFile>),
    standing: Standing,
) {
    match kind {
        Kind::Ignored(reason) => ignore(event, Stage::Ignored, reason),
        // Resolved before, where it is a press.
        Kind::Reaction { .. } => ignore(event, Stage::Ignored, reaction::NO_BUTTON),
        Kind::Word { .. } => ignore(event, Stage::Ignored, reaction::CLOSED),
        // Noted before: it is no message.
        Kind::Undelivered { .. } => ignore(event, Stage::Ignored, "not_a_message"),
        Kind::Quarantined(reason) => ignore(event, Stage::Quarantined, reason),
        Kind::Press { token, callback } => {
            event.control = true;
            "button".clone_into(&mut event.text);
            event.origin.press = Some(Press { token, callback });
        }
        Kind::Message { text } => {
            let typed = forwarded.is_none();
            content(deps, endpoint, event, Said { text, typed, forwarded, attachments }, standing);
        }
        Kind::Posted { text } => {
            event.origin.posted = true;
            let said = Said { text, typed: false, forwarded: None, attachments };
            content(deps, endpoint, event, said, standing);
            // A program reads neither.
            event.waits_notice = None;
            event.limit_notice = None;
        }
        Kind::Overheard { text } => {
            let typed = forwarded.is_none();
            content(deps, endpoint, event, Said { text, typed, forwarded, attachments }, standing);
            event.overheard = true;
            if event.state != Stage::Received {
                event.text.clear();
            }
        }
    }
}

fn ignore(event: &mut NewEvent, state: Stage, reason: &str) {
    event.state = state;
    event.reason = Some(reason.to_owned());
    event.semantic_key = None;
}

/// Strangers have counts of their own, so that they take no room from those who are heard.
fn limit_stranger(endpoint: &Endpoint, event: &mut NewEvent) {
    let sender = event.sender.as_deref().unwrap_or_default();
    let (channel, name) = (endpoint.channel, &endpoint.name);
    let limit = |key, per_minute| Limit { key, per_minute };
    event.limits = vec![
        limit(sender_key(STRANGER, channel.as_str(), name, sender), STRANGER_PER_MINUTE),
        limit(format!("strangers:{channel}:{name}"), STRANGERS_PER_MINUTE),
    ];
    event.unrecorded_over_limit = true;
}

/// The words of a message: the sender's own, and those that he passes on.
struct Said {
    text: String,
    /// A person typed it here and now. Nothing else is a command.
    typed: bool,
    forwarded: Option<Forwarded>,
    attachments: Vec<OfferedFile>,
}

/// Limits the length of a file's name, type and address.
fn bound(file: &mut OfferedFile) {
    let cut = |text: &str, max| text.chars().take(max).collect();
    file.name = cut(&file.name, 300);
    file.kind = file.kind.as_ref().map(|kind| cut(kind, 100));
    file.source = cut(&file.source, 2_000);
}

fn content(deps: &Deps, endpoint: &Endpoint, event: &mut NewEvent, said: Said, standing: Standing) {
    let typed = said.typed;
    let mut attachments = said.attachments;
    let own = said.text.trim().to_owned();
    // Only what the sender typed is a command.
    let commands = typed && (control::parse(&own).is_some() || control::is_stop_word(&own));
    let text = if commands { own } else { marked(&own, said.forwarded) };
    if standing == Standing::Stranger {
        // Of a stranger's message the length is kept, not the words.
        event.origin.withheld_chars = u32::try_from(text.chars().count()).ok();
        ignore(event, Stage::Ignored, UNKNOWN_SENDER);
        return;
    }
    attachments.truncate(FILES_MAX);
    attachments.iter_mut().for_each(bound);
    event.origin.wordless = text.trim().is_empty() && !attachments.is_empty();
    let named = event.origin.wordless.then(|| files::placeholder_text(&attachments));
    event.text = shorten(named.unwrap_or(text));
    event.origin.attachments = attachments;
    event.control = typed && control::parse(&event.text).is_some();
    event.is_stop_word = typed && !event.control && control::is_stop_word(&event.text);
    event.waits_notice = Some(WAITS.to_owned());
    let sender = event.sender.clone().unwrap_or_default();
    // An approver's halt must get through however much was said before it.
    if !(event.control && event.origin.approver) {
        // Whom `*` lets in takes no room from those whom the owner named.
        let room = if standing == Standing::Public { "public" } else { "endpoint" };
        event.limits = vec![
            Limit {
                key: sender_key(SENDER, endpoint.channel.as_str(), &endpoint.name, &sender),
                per_minute: deps.config.sender_per_minute,
            },
            Limit {
                key: format!("{room}:{}:{}", endpoint.channel, endpoint.name),
                per_minute: deps.config.endpoint_per_minute,
            },
        ];
        let target = event.origin.target.clone();
        event.limit_notice = Some(limit_notice(&event.conversation, &event.dedupe_key, target));
    }
    event.said = vec![NewSaid {
        id: line_id(endpoint.channel.as_str(), &endpoint.name, &event.dedupe_key),
        conversation: event.conversation.clone(),
        speaker: Speaker::User,
        agent: None,
        text: event.text.clone(),
        settled: true,
    }];
}

/// The notice sent once to a sender over the rate limit.
pub(crate) fn limit_notice(conversation: &ConversationId, key: &str, target: Target) -> Draft {
    Draft {
        id: format!("limit:{conversation}:{key}"),
        revision: 1,
        target,
        text: LIMITED.to_owned(),
        buttons: None,
        event_id: None,
        kind: "reply".to_owned(),
        file: None,
        expires_ms: None,
    }
}

fn shorten(text: String) -> String {
    if text.chars().count() <= TEXT_CHARS_MAX {
        return text;
    }
    text.chars().take(TEXT_CHARS_MAX).chain(['…']).collect()
}

fn acknowledge(ack: &Ack) -> Response {
    let status = http::StatusCode::from_u16(ack.status).unwrap_or(http::StatusCode::OK);
    match &ack.body {
        Some(body) => (status, axum::Json(body.clone())).into_response(),
        None => status.into_response(),
    }
}
