//! Connecting an account: what its platform is asked, and what is made of the answers.

use contracts::ChannelKind;
use platform::memory::{MemoryOutbound, Sent};
use platform::ports::OutboundResponse;
use platform::secret::Secret;
use serde_json::{Value, json};
use webhook_aggregator::channels::enrol::{Account, Checked, Enrol, Person, Weight};
use webhook_aggregator::channels::{self, Channel};
use webhook_aggregator::control::registry;

fn outbound(script: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> MemoryOutbound {
    MemoryOutbound::new(move |sent: &Sent| {
        let path = sent.url.strip_prefix("https://api.test/").unwrap();
        let (status, body) = script(&format!("{} {path}", sent.method));
        Ok(MemoryOutbound::json(status, &body))
    })
}

fn account(outbound: &MemoryOutbound) -> Account<'_> {
    Account {
        outbound,
        api_base: "https://api.test".to_owned(),
        bot_token: Secret::new("7:KEY"),
        app_token: Some(Secret::new("xapp-1")),
    }
}

/// The channels that have accounts to connect.
fn with_accounts() -> impl Iterator<Item = (ChannelKind, &'static dyn Channel)> {
    channels::all().filter(|(kind, _)| channels::enrol(*kind).is_some())
}

fn enrol(kind: ChannelKind) -> &'static dyn Enrol {
    channels::enrol(kind).unwrap()
}

