//! Requests before a message is read: for the names of the people whom it mentions.

use super::names::{each_text, mentioned};
use super::{App, incoming, outgoing};
use crate::channels::{Incoming, Kind, LookUp, lenient, text_at};
use platform::ports::OutboundRequest;

/// Maximum names that are asked for before a message is acknowledged: Slack waits for 3 s.
const ASKED_MAX: usize = 3;
/// Maximum milliseconds of one such request.
const TIMEOUT_MS: u64 = 800;

/// The next name to ask for before this body can be read.
pub(super) fn next(app: &App, body: &[u8]) -> Option<LookUp> {
    if !body.trim_ascii_start().starts_with(b"{") || !contains(body, b"@") {
        return None;
    }
    // Of a message that is not for us nobody is asked about.
    let Incoming::Event(inbound) = incoming::read(app, &http::HeaderMap::new(), body) else {
        return None;
    };
    if !matches!(inbound.kind, Kind::Message { .. }) {
        return None;
    }
    let mut envelope = lenient::json(body);
    let own: Vec<String> = envelope["authorizations"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|who| text_at(who, "user_id").map(str::to_owned))
        .collect();
    let mut users: Vec<String> = Vec::new();
    each_text(&mut envelope["event"], &mut |text| users.extend(mentioned(text)));
    let mut seen: Vec<&String> = Vec::new();
    for user in users.iter().filter(|user| !own.contains(user)) {
        if !seen.contains(&user) {
            seen.push(user);
        }
    }
    let next = seen.into_iter().take(ASKED_MAX).find(|user| !app.names.has(user))?;
    let request = outgoing::call(app, "users.info", &[("user", next.clone())]);
    let request = OutboundRequest { timeout_ms: TIMEOUT_MS, ..request };
    Some(LookUp { about: next.clone(), request, is_needed: false })
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}
