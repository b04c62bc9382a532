//! Names of the people whom a message mentions. Slack sends `<@U123>` alone, which tells an agent
//! nothing, so it is asked for each name once (`look_up.rs`).

use crate::channels::{lenient, name_of, text_at};
use platform::ports::OutboundResponse;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum names in memory.
const KNOWN_MAX: usize = 2_000;
/// Members of a text in an event.
const TEXTS: [&str; 2] = ["text", "fallback"];

/// Names by the ids of users; none where Slack did not tell it.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<String, Option<String>>>);

impl Names {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Option<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether Slack was asked for this name.
    pub(super) fn has(&self, user: &str) -> bool {
        self.known().contains_key(user)
    }
    /// Keeps what Slack says about a user, unless it says nothing: it is asked again then.
    pub(super) fn learn(&self, user: &str, answer: &OutboundResponse) {
        let said = lenient::json(&answer.body);
        let (who, profile) = (&said["user"], &said["user"]["profile"]);
        let names = [
            text_at(profile, "display_name"),
            text_at(profile, "real_name"),
            text_at(who, "real_name"),
            text_at(who, "name"),
        ];
        if said["ok"] != true && said["error"] != "user_not_found" {
            return;
        }
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        // The marks of a token end it, and no name is an address of an agent or a command.
        let name = name_of(names).map(|name| name.replace(['<', '>', '|', '@', '/'], " "));
        let name = name.filter(|name| !name.trim().is_empty());
        known.insert(user.to_owned(), name.map(|name| labelled(name.trim(), user)));
    }
    /// Writes the known names into the mentions of an event.
    pub(super) fn label(&self, event: &mut Value) {
        let known = self.known();
        if !known.is_empty() {
            each_text(event, &mut |text| {
                for user in BTreeSet::from_iter(mentioned(text)) {
                    if let Some(Some(name)) = known.get(&user) {
                        *text = text.replace(&format!("<@{user}>"), &format!("<@{user}|{name}>"));
                    }
                }
            });
        }
    }
}

/// A name with the id that it belongs to. Names are the people's own choice: alone one could be
/// that of an agent, or a word such as “stop”.
pub(super) fn labelled(name: &str, user: &str) -> String {
    format!("{name} ({user})")
}

/// Calls `work` for each text of an event, also of what it quotes and shares.
pub(super) fn each_text(value: &mut Value, work: &mut impl FnMut(&mut String)) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if TEXTS.contains(&key.as_str()) => work(text),
                    Value::Object(_) | Value::Array(_) => each_text(value, work),
                    _ => {}
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, work)),
        _ => {}
    }
}

/// The ids of the users whom a text mentions without a name.
pub(super) fn mentioned(text: &str) -> Vec<String> {
    let tokens = text.split("<@").skip(1).filter_map(|rest| rest.split_once('>'));
    let is_id = |id: &&str| {
        id.starts_with(['U', 'W'])
            && id.len() <= 24
            && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    tokens.map(|(id, _)| id).filter(is_id).map(str::to_owned).collect()
}
