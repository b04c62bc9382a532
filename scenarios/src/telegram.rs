//! A fake Telegram: sends updates, and its chats show sent and edited messages.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The platform; clones share it.
#[derive(Clone, Default)]
pub struct Telegram(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    /// Every text ever shown or attempted, with its chat.
    history: Vec<(String, String)>,
    presses: HashMap<String, String>,
    refusal: Option<(u16, String)>,
}

/// The current state of a message in a chat.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: u64,
    pub chat: String,
    pub text: String,
    /// Label and data of each button it ever had, because people also press old ones.
    pub buttons: Vec<(String, String)>,
}

impl Telegram {
    /// Answers a Bot API call.
    pub fn answer(&self, method: &str, body: &Value) -> (u16, Value) {
        let mut state = self.0.lock().unwrap();
        let chat = text_of(&body["chat_id"]);
        let text = body["text"].as_str().unwrap_or_default().to_owned();
        if let Some((status, reason)) = &state.refusal {
            return (*status, json!({ "ok": false, "error_code": status, "description": reason }));
        }
        if method == "answerCallbackQuery" {
            state.presses.insert(text_of(&body["callback_query_id"]), text);
            return (200, json!({ "ok": true, "result": true }));
        }
        state.history.push((chat.clone(), text.clone()));
        let known = body["message_id"].as_u64().filter(|_| method == "editMessageText");
        let id = known.unwrap_or(9_000 + state.messages.len() as u64);
        match (known, state.messages.iter_mut().find(|message| Some(message.id) == known)) {
            (None, _) => state.messages.push(Message {
                id,
                chat: chat.clone(),
                text,
                buttons: buttons(body),
            }),
            (Some(_), Some(message)) => {
                message.text = text;
                message.buttons.extend(buttons(body));
            }
            (Some(_), None) => {
                return (
                    400,
                    json!({ "ok": false, "error_code": 400, "description": "Bad Request: message to edit not found" }),
                );
            }
        }
        (
            200,
            json!({ "ok": true, "result": { "message_id": id, "chat": { "id": body["chat_id"] } } }),
        )
    }
    /// Refuses every call from now on; with none, accepts them again.
    pub fn refuse(&self, refusal: Option<(u16, String)>) {
        self.0.lock().unwrap().refusal = refusal;
    }
    /// The messages of a chat, oldest first.
    pub fn chat(&self, who: &str) -> Vec<Message> {
        self.0
            .lock()
            .unwrap()
            .messages
            .iter()
            .filter(|message| message.chat == who)
            .cloned()
            .collect()
    }
    /// Every text that a chat ever showed.
    pub fn shown(&self, who: &str) -> Vec<String> {
        self.0
            .lock()
            .unwrap()
            .history
            .iter()
            .filter(|(chat, _)| chat == who)
            .map(|(_, text)| text.clone())
            .collect()
    }
    /// The question about this approval.
    pub fn question(&self, approval: &str) -> Option<Message> {
        self.0
            .lock()
            .unwrap()
            .messages
            .iter()
            .find(|message| !message.buttons.is_empty() && message.text.contains(approval))
            .cloned()
    }
    /// The answer to a press.
    pub fn press_answer(&self, callback: &str) -> Option<String> {
        self.0.lock().unwrap().presses.get(callback).cloned()
    }
}

fn buttons(body: &Value) -> Vec<(String, String)> {
    let rows = body["reply_markup"]["inline_keyboard"].as_array();
    let buttons = rows.into_iter().flatten().filter_map(Value::as_array).flatten();
    buttons.map(|button| (text_of(&button["text"]), text_of(&button["callback_data"]))).collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The update of a private message, sent at this time.
pub fn message(update: u64, who: &str, text: &str, now_ms: i64) -> Value {
    let id: u64 = who.parse().unwrap_or(0);
    json!({ "update_id": update, "message": {
        "message_id": update, "from": { "id": id, "is_bot": false }, "chat": { "id": id, "type": "private" }, "date": now_ms / 1000, "text": text } })
}

/// The update of a button pressed under a message.
pub fn press(update: u64, who: &str, callback: &str, under: &Message, data: &str) -> Value {
    let (id, chat): (u64, u64) = (who.parse().unwrap_or(0), under.chat.parse().unwrap_or(0));
    json!({ "update_id": update, "callback_query": {
        "id": callback, "from": { "id": id, "is_bot": false }, "data": data,
        "message": { "message_id": under.id, "chat": { "id": chat, "type": "private" }, "date": 1 } } })
}
