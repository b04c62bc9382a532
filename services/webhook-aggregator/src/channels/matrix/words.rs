//! The words of a Matrix message, and whether they are for us.

use super::bot::{Bot, local_of, segment};
use crate::control;
use serde_json::Value;

/// Things that a message may carry besides words and files.
const CARRIED: [(&str, &str); 1] = [("m.location", "a location")];

/// The text of a message, or the caption of a file.
pub(super) fn text(content: &Value) -> &str {
    let body = content["body"].as_str().unwrap_or_default();
    if !is_file(content) {
        return body;
    }
    // The body is a caption where it differs from the name of the file; else it is that name.
    match content["filename"].as_str() {
        Some(name) if name != body => body,
        _ => "",
    }
}

/// Whether it is a file with an address.
pub(super) fn is_file(content: &Value) -> bool {
    let kind = content["msgtype"].as_str().unwrap_or_default();
    matches!(kind, "m.image" | "m.file" | "m.audio" | "m.video")
}

/// Things without words that are no files.
pub(super) fn attached(content: &Value) -> Vec<String> {
    let is_it = |(kind, _): &&(&str, &str)| content["msgtype"] == *kind;
    CARRIED.iter().filter(is_it).map(|(_, name)| (*name).to_owned()).collect()
}

/// Without the lines that older clients put before a reply: the message that it replies to.
pub(super) fn without_fallback(text: &str) -> &str {
    let mut rest = text;
    while rest.starts_with("> ") {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    if rest.len() == text.len() { text } else { rest.trim_start_matches('\n') }
}

/// Whether a message mentions us: by its list of mentions, by a link to our user id, or, where the
/// client sends no list, by the id in the text.
pub(super) fn mentions_us(bot: &Bot, content: &Value) -> bool {
    let listed = content["m.mentions"]["user_ids"].as_array();
    let is_listed = listed.is_some_and(|users| users.iter().any(|user| *user == *bot.user));
    let html = content["formatted_body"].as_str().unwrap_or_default();
    let is_linked = [bot.user.clone(), segment(&bot.user)]
        .iter()
        .any(|user| html.contains(&format!("https://matrix.to/#/{user}\"")));
    let is_written = content.get("m.mentions").is_none() && text(content).contains(&*bot.user);
    is_listed || is_linked || is_written
}

/// Names under which people may begin a message to us.
pub(super) struct Names<'a> {
    /// With or without a sign behind it: ids, and the name of a mention.
    sure: Vec<String>,
    /// Only before a colon or a comma.
    spoken: Vec<&'a str>,
}

impl<'a> Names<'a> {
    /// `shown` is our name in the room.
    pub(super) fn of(bot: &'a Bot, shown: Option<&'a str>, is_mentioned: bool) -> Self {
        let local = local_of(&bot.user);
        let mut sure = vec![bot.user.clone(), format!("@{local}")];
        let named = shown.filter(|_| is_mentioned);
        sure.extend(named.into_iter().flat_map(|name| [format!("@{name}"), name.to_owned()]));
        Self { sure, spoken: shown.into_iter().chain([local]).collect() }
    }
    /// The text behind our name at its start.
    fn behind<'t>(&self, text: &'t str) -> Option<&'t str> {
        let sure = self.sure.iter().map(|name| (name.as_str(), true));
        let spoken = self.spoken.iter().map(|name| (*name, false));
        sure.chain(spoken).find_map(|(name, is_sure)| {
            let start = text.get(..name.len()).filter(|_| !name.is_empty())?;
            let rest = text.get(name.len()..)?;
            let next = rest.chars().next();
            let ends = match next {
                Some(':' | ',') => true,
                Some(ch) => is_sure && ch.is_whitespace(),
                None => is_sure,
            };
            (start.eq_ignore_ascii_case(name) && ends).then_some(rest)
        })
    }
    /// Whether the text begins with our name.
    pub(super) fn begin(&self, text: &str) -> bool {
        self.behind(text.trim_start()).is_some()
    }
    /// The text without our name at its start. Element takes a slash for a command of its own, so
    /// an exclamation mark stands for one.
    pub(super) fn without(&self, text: &str) -> String {
        let text = text.trim();
        let rest = self.behind(text).unwrap_or(text);
        let rest = rest.trim_start_matches(|ch: char| ch.is_whitespace() || ":,".contains(ch));
        with_slash(rest)
    }
}

/// `!halt` → `/halt`, for commands of ours.
pub(super) fn with_slash(text: &str) -> String {
    let command = text.strip_prefix('!').map(|rest| format!("/{rest}"));
    let is_ours =
        |text: &String| control::is_command(text.split_whitespace().next().unwrap_or_default());
    command.filter(is_ours).unwrap_or_else(|| text.to_owned())
}

/// Whether the text begins with a command of ours.
pub(super) fn is_command(text: &str) -> bool {
    control::is_command(with_slash(text.trim()).split_whitespace().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_of_the_message_that_is_replied_to_are_taken_off() {
        let reply = "> <@ines:x> /halt\n> more\n\nyes, do\n> this";
        assert_eq!(without_fallback(reply), "yes, do\n> this");
        assert_eq!(without_fallback("> /halt"), "");
        assert_eq!(without_fallback(">no quote"), ">no quote");
    }

    #[test]
    fn caption_differs_from_the_name_of_its_file() {
        let file = |body: &str, name: Value| json!({ "msgtype": "m.image", "body": body, "filename": name });
        assert_eq!(text(&file("what is it?", json!("a.png"))), "what is it?");
        assert_eq!(text(&file("a.png", json!("a.png"))), "");
        assert_eq!(text(&file("a.png", Value::Null)), "");
    }

    #[test]
    fn exclamation_mark_stands_for_the_slash_of_our_commands_only() {
        assert_eq!(with_slash("!halt now"), "/halt now");
        assert_eq!(with_slash("!wow halt"), "!wow halt");
        assert!(is_command(" !approve apr_1") && !is_command("!ping"));
    }
}
