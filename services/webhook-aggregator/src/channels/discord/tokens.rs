//! Discord's text as people read it: mentions, channels and emoji by their names.
//! <https://docs.discord.com/developers/reference#message-formatting>

use crate::channels::text_at;
use serde_json::Value;

/// The text of a message without the mention of `own`, our bot, at its start.
pub(super) fn without_own<'a>(text: &'a str, own: &str) -> &'a str {
    let text = text.trim();
    let mentions = [format!("<@{own}>"), format!("<@!{own}>")];
    let rest = mentions.iter().find_map(|mention| text.strip_prefix(mention.as_str()));
    rest.map_or(text, |rest| rest.trim_start_matches([' ', ',', ':', ';', '\n']))
}

/// A text with the names that its message gives.
pub(super) fn named(text: &str, message: &Value) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, token) = rest.split_at(at);
        plain.push_str(before);
        let inner = token.get(1..).and_then(|inner| inner.split_once('>'));
        match inner.and_then(|(inner, after)| Some((name(inner, message)?, after))) {
            Some((name, after)) => {
                plain.push_str(&name);
                rest = after;
            }
            None => {
                plain.push('<');
                rest = token.get(1..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The name for a token; none for one that is no token, or that nobody names.
fn name(token: &str, message: &Value) -> Option<String> {
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let listed = |list: &str, id: &str, keys: [&str; 2]| {
        let found = message[list].as_array()?.iter().find(|entry| text_at(entry, "id") == Some(id));
        keys.iter().find_map(|key| text_at(found?, key)).map(str::to_owned)
    };
    if let Some(role) = token.strip_prefix("@&").filter(|id| is_id(id)) {
        let name = listed("roles", role, ["name", "name"]);
        return Some(name.map_or_else(|| "@role".to_owned(), |name| format!("@{name}")));
    }
    if let Some(user) = token.strip_prefix('@') {
        let user = user.strip_prefix('!').unwrap_or(user);
        let name = listed("mentions", user, ["global_name", "username"])?;
        return Some(format!("@{name}"));
    }
    if let Some(channel) = token.strip_prefix('#').filter(|id| is_id(id)) {
        let name = listed("mention_channels", channel, ["name", "name"]);
        return Some(format!("#{}", name.as_deref().unwrap_or("channel")));
    }
    let emoji = token.strip_prefix("a:").or_else(|| token.strip_prefix(':'))?;
    let (emoji, id) = emoji.split_once(':')?;
    is_id(id).then(|| format!(":{emoji}:"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tokens_are_read_by_their_names() {
        let message = json!({
            "mentions": [{ "id": "5", "global_name": "Bo", "username": "b" }, { "id": "6", "username": "ines" }],
            "mention_channels": [{ "id": "7", "name": "ops" }],
        });
        for (text, read) in [
            ("ask <@5> and <@!6>", "ask @Bo and @ines"),
            ("in <#7> or <#8>", "in #ops or #channel"),
            ("<@&9> <:party:12> <a:dance:13>", "@role :party: :dance:"),
            ("<@99> stays, as <b> and 1 < 2", "<@99> stays, as <b> and 1 < 2"),
            ("if a <b:c> d", "if a <b:c> d"),
            ("<<@5>", "<@Bo"),
        ] {
            assert_eq!(named(text, &message), read, "{text}");
        }
    }

    #[test]
    fn own_mention_at_the_start_goes_with_what_stands_behind_it() {
        for text in
            ["<@1>, please fix", "<@!1>: please fix", " <@1>; please fix", "<@1>\nplease fix"]
        {
            assert_eq!(without_own(text, "1"), "please fix", "{text}");
        }
        assert_eq!(without_own("please ask <@1>", "1"), "please ask <@1>");
        assert_eq!(without_own("<@1>", "1"), "");
    }
}
