//! The lines of a conversation, on every channel.

use super::{Context, NewSaid, args};
use contracts::EventId;
use contracts::event::{Speaker, TranscriptLine};
use platform::ports::PortResult;
use serde::{Deserialize, Serialize};

/// Writes lines to the transcript of a place that has no platform behind it (the web console).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record(pub Vec<NewSaid>);

/// Lines after a `seq`, oldest first; with `after` 0 the newest `limit` of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadTranscript {
    pub conversation: String,
    pub after: i64,
    pub limit: u32,
    /// Leaves out messages of senders whom only `*` lets in, and the answers to them.
    #[serde(default)]
    pub without_public: bool,
}

/// Lines of a conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Transcript {
    pub lines: Vec<TranscriptLine>,
    /// The newest `seq` of the conversation.
    pub last: i64,
}

impl Record {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<()> {
        self.0.iter().try_for_each(|line| put(context, line, None))
    }
}

/// Writes a line; the same id again replaces it and gives it a new `seq`, so that readers see the
/// change.
pub(super) fn put(
    context: &Context<'_>,
    line: &NewSaid,
    event: Option<&EventId>,
) -> PortResult<()> {
    let first = context.number("SELECT at_ms FROM said WHERE id = ?1", args![&line.id])?;
    let at = if first == 0 { context.now_ms } else { first };
    let speaker = match line.speaker {
        Speaker::User => "user",
        Speaker::Agent => "agent",
        Speaker::System => "system",
    };
    context.exec(
        "INSERT OR REPLACE INTO said (id, conversation, speaker, agent, text, event_id, settled, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        args![
            &line.id,
            line.conversation.as_str(),
            speaker,
            line.agent.as_ref().map(contracts::AgentId::as_str),
            &line.text,
            event.map(contracts::EventId::as_str),
            line.settled,
            at,
        ],
    )?;
    Ok(())
}

#[derive(Deserialize)]
struct Line {
    seq: i64,
    id: String,
    speaker: Speaker,
    agent: Option<contracts::AgentId>,
    text: String,
    event_id: Option<EventId>,
    settled: i64,
    at_ms: i64,
}

impl ReadTranscript {
    pub(super) fn carry_out(self, context: &Context<'_>) -> PortResult<Transcript> {
        let mut lines: Vec<Line> = context.all(
        "SELECT seq, id, speaker, agent, text, event_id, settled, at_ms FROM said WHERE conversation = ?1 AND seq > ?2
            AND NOT (?4 AND EXISTS (SELECT 1 FROM event WHERE event.id = said.event_id AND event.payload ->> 'publicOnly'))
         ORDER BY seq DESC LIMIT ?3",
        args![&self.conversation, self.after, self.limit, self.without_public],
    )?;
        lines.reverse();
        let last = context.number(
            "SELECT COALESCE(MAX(seq), 0) FROM said WHERE conversation = ?1",
            args![&self.conversation],
        )?;
        let said = lines.into_iter().map(|line| TranscriptLine {
            seq: line.seq,
            id: line.id,
            speaker: line.speaker,
            agent: line.agent,
            text: line.text,
            event_id: line.event_id,
            settled: line.settled != 0,
            at: platform::time::rfc3339(line.at_ms),
        });
        Ok(Transcript { lines: said.collect(), last })
    }
}
