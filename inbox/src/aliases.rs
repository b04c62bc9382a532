//! Chats that their platform gave another id (a Telegram group that became a supergroup).
//! Messages under the old id and the new one are one conversation.

use super::{Context, NewEvent, args};
use contracts::ConversationId;
use contracts::outbox::Target;
use platform::ports::PortResult;
use serde::Deserialize;

#[derive(Deserialize)]
struct Chat {
    chat: String,
}

/// Keeps that a chat has another id.
pub(super) fn put(context: &Context<'_>, chat: &str, moved_to: &str) -> PortResult<()> {
    if chat.is_empty() || moved_to.is_empty() || chat == moved_to {
        return Ok(());
    }
    context.exec(
        "INSERT OR REPLACE INTO alias (shard, chat, moved_to) VALUES (?1, ?2, ?3)",
        args![context.shard.as_str(), chat, moved_to],
    )?;
    Ok(())
}

/// The id that a chat has now, if it was moved.
fn now(context: &Context<'_>, chat: &str) -> PortResult<Option<String>> {
    let sql = "SELECT moved_to AS chat FROM alias WHERE shard = ?1 AND chat = ?2";
    Ok(context.one::<Chat>(sql, args![context.shard.as_str(), chat])?.map(|found| found.chat))
}

/// The ids that a chat had before.
fn before(context: &Context<'_>, chat: &str) -> PortResult<Vec<String>> {
    let sql = "SELECT chat FROM alias WHERE shard = ?1 AND moved_to = ?2 ORDER BY chat";
    let found: Vec<Chat> = context.all(sql, args![context.shard.as_str(), chat])?;
    Ok(found.into_iter().map(|found| found.chat).collect())
}

/// The address as it is now. Ids of messages and topics are those of the old chat, so they go.
pub(super) fn resolved(context: &Context<'_>, target: &Target) -> PortResult<Target> {
    Ok(match now(context, &target.chat)? {
        Some(chat) => Target { chat, thread: None, reply_to: None, ..target.clone() },
        None => target.clone(),
    })
}

/// Puts a message of a moved chat into the conversation that it had, and notes the other ids.
pub(super) fn apply(context: &Context<'_>, event: &mut NewEvent) -> PortResult<()> {
    if let Some((chat, moved_to)) = event.moved.take() {
        put(context, &chat, &moved_to)?;
    }
    let chat = event.origin.target.chat.clone();
    if chat.is_empty() {
        return Ok(());
    }
    let mut aliases = before(context, &chat)?;
    if let Some(first) = aliases.first() {
        let place = |chat: &str| format!("{}:{}:{chat}", event.channel, event.endpoint);
        let rest = event.conversation.as_str().strip_prefix(&place(&chat)).map(str::to_owned);
        let is_part = rest.as_ref().is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        if let Some(rest) = rest.filter(|_| is_part) {
            event.conversation = ConversationId::new(format!("{}{rest}", place(first)));
            for line in &mut event.said {
                line.conversation = event.conversation.clone();
            }
        }
    }
    aliases.extend(now(context, &chat)?);
    event.origin.aliases = aliases;
    Ok(())
}
