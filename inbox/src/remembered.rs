//! The parts of an event that are kept as JSON: its origin and what its conductor learnt about it.
//! A member that is missing or cannot be read has its default, so that one odd row never stops an
//! inbox; the defaults allow nothing.

use contracts::graph::Complexity;
use contracts::outbox::Target;
use contracts::{AgentId, EventId, GatewayId, Micros};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Where a message came from, as its channel read it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventOrigin {
    /// Where answers go.
    #[serde(deserialize_with = "or_default")]
    pub target: Target,
    /// `<channel>:<endpoint>:<user>`.
    #[serde(deserialize_with = "or_default")]
    pub actor: Option<String>,
    /// An approver's name, as the platform shows it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The sender may decide on this endpoint.
    #[serde(deserialize_with = "or_default")]
    pub approver: bool,
    /// A program posted it: no person answers or stops it where it came from.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub posted: bool,
    /// The schedule that it is of: no person wrote it now.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The agent that its schedule names.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// The message is a reply in its chat.
    #[serde(deserialize_with = "or_default")]
    pub reply: bool,
    /// The platform's id of the message that it replies to.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub replies_to: Option<String>,
    /// Other persons read the chat.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub in_group: bool,
    /// The message that it replies to, marked as the words of another. They reach the agent and its
    /// approval, and choose no agent.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The platform's id of the message itself.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Other ids of the same chat: those before it was moved, and after.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The earlier message that this one is the new text of.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub edits: Option<EventId>,
    /// The sender is not known: public agents serve him at most, and the event is deleted some time
    /// after its end.
    #[serde(deserialize_with = "unless_false")]
    pub public_only: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub press: Option<Press>,
    /// By the platform's date it was sent too long ago to be obeyed as a command.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub late: bool,
    /// Files that came with the message, as its platform names them.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<OfferedFile>,
    /// The platform's id of the album that it is a part of.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub album: Option<String>,
    /// The message has no words of its own: its text is our line about its files.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub wordless: bool,
    /// Length of a message whose text is not kept.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub withheld_chars: Option<u32>,
}

impl EventOrigin {
    /// The origin of a row that cannot be read: it may do nothing.
    fn unreadable() -> Self {
        Self { public_only: true, ..Self::default() }
    }
}

/// A file that a platform offers with a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OfferedFile {
    /// As the sender named it; empty where the platform has no name.
    pub name: String,
    /// The media type that the platform names.
    pub kind: Option<String>,
    /// The length that the platform names.
    pub bytes: Option<u64>,
    /// The platform's own reference: an id or an address.
    pub source: String,
    /// Whether it is of a message of another person, which the sender passed on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub passed_on: bool,
}

/// A file as it is kept, or the reason that it is not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeptFile {
    /// Safe in any folder, and unique in its message.
    pub name: String,
    pub kind: String,
    pub bytes: u64,
    pub sha256: String,
    /// The name of its content among the objects; empty if it is not kept.
    pub object: String,
    /// Why it is not kept, in words that go on from its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Whether its transcription was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub heard: bool,
    /// Whether it is a recording whose words are the message.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub transcribed: bool,
}

/// A worktree, and the gateway that has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptWork {
    /// Its id for `quintet work`.
    pub worktree: String,
    pub gateway: GatewayId,
}

/// A button that was pressed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Press {
    /// The token of the button.
    #[serde(deserialize_with = "or_default")]
    pub token: String,
    /// The platform's name of the press, where it has one.
    #[serde(deserialize_with = "or_default")]
    pub callback: Option<String>,
}

/// Facts the conductor has found about an event. A replay starts without them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventData {
    /// Agents that could not do it; another one stands in.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<AgentId>,
    /// The reason that the last of them gave.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
    /// Why this agent was chosen.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub skill_files: Vec<String>,
    /// The agent stands in for the one that fits best.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub fallback: bool,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub estimated_cost: Option<Micros>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub complexity: Option<Complexity>,
    /// Agents that the sender ruled out; they stay excluded in later runs.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub taken_back_from: Vec<AgentId>,
    /// It only pushes on what was said before, and says nothing by itself.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub follows_up: bool,
    /// The agent's answer ended in a question.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub asks: bool,
    /// A run reported no cost, and its agent has no price: what was set aside counts.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub cost_unknown: bool,
    /// The earlier message that this one gives to another agent.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Gateways that could not do it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub not_on: Vec<GatewayId>,
    /// The person was told that the agent is offline.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub told_offline: bool,
    /// The number of the run that was first kept during a halt; the person was told so.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub held_from: Option<u32>,
    /// The question that the event is parked with.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub answered: Option<Answered>,
    /// Files of the message, as far as they have been fetched. They outlast a replay.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<KeptFile>,
    /// Messages of the same album, whose files are among `more`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub album: Vec<EventId>,
    /// Files that came with those.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<OfferedFile>,
    /// Files of the answer.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub answer_files: Vec<KeptFile>,
    /// The worktree with changes of its run.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub work: Option<KeptWork>,
    /// Of a stop: the messages whose runs it waits for.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub stops: Vec<EventId>,
}

/// A question that is open: which of two agents gets the message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The likelier one first.
    pub agents: [AgentId; 2],
    /// SHA-256 of the nonce; the nonce itself exists only in the buttons.
    pub token_hash: String,
    pub until_ms: i64,
}

