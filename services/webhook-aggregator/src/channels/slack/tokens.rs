//! Slack's text as people read it: `<…>` tokens by their names, and the three escapes undone.
//! <https://docs.slack.dev/messaging/formatting-message-text>

/// The text for an agent. Mentions of `own`, our bot, are taken out.
pub(super) fn plain(text: &str, own: Option<&str>) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.trim();
    while let Some(at) = rest.find('<') {
        let (before, token) = rest.split_at(at);
        plain.push_str(&unescaped(before));
        let inner = token.get(1..).and_then(|inner| inner.split_once('>'));
        // A token has no line end, and Slack escapes every other `<`.
        let Some((inner, after)) = inner.filter(|(inner, _)| !inner.contains(['\n', '<'])) else {
            plain.push('<');
            rest = token.get(1..).unwrap_or_default();
            continue;
        };
        if is_own(inner, own) {
            rest = after.trim_start_matches([' ', ',', ':']);
            if plain.is_empty() || plain.ends_with(char::is_whitespace) {
                continue;
            }
            plain.push(' ');
        } else {
            plain.push_str(&named(inner));
            rest = after;
        }
    }
    plain.push_str(&unescaped(rest));
    plain.trim().to_owned()
}

/// The text without a mention at its start, of any user: for an event that names us, and no id to
/// know us by.
pub(super) fn without_first_mention(text: &str) -> &str {
    let text = text.trim();
    match text.strip_prefix("<@").and_then(|rest| rest.split_once('>')) {
        Some((_, rest)) => rest.trim_start_matches([' ', ',', ':']),
        None => text,
    }
}

fn is_own(token: &str, own: Option<&str>) -> bool {
    let user = token.strip_prefix('@').map(|user| user.split('|').next().unwrap_or_default());
    user.is_some() && user == own
}

/// A token by its name, where Slack gives one.
fn named(token: &str) -> String {
    let (target, label) = match token.split_once('|') {
        Some((target, label)) => (target, Some(unescaped(label)).filter(|label| !label.is_empty())),
        None => (token, None),
    };
    let name = |mark: &str, id: &str| match &label {
        Some(label) => format!("{mark}{}", label.trim_start_matches(mark)),
        None => format!("{mark}{id}"),
    };
    if let Some(user) = target.strip_prefix('@') {
        // A label that we wrote ourselves (`names.rs`) is no address.
        let own = label.as_ref().filter(|label| label.ends_with(&format!(" ({user})")));
        if let Some(own) = own {
            return own.clone();
        }
        return name("@", user);
    }
    if let Some(channel) = target.strip_prefix('#') {
        return name("#", channel);
    }
    if let Some(special) = target.strip_prefix('!') {
        // `!here`, `!subteam^S1`, `!date^…`
        let first = special.split('^').next().unwrap_or_default();
        return match (first, &label) {
            ("date", Some(label)) => label.clone(),
            ("subteam", Some(_)) => name("@", special),
            (first, _) => format!("@{first}"),
        };
    }
    let address = unescaped(target);
    let bare = address.strip_prefix("mailto:").or_else(|| address.strip_prefix("tel:"));
    match label {
        Some(label) if bare == Some(label.as_str()) || label == address => label,
        Some(label) if is_short_form(&label, &address) => address,
        Some(label) => format!("{label} ({})", bare.unwrap_or(&address)),
        None => bare.unwrap_or(&address).to_owned(),
    }
}

/// Slack makes `<http://ex.org|ex.org>` of an address that was typed without its scheme.
fn is_short_form(label: &str, address: &str) -> bool {
    address.split_once("://").is_some_and(|(_, rest)| rest.trim_end_matches('/') == label)
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_by_their_names() {
        for (text, read) in [
            (
                "see <https://ex.org/a?b=1&amp;c=2|ex.org/a>",
                "see ex.org/a (https://ex.org/a?b=1&c=2)",
            ),
            ("<http://ex.org|ex.org> <https://x.y/z>", "http://ex.org https://x.y/z"),
            ("<#C55|general> <#C56>", "#general #C56"),
            ("<mailto:a@b.org|a@b.org> <tel:1|call>", "a@b.org call (1)"),
            ("<@U2|ines> <!here> <!subteam^S1|@ops>", "@ines @here @ops"),
            ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
            ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
            ("<@UBOT> fix <b it", "fix <b it"),
            ("<@UBOT>, please", "please"),
            ("<@U1> ask <@UBOT> to fix it", "@U1 ask to fix it"),
            ("ask<@UBOT|bot>", "ask"),
        ] {
            assert_eq!(plain(text, Some("UBOT")), read, "{text}");
        }
        assert_eq!(without_first_mention("<@U9>: go"), "go");
    }
}
