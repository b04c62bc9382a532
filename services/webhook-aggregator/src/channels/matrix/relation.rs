//! Which other message an event is about.

use crate::channels::text_at;
use serde_json::Value;

/// The relations of one event, by the ids of the other messages.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Relation<'a> {
    /// The message that this is the new text of.
    pub(super) replaces: Option<&'a str>,
    /// The first message of its thread.
    pub(super) thread: Option<&'a str>,
    /// The message that its sender replies to.
    pub(super) replies_to: Option<&'a str>,
    /// The message that this is a reaction to, and the reaction.
    pub(super) reaction: Option<(&'a str, &'a str)>,
}

impl<'a> Relation<'a> {
    /// Reads `m.relates_to`.
    pub(super) fn of(content: &'a Value) -> Self {
        let relation = &content["m.relates_to"];
        let other = id(relation);
        let is = |kind: &str| relation["rel_type"] == kind;
        // Within a thread, for clients that know none, each message replies to the last one.
        let is_fallback = is("m.thread") && relation["is_falling_back"] == true;
        let reply = id(&relation["m.in_reply_to"]);
        Self {
            replaces: other.filter(|_| is("m.replace")),
            thread: other.filter(|_| is("m.thread")),
            replies_to: reply.filter(|_| !is_fallback),
            reaction: other.zip(text_at(relation, "key")).filter(|_| is("m.annotation")),
        }
    }
}

/// Maximum bytes of an id. Nobody checks those of relations before us, and of a longer one the
/// homeserver cannot be asked.
const ID_BYTES_MAX: usize = 255;

/// An id that may be one of a message.
fn id(relation: &Value) -> Option<&str> {
    text_at(relation, "event_id").filter(|id| id.len() <= ID_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reply_that_only_stands_in_for_a_thread_is_none() {
        let of = |falls: bool| {
            json!({ "m.relates_to": { "rel_type": "m.thread", "event_id": "$root",
                "is_falling_back": falls, "m.in_reply_to": { "event_id": "$last" } } })
        };
        let content = of(true);
        let relation = Relation::of(&content);
        assert_eq!((relation.thread, relation.replies_to), (Some("$root"), None));
        let content = of(false);
        assert_eq!(Relation::of(&content).replies_to, Some("$last"));
        let content = json!({ "m.relates_to": { "event_id": "$x", "rel_type": 7 } });
        assert_eq!(Relation::of(&content), Relation::default());
        for (bytes, is_one) in [(255, true), (256, false)] {
            let id = "x".repeat(bytes);
            let content = json!({ "m.relates_to": { "m.in_reply_to": { "event_id": id } } });
            assert_eq!(Relation::of(&content).replies_to.is_some(), is_one);
        }
    }
}
