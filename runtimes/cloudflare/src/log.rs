//! Structured logs: one JSON object per line on the runtime's console, where Workers Logs index the
//! fields.
//!
//! It has its own subscriber, because the usual one adds 36 KB (compressed) to each of the five
//! bundles. A Worker runs requests alternately on one thread, so the entered spans are always those
//! of the running one.

use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// An open span: its fields, and its reference count.
struct Open {
    fields: Map<String, Value>,
    parent: Option<u64>,
    holders: usize,
}

thread_local! {
    static OPEN: RefCell<HashMap<u64, Open>> = RefCell::default();
    /// Entered spans, innermost last.
    static ENTERED: RefCell<Vec<u64>> = RefCell::default();
}

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Writes events to the console.
struct Console {
    level: LevelFilter,
}

/// Fields as JSON.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

fn innermost() -> Option<u64> {
    ENTERED.with_borrow(|entered| entered.last().copied())
}

/// Fields of a span and its ancestors; inner fields override.
fn collect(span: Option<u64>, into: &mut Map<String, Value>) {
    OPEN.with_borrow(|open| {
        let mut at = span;
        while let Some(span) = at.and_then(|id| open.get(&id)) {
            for (name, value) in &span.fields {
                into.entry(name).or_insert_with(|| value.clone());
            }
            at = span.parent;
        }
    });
}

impl Subscriber for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Spans are kept at any level, because an error must carry the request's id.
        metadata.is_span() || *metadata.level() <= self.level
    }
    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let parent = if attributes.is_contextual() {
            innermost()
        } else {
            attributes.parent().map(Id::into_u64)
        };
        let mut fields = Map::new();
        attributes.record(&mut Fields(&mut fields));
        OPEN.with_borrow_mut(|open| {
            if let Some(parent) = parent.and_then(|id| open.get_mut(&id)) {
                parent.holders += 1;
            }
            open.insert(id, Open { fields, parent, holders: 1 });
        });
        Id::from_u64(id)
    }
    fn record(&self, span: &Id, values: &Record<'_>) {
        OPEN.with_borrow_mut(|open| {
            if let Some(span) = open.get_mut(&span.into_u64()) {
                values.record(&mut Fields(&mut span.fields));
            }
        });
    }
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Map::new();
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        event.record(&mut Fields(&mut line));
        collect(innermost(), &mut line);
        worker::console_log!("{}", Value::Object(line));
    }
    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }
    fn exit(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| {
            if let Some(at) = entered.iter().rposition(|id| *id == span.into_u64()) {
                entered.remove(at);
            }
        });
    }
    fn clone_span(&self, span: &Id) -> Id {
        OPEN.with_borrow_mut(|open| {
            if let Some(span) = open.get_mut(&span.into_u64()) {
                span.holders += 1;
            }
        });
        span.clone()
    }
    fn try_close(&self, span: Id) -> bool {
        OPEN.with_borrow_mut(|open| {
            let mut at = Some(span.into_u64());
            let mut closed = false;
            while let Some(id) = at {
                let Some(span) = open.get_mut(&id) else { break };
                span.holders = span.holders.saturating_sub(1);
                if span.holders > 0 {
                    break;
                }
                at = open.remove(&id).and_then(|span| span.parent);
                closed = true;
            }
            closed
        })
    }
    fn max_level_hint(&self) -> Option<LevelFilter> {
        // Spans of requests have level INFO.
        Some(self.level.max(LevelFilter::INFO))
    }
}

/// Starts logging; the runtime adds the time. `QUINTET_LOG` may be `warn` (default), `info` or
/// `debug`.
pub fn start(level: Option<&str>) {
    let level =
        level.and_then(|text| text.parse::<LevelFilter>().ok()).unwrap_or(LevelFilter::WARN);
    // Fails only if logging is already started, which is fine.
    let _ = tracing::subscriber::set_global_default(Console { level });
}

/// Logs a failure that has no caller to return to.
pub fn failure<T>(what: &str, done: Result<T, impl std::fmt::Display>) {
    if let Err(error) = done {
        tracing::warn!(%error, "{what}");
    }
}