/// A question that was answered, kept so that a name that comes late or twice is no message of its
/// own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    pub agents: [AgentId; 2],
    /// The message that answered; none where a button or the timer did.
    pub by: Option<EventId>,
    pub until_ms: i64,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    d: D,
) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(d)?).unwrap_or_default())
}

/// A restriction that cannot be read restricts.
fn unless_false<'de, D: Deserializer<'de>>(d: D) -> Result<bool, D::Error> {
    Ok(Value::deserialize(d)? != Value::Bool(false))
}

/// Reads an origin from its column, which holds JSON as text, or from a command, where it is JSON
/// itself.
pub(super) fn origin<'de, D: Deserializer<'de>>(d: D) -> Result<EventOrigin, D::Error> {
    Ok(column(d)?.unwrap_or_else(EventOrigin::unreadable))
}

/// Reads a column of JSON or, where it cannot be read, nothing.
pub(super) fn column_or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    d: D,
) -> Result<T, D::Error> {
    Ok(column(d)?.unwrap_or_default())
}

fn column<'de, D: Deserializer<'de>, T: DeserializeOwned>(d: D) -> Result<Option<T>, D::Error> {
    let value = match Value::deserialize(d)? {
        Value::String(text) => serde_json::from_str::<Value>(&text).ok(),
        other => Some(other),
    };
    let object = value.filter(Value::is_object);
    Ok(object.and_then(|object| serde_json::from_value(object).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn data(stored: Value) -> EventData {
        serde_json::from_value(stored).unwrap()
    }

    #[test]
    fn event_data_reads_what_the_version_before_wrote() {
        let routed = data(json!({
            "complexity": "simple", "estimatedCost": 0.25, "exclude": ["docs"], "fallback": true,
            "reason": "words", "skillFiles": ["agent-codegen"], "takenBackFrom": ["docs"],
            "followsUp": true, "message": "fix it", "notOn": ["g1"], "toldOffline": true,
        }));
        let expected = EventData {
            exclude: vec!["docs".into()],
            why_not: None,
            reason: Some("words".into()),
            skill_files: vec!["agent-codegen".into()],
            fallback: true,
            estimated_cost: Some(Micros(250_000)),
            complexity: Some(Complexity::Simple),
            taken_back_from: vec!["docs".into()],
            follows_up: true,
            asks: false,
            cost_unknown: false,
            message: Some("fix it".into()),
            not_on: vec!["g1".into()],
            told_offline: true,
            held_from: None,
            choice: None,
            answered: None,
            files: Vec::new(),
            album: Vec::new(),
            more: Vec::new(),
            work: None,
            answer_files: Vec::new(),
            stops: Vec::new(),
        };
        assert_eq!(routed, expected);
        let asked = data(json!({
            "estimatedCost": null, "exclude": [], "fallback": false, "skillFiles": [],
            "choice": { "agents": ["a", "b"], "token_hash": "00ff", "until_ms": 5 },
            "answered": { "agents": ["a", "b"], "by": null, "until_ms": 7 },
        }));
        let agents = || ["a".into(), "b".into()];
        let choice = Choice { agents: agents(), token_hash: "00ff".into(), until_ms: 5 };
        let answered = Answered { agents: agents(), by: None, until_ms: 7 };
        assert_eq!((asked.choice, asked.answered), (Some(choice), Some(answered)));
        assert_eq!(data(json!({})), EventData::default());
    }

    #[test]
    fn event_origin_reads_what_the_version_before_wrote() {
        let stored = json!({
            "actor": "telegram:main:7", "approver": true, "publicOnly": true, "reply": true, "repliesTo": "41",
            "press": { "token": "t", "callback": "c" },
            "target": { "channel": "telegram", "endpoint": "main", "chat": "7", "direct": false, "replyTo": "42" },
        });
        let origin: EventOrigin = serde_json::from_value(stored).unwrap();
        let target = Target {
            channel: "telegram".into(),
            endpoint: "main".into(),
            chat: "7".into(),
            reply_to: Some("42".into()),
            ..Target::default()
        };
        let press = Press { token: "t".into(), callback: Some("c".into()) };
        let expected = EventOrigin {
            target,
            actor: Some("telegram:main:7".into()),
            approver: true,
            reply: true,
            replies_to: Some("41".into()),
            public_only: true,
            press: Some(press),
            ..EventOrigin::default()
        };
        assert_eq!(origin, expected);
        let of_a_press = json!({ "actor": null, "approver": false, "reply": false, "repliesTo": null, "target": {} });
        assert_eq!(
            serde_json::from_value::<EventOrigin>(of_a_press).unwrap(),
            EventOrigin::default()
        );
    }

    #[test]
    fn unreadable_members_of_an_event_allow_nothing() {
        let stored =
            json!({ "approver": "yes", "publicOnly": "no", "actor": 7, "target": [], "press": 1 });
        let origin: EventOrigin = serde_json::from_value(stored).unwrap();
        assert_eq!(origin, EventOrigin::unreadable());
        for column in [json!("no JSON"), json!("[]"), json!(1)] {
            assert_eq!(super::origin(column).unwrap(), EventOrigin::unreadable());
        }
        let stored = json!({ "choice": { "agents": ["a"] }, "exclude": "docs", "complexity": "odd", "reason": "kept" });
        let kept = EventData { reason: Some("kept".into()), ..EventData::default() };
        assert_eq!(data(stored), kept);
    }
}