#[tokio::test]
async fn telegram_learns_its_name_and_gets_the_menu_of_the_registry() {
    let outbound = outbound(|call| match call {
        "POST bot7:KEY/getMe" => (
            200,
            json!({ "ok": true, "result": { "id": 7, "first_name": "Desk", "username": "desk_bot" } }),
        ),
        "POST bot7:KEY/getWebhookInfo" => {
            (200, json!({ "ok": true, "result": { "url": "https://old.example" } }))
        }
        _ => (200, json!({ "ok": true, "result": true })),
    });
    let account = account(&outbound);
    let telegram = enrol(ChannelKind::Telegram);
    let learnt = telegram.learn(&account).await.unwrap();
    assert_eq!((learnt.account.as_str(), learnt.title.as_str()), ("7", "@desk_bot (Desk)"));
    assert_eq!(learnt.keys, [("bot_username", "desk_bot".to_owned())]);
    let done = telegram.register(&account, &learnt).await.unwrap();
    assert!(done[0].contains("https://old.example"), "{done:?}");
    let menu: Value = serde_json::from_str(&outbound.sent().last().unwrap().body).unwrap();
    let names =
        menu["commands"].as_array().unwrap().iter().map(|one| one["command"].as_str().unwrap());
    let expected =
        ["status", "agents", "approvals", "spend", "new", "stop", "halt", "resume", "help"];
    assert_eq!(names.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn telegram_hears_people_and_confirms_nothing_that_the_server_needs() {
    let update = |id: u64, chat: &str, from: u64| json!({ "update_id": id, "message": { "from": { "id": from, "first_name": "Ines", "username": "ines" }, "chat": { "id": 1, "type": chat }, "date": 1_790_000_000, "text": "/start 1a2b" } });
    let updates = json!([update(1, "group", 5), update(2, "private", 6), update(3, "private", 6)]);
    let outbound = outbound(move |_| (200, json!({ "ok": true, "result": updates })));
    let account = account(&outbound);
    let heard = enrol(ChannelKind::Telegram).hear(&account, None).await.unwrap().unwrap();
    let ines = Person { id: "6".to_owned(), name: "Ines (@ines)".to_owned() };
    let people: Vec<&Person> = heard.messages.iter().map(|message| &message.from).collect();
    assert_eq!((people, heard.further), (vec![&ines, &ines], None));
    let message = &heard.messages[0];
    assert!(message.says("1a2b") && !message.says("1a"), "{message:?}");
    let sent_ms = 1_790_000_000_000;
    assert!(!message.is_before(sent_ms + 60_000) && message.is_before(sent_ms + 60_001));
    assert!(!outbound.sent()[0].body.contains("offset"), "an offset would take them");
}

#[tokio::test]
async fn discord_fills_in_its_ids_turns_on_the_intent_and_keeps_foreign_commands() {
    let application = json!({
        "id": "42", "name": "Desk", "verify_key": "ab", "flags": 4, "interactions_endpoint_url": "https://old.example",
        "owner": { "id": "9", "username": "team7" },
        "team": { "owner_user_id": "8", "members": [{ "user": { "id": "8", "username": "ines", "global_name": "Ines" } }] },
    });
    let outbound = outbound(move |call| match call {
        "GET applications/@me" => (200, application.clone()),
        "GET applications/42/commands" => {
            (200, json!([{ "id": "1", "name": "own" }, { "id": "2", "name": "halt" }]))
        }
        _ => (200, json!({})),
    });
    let account = account(&outbound);
    let discord = enrol(ChannelKind::Discord);
    let learnt = discord.learn(&account).await.unwrap();
    assert!(learnt.keys.contains(&("application_id", "42".to_owned())));
    assert_eq!(learnt.owner, Some(Person { id: "8".to_owned(), name: "Ines".to_owned() }));
    discord.register(&account, &learnt).await.unwrap();
    let sent = outbound.sent();
    let bodies = |method: &str| -> Vec<Value> {
        let of = sent.iter().filter(|sent| sent.method == method);
        of.map(|sent| serde_json::from_str(&sent.body).unwrap()).collect()
    };
    let changes = bodies("PATCH");
    assert_eq!(
        changes,
        [json!({ "interactions_endpoint_url": null }), json!({ "flags": 4 | 1 << 19 })]
    );
    let commands = &bodies("PUT")[0];
    let names: Vec<&str> =
        commands.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names.iter().filter(|name| **name == "halt").count(), 1);
    assert!(names.contains(&"own") && names.contains(&"ask"), "{names:?}");
    assert!(registry::COMMANDS.iter().all(|listed| names.contains(&listed.name)), "{names:?}");
}

/// Direct messages and mentions have their words without the intent.
#[tokio::test]
async fn discord_needs_the_message_content_intent_to_hear_everything_only() {
    let application = json!({ "id": "42", "name": "Desk", "verify_key": "ab", "flags": 0 });
    let outbound = outbound(move |_| (200, application.clone()));
    let account = account(&outbound);
    for (messages, errors) in [("mentions", 0), ("all", 1)] {
        let keys = vec![("messages", messages.to_owned())];
        let checked = Checked { name: "42".to_owned(), without_address: true, keys };
        let notes = enrol(ChannelKind::Discord).examine(&account, &checked).await;
        let found = notes.iter().filter(|note| note.weight == Weight::Error).count();
        assert_eq!(found, errors, "{messages}: {notes:?}");
    }
}

#[tokio::test]
async fn slack_names_the_scopes_that_a_token_lacks_and_a_dead_app_token() {
    let outbound = MemoryOutbound::new(|sent| {
        let is_socket = sent.url.ends_with("apps.connections.open");
        let body = if is_socket {
            json!({ "ok": false, "error": "invalid_auth" })
        } else {
            json!({ "ok": true, "team_id": "T0AAAA111", "team": "Acme", "user": "quintet" })
        };
        let mut headers = http::HeaderMap::new();
        headers.insert(
            "x-oauth-scopes",
            "chat:write,im:history,im:write,channels:history".parse().unwrap(),
        );
        Ok(OutboundResponse { status: 200, headers, body: body.to_string().into() })
    });
    let account = account(&outbound);
    let slack = enrol(ChannelKind::Slack);
    let trouble = slack.learn(&account).await.unwrap_err();
    assert!(
        trouble.what.contains("app-level token") && trouble.fix.contains("connections:write"),
        "{trouble:?}"
    );
    let checked = Checked { name: "T0AAAA111".to_owned(), without_address: true, keys: Vec::new() };
    let notes = slack.examine(&account, &checked).await;
    let errors: Vec<&str> = notes
        .iter()
        .filter(|note| note.weight == Weight::Error)
        .map(|note| note.what.as_str())
        .collect();
    assert_eq!(errors.len(), 2, "{notes:?}");
    assert!(
        errors[0].contains("app_mentions:read") && errors[1].contains("apps.connections.open"),
        "{notes:?}"
    );
}

#[tokio::test]
async fn platform_that_is_away_is_no_mistake_of_the_configuration() {
    let outbound = outbound(|_| (503, json!({})));
    let account = account(&outbound);
    for (kind, _) in with_accounts() {
        let trouble = enrol(kind).learn(&account).await.unwrap_err();
        assert!(trouble.is_away, "{kind}: {trouble:?}");
        let notes = enrol(kind).examine(&account, &Checked::default()).await;
        assert_eq!(notes[0].weight, Weight::Warning, "{kind}: {notes:?}");
    }
}

#[test]
fn channel_has_a_page_with_five_steps_and_the_guide_as_setup_prints_it() {
    for (kind, _) in channels::all() {
        let path = format!("{}/../../docs/channels/{kind}.md", env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let head = page.split("```text").next().unwrap();
        let is_step =
            |line: &&str| line.starts_with(|c: char| c.is_ascii_digit()) && line.contains(". ");
        assert_eq!(head.lines().filter(is_step).count(), 5, "{path}");
        assert!(page.contains(&format!("quintet setup {kind}")) && page.contains("quintet doctor"));
        if channels::enrol(kind).is_none() {
            continue;
        }
        for line in enrol(kind).guide(None).lines().filter(|line| !line.contains("manifest_json")) {
            assert!(page.contains(line), "{path}: {line}");
        }
        for asked in enrol(kind).secrets() {
            assert!(
                page.contains(&format!("Paste the {} (it is not shown)", asked.title)),
                "{path}"
            );
        }
    }
}
