//! `session/update`: the answer as it grows, and the work.

use super::tools::Calls;
use crate::output::{Told, text_at};
use serde_json::Value;

/// Maximum bytes of a first line.
const LINE_BYTES_MAX: usize = 300;

/// The message that is being written; its text is told as it comes.
#[derive(Debug, Default)]
pub(super) struct Message {
    id: Option<String>,
    /// A tool was used after it: the next words are another message.
    is_over: bool,
    /// Its first line so far, until that was told as progress.
    line: String,
    is_told: bool,
}

/// Reads an update of a turn; returns a line of progress.
pub(super) fn read(
    told: &mut Told,
    message: &mut Message,
    calls: &mut Calls,
    update: &Value,
) -> Option<String> {
    match text_at(update, "/sessionUpdate")? {
        "agent_message_chunk" => {
            let text = words(&update["content"]);
            let is_new = message.goes_on(text_at(update, "/messageId"));
            told.say_more(&text, is_new);
            message.first_line(&text)
        }
        "tool_call" => {
            message.is_over = true;
            calls.note(update);
            calls.title(update).map(|title| told.work(title))
        }
        "tool_call_update" => {
            message.is_over = true;
            let failed = update["status"] == "failed";
            let title = calls.title(update).filter(|_| failed);
            let is_new = update["title"].is_string();
            calls.note(update);
            match title {
                Some(title) => Some(told.work(format!("Failed: {title}"))),
                None => calls.title(update).filter(|_| is_new).map(|title| told.work(title)),
            }
        }
        "plan" => {
            let entries = update["entries"].as_array()?;
            let now = entries.iter().find(|entry| entry["status"] == "in_progress")?;
            text_at(now, "/content").map(|text| told.work(text.to_owned()))
        }
        _ => None,
    }
}

impl Message {
    /// Takes the id of the next words; returns whether they begin a new message.
    fn goes_on(&mut self, id: Option<&str>) -> bool {
        let is_new = match (id, self.id.as_deref()) {
            (Some(id), Some(known)) => id != known,
            _ => self.is_over,
        };
        if is_new {
            *self = Self::default();
        }
        self.id = id.map(str::to_owned).or(self.id.take());
        self.is_over = false;
        is_new
    }
    /// The first line, once it is complete.
    fn first_line(&mut self, more: &str) -> Option<String> {
        if self.is_told {
            return None;
        }
        self.line.push_str(more);
        let text = self.line.trim_start();
        self.is_told = text.contains('\n') || text.len() > LINE_BYTES_MAX;
        self.is_told.then(|| text.lines().next().unwrap_or_default().to_owned())
    }
}

/// The text of a block of content; what is no text is named.
fn words(content: &Value) -> String {
    match text_at(content, "/type") {
        Some("text") => text_at(content, "/text").unwrap_or_default().to_owned(),
        Some("resource_link") => text_at(content, "/uri").unwrap_or_default().to_owned(),
        Some("resource") => text_at(content, "/resource/text")
            .or_else(|| text_at(content, "/resource/uri"))
            .unwrap_or_default()
            .to_owned(),
        Some(kind) => format!("[{kind}]"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(updates: &[Value]) -> (Option<String>, Vec<String>) {
        let (mut told, mut message, mut calls) =
            (Told::default(), Message::default(), Calls::default());
        let progress = updates
            .iter()
            .filter_map(|update| read(&mut told, &mut message, &mut calls, update))
            .collect();
        (told.said().map(str::to_owned), progress)
    }
    fn chunk(text: &str) -> Value {
        json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}})
    }
    fn of(id: &str, text: &str) -> Value {
        let mut update = chunk(text);
        update["messageId"] = json!(id);
        update
    }

    #[test]
    fn the_answer_is_the_last_message_and_never_a_thought() {
        let thought = json!({"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": "hm"}});
        let user = json!({"sessionUpdate": "user_message_chunk", "content": {"type": "text", "text": "me"}});
        let call = json!({"sessionUpdate": "tool_call", "toolCallId": "c", "title": "ls"});
        let all =
            [chunk("I loo"), chunk("k.\nNow"), call, thought, chunk("It is "), chunk("7."), user];
        let (answer, progress) = said(&all);
        assert_eq!(answer.as_deref(), Some("It is 7."));
        assert_eq!(progress, ["I look.", "ls"]);
        let (answer, _) = said(&[of("a", "One"), of("b", "Two "), of("b", "three")]);
        assert_eq!(answer.as_deref(), Some("Two three"));
        let link = json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "resource_link", "uri": "file:///a"}});
        let image = json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "image", "data": "AAAA"}});
        assert_eq!(said(&[chunk("See "), link, image]).0.as_deref(), Some("See file:///a[image]"));
    }

    #[test]
    fn progress_names_tools_plans_and_failures() {
        let plan = json!({"sessionUpdate": "plan", "entries": [
            {"content": "read", "status": "completed"}, {"content": "fix", "status": "in_progress"}]});
        let begun = json!({"sessionUpdate": "tool_call", "toolCallId": "c", "kind": "edit"});
        let titled =
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "c", "title": "Edit a.rs"});
        let quiet = json!({"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "in_progress"});
        let failed =
            json!({"sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "failed"});
        let other = json!({"sessionUpdate": "available_commands_update", "availableCommands": []});
        let (_, progress) = said(&[plan, begun, titled, quiet, failed, other, json!({}), json!(3)]);
        assert_eq!(progress, ["fix", "edit", "Edit a.rs", "Failed: Edit a.rs"]);
    }
}
