//! Messages to Slack: form-encoded as the official SDK does it, blocks as a JSON string.

use super::App;
use crate::channels::{
    Aim, Attempt, NextPart, SEND_TIMEOUT_MS, SendResult, by_status, form, next_part,
};
use crate::split::Limit;
use bytes::Bytes;
use contracts::outbox::Buttons;
use inbox::OutboxRow;
use platform::ports::{OutboundRequest, OutboundResponse};
use serde_json::{Value, json};

/// A section block takes 3000 characters; escaping may lengthen a text, so parts stay well below.
const TEXT: Limit = Limit { units: 2700, utf16: false };

/// The next request for a message.
pub(super) fn next(app: &App, row: &OutboxRow) -> Option<Attempt> {
    if row.kind == "press_ack" {
        return row.parts.is_empty().then(|| ephemeral(app, row));
    }
    let NextPart { index, text, shows, edited, buttons } = next_part(row, &row.parts, TEXT)?;
    let text = mrkdwn(&text);
    let blocks = buttons.map(|buttons| ask(&text, buttons, &row.id));
    let mut fields = vec![("channel", place(edited.map_or(&row.target.chat, |part| &part.chat)))];
    fields.extend(no_preview());
    if let Some(part) = edited {
        fields.extend([("ts", part.id.clone()), ("text", text)]);
        // An empty list takes the buttons away.
        fields
            .push(("blocks", blocks.map_or_else(|| "[]".to_owned(), |blocks| blocks.to_string())));
        return Some(Attempt {
            request: call(app, "chat.update", &fields),
            aim: Aim::Edit { index, shows },
            idempotent: true,
            restart: false,
        });
    }
    fields.push(("text", text));
    fields.extend(row.target.thread.clone().map(|thread| ("thread_ts", thread)));
    fields.extend(blocks.map(|blocks| ("blocks", blocks.to_string())));
    fields.push((
        "metadata",
        json!({ "event_type": "outbox", "event_payload": { "id": row.id } }).to_string(),
    ));
    Some(Attempt {
        request: call(app, "chat.postMessage", &fields),
        aim: Aim::Send { shows, known_as: None },
        idempotent: false,
        restart: false,
    })
}

/// Without the workspace that may stand before a user's id.
fn place(chat: &str) -> String {
    chat.rsplit('/').next().unwrap_or_default().to_owned()
}

/// A preview would have Slack fetch an address that an agent wrote.
fn no_preview() -> [(&'static str, String); 2] {
    ["unfurl_links", "unfurl_media"].map(|name| (name, "false".to_owned()))
}

/// Only the presser sees it.
fn ephemeral(app: &App, row: &OutboxRow) -> Attempt {
    let mut fields = vec![
        ("channel", row.target.chat.clone()),
        ("user", place(row.target.mention.as_deref().unwrap_or_default())),
        ("text", mrkdwn(&row.text)),
    ];
    fields.extend(no_preview());
    fields.extend(row.target.thread.clone().map(|thread| ("thread_ts", thread)));
    Attempt {
        request: call(app, "chat.postEphemeral", &fields),
        aim: Aim::AnswerPress,
        idempotent: true,
        restart: false,
    }
}

fn ask(text: &str, buttons: &Buttons, id: &str) -> Value {
    let [first, second] = buttons.texts();
    let button = |action: &str, label: &str, style: &str, value: &str| {
        // 75 characters are the most.
        let label: String = label.chars().take(75).collect();
        let mut button = json!({ "type": "button", "action_id": action, "style": style, "text": { "type": "plain_text", "text": label }, "value": value });
        if let (Some(button), Some(_)) = (button.as_object_mut(), &buttons.labels) {
            // Neither of two agents is the dangerous one.
            button.remove("style");
        }
        button
    };
    let block_id: String = format!("appr_{id}").chars().take(255).collect();
    json!([
        { "type": "section", "text": { "type": "mrkdwn", "text": text } },
        { "type": "actions", "block_id": block_id, "elements": [
            button("approve", first, "primary", &buttons.approve),
            button("reject", second, "danger", &buttons.reject),
        ] }
    ])
}

/// Markdown as Slack writes it: three characters escaped, bold with one star. Code stays as it is.
fn mrkdwn(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut in_code = false;
    let lines: Vec<_> = escaped
        .split('\n')
        .map(|line| {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
                // Slack shows a language behind the fence as text.
                return "```".to_owned();
            }
            let heading = line.trim_start_matches('#');
            if in_code {
                line.to_owned()
            } else if heading.len() < line.len() && heading.starts_with(' ') {
                format!("*{}*", heading.trim())
            } else {
                line.replace("**", "*")
            }
        })
        .collect();
    lines.join("\n")
}

fn call(app: &App, method: &str, fields: &[(&str, String)]) -> OutboundRequest {
    let token = app.bot_token.reveal();
    OutboundRequest {
        method: http::Method::POST,
        url: format!("{}/{method}", app.api_base),
        headers: vec![
            ("authorization", format!("Bearer {token}")),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ],
        body: Bytes::from(form::body(fields)),
        timeout_ms: SEND_TIMEOUT_MS,
    }
}

/// Reads Slack's response: errors come with status 200 and a word.
pub(super) fn judge(aim: &Aim, answer: &OutboundResponse) -> SendResult {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    if answer.status < 300 && body["ok"] == true {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        return SendResult::Shown { message: text(&body["ts"]), chat: text(&body["channel"]) };
    }
    let word = body["error"].as_str().unwrap_or("no answer");
    let error = format!("Slack {}: {word}", answer.status);
    let after_ms = answer
        .header("retry-after")
        .and_then(|seconds| seconds.parse::<i64>().ok())
        .map(|seconds| seconds.clamp(1, 3600) * 1000);
    if answer.status == 429 || word == "ratelimited" || word == "rate_limited" {
        return SendResult::Later { after_ms, error };
    }
    match word {
        "message_not_found" | "cant_update_message" | "edit_window_closed"
            if matches!(aim, Aim::Edit { .. }) =>
        {
            SendResult::Gone
        }
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => {
            SendResult::Later { after_ms, error }
        }
        _ if answer.status < 300 => SendResult::Never { error },
        _ => by_status(answer, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_what_slack_shows() {
        assert_eq!(
            mrkdwn("## Why\n**a** < b & `c`\n```rust\nlet x = **p;\n```"),
            "*Why*\n*a* &lt; b &amp; `c`\n```\nlet x = **p;\n```"
        );
    }
}
