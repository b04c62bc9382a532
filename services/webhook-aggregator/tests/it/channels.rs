//! Every channel has each of its parts: in the code, in `tests/vectors/`, in `docs/config.md`.

use crate::bed::{bed, bed_with, local_api, vectors};
use contracts::ChannelKind;
use contracts::channel::WayIn;
use platform::config::Report;
use platform::memory::ManualClock;
use serde_json::{Value, json};
use std::sync::Arc;
use webhook_aggregator::Config;
use webhook_aggregator::channels::{self, Connection, LocalMessage, LocalPlatform, Setup, Signed};

const REFERENCE: &str = include_str!("../../../../docs/config.md");
/// Keys that every channel has, and the one that is set for local endpoints alone.
const SHARED: [&str; 6] = ["api_base", "approvers", "senders", "agent", "chats", "local"];

fn platforms() -> impl Iterator<Item = (ChannelKind, &'static dyn LocalPlatform)> {
    channels::all().map(|(kind, _)| {
        let platform = channels::local_platform(kind);
        (kind, platform.unwrap_or_else(|| panic!("{kind} cannot be played on this machine")))
    })
}

fn connection(channel: ChannelKind) -> Arc<dyn Connection> {
    let config = Config::read(&crate::bed::config(), &Report::default());
    let endpoint = config.endpoints.into_iter().find(|endpoint| endpoint.channel == channel);
    endpoint.and_then(|endpoint| endpoint.connection).unwrap()
}

/// The keys that a channel's endpoint may have, as the configuration itself lists them.
fn keys(channel: ChannelKind) -> Vec<String> {
    let report = Report::default();
    let root = json!({ "endpoints": { channel.as_str(): { "main": { "nope": 1 } } } });
    Config::read(&root, &report);
    let problems = report.into_problems();
    let unknown = problems.iter().find(|problem| problem.path.ends_with(".nope")).unwrap();
    let (_, keys) = unknown.fix.split_once("the keys here are: ").unwrap();
    keys.trim_end_matches('.').split(", ").map(str::to_owned).collect()
}

#[test]
fn channels_without_our_own_api_have_a_platform() {
    for kind in ChannelKind::ALL {
        let by_api = kind.ways_in() == [WayIn::Api];
        assert_eq!(channels::channel(*kind).is_none(), by_api, "{kind}");
        assert_eq!(channels::local_platform(*kind).is_none(), by_api, "{kind}");
    }
}

#[test]
fn known_webhooks_of_every_channel_hold_one_that_is_taken_and_one_that_is_refused() {
    for (channel, file) in vectors() {
        let valid = |wanted: bool| {
            file["cases"].as_array().unwrap().iter().any(|case| case["valid"] == wanted)
        };
        assert!(valid(true) && valid(false), "{channel}");
    }
}

#[test]
fn configuration_reference_has_a_section_for_every_channel() {
    for (kind, channel) in channels::all() {
        let way = match kind.ways_in() {
            [WayIn::Mailbox, ..] => "IMAP and SMTP".to_owned(),
            _ => format!("`POST {}`", kind.webhook_path("<name>")),
        };
        let head = format!("## `[endpoints.{kind}.<name>]` → {way}\n");
        let (_, section) = REFERENCE.split_once(&head).unwrap_or_else(|| panic!("no {head}"));
        let section = section.split("\n## ").next().unwrap();
        assert!(section.contains(channel.default_api_base()), "{kind}: the default of api_base");
        for key in keys(kind).iter().filter(|key| *key != "local") {
            assert!(section.contains(&format!("`{key}`")), "{kind}: {key}");
        }
    }
}

#[test]
fn example_of_every_channel_has_all_its_keys() {
    for (kind, channel) in channels::all() {
        let example = channel.example();
        assert!(example.starts_with(&format!("[endpoints.{kind}.")), "{example}");
        assert_eq!(example.contains("\napprovers = "), kind.has_people(), "{example}");
        let required = vectors()[&kind]["endpoint"]["keys"].as_object().unwrap();
        for key in required.keys().filter(|key| !SHARED.contains(&key.as_str())) {
            let (needed, optional) = (format!("\n{key} = "), format!("\n# {key} = "));
            assert!(example.contains(&needed) || example.contains(&optional), "{kind}: {key}");
        }
    }
}

#[test]
fn setup_of_every_channel_names_the_address_of_the_webhook() {
    let by_webhook = |kind: &ChannelKind| kind.ways_in().first() == Some(&WayIn::Webhook);
    for (kind, _) in channels::all().filter(|(kind, _)| by_webhook(kind)) {
        let path = kind.webhook_path("main");
        let connection = connection(kind);
        let Setup::Steps(steps) = connection.set_up(&path, None) else {
            panic!("{kind}: nothing can be registered without an address");
        };
        assert!(steps.contains("https://"), "{kind}: {steps}");
        let address = format!("https://quintet.example.org{path}");
        match connection.set_up(&path, Some("https://quintet.example.org")) {
            Setup::Steps(steps) => assert!(steps.contains(&address), "{kind}: {steps}"),
            Setup::Request { request, done, .. } => {
                assert!(String::from_utf8_lossy(&request.body).contains(&address), "{kind}");
                assert!(done.contains(&address), "{kind}: {done}");
            }
            Setup::Refused(reason) => panic!("{kind}: {reason}"),
        }
    }
}

/// `quintet send`: the sample comes in by the webhook, and the answer is taken by the platform's
/// stand-in.
#[tokio::test]
async fn sample_of_every_channel_is_answered_on_this_machine() {
    for (kind, platform) in platforms() {
        let credentials = platform.credentials(&ManualClock::default());
        let bed = bed_with(local_config(kind, platform, &credentials));
        let signed = sample(platform, &credentials);
        assert_eq!(post(&bed, kind, &signed).await, 200, "{kind}");
        let event = bed.event(&signed.dedupe_key).await;
        assert_eq!(event["text"], "Is 1 < 2 & 3?", "{kind}");
        let task = bed.lease().await.remove(0);
        assert_eq!(bed.finish(&task, "success", "Yes.").await, 200, "{kind}");
        let event = bed.event(&signed.dedupe_key).await;
        assert_eq!(event["state"], "done", "{kind}: {event}");
    }
}

#[tokio::test]
async fn sample_with_another_signature_is_refused_on_every_channel() {
    for (kind, platform) in platforms() {
        let credentials = platform.credentials(&ManualClock::default());
        let mut signed = sample(platform, &credentials);
        let endpoint = vectors()[&kind]["endpoint"]["name"].as_str().unwrap();
        assert_eq!(post_to(&bed(), &kind.webhook_path(endpoint), &signed).await, 401, "{kind}");
        signed.headers.clear();
        let bed = bed_with(local_config(kind, platform, &credentials));
        assert_eq!(post(&bed, kind, &signed).await, 401, "{kind}");
    }
}

fn local_config(kind: ChannelKind, platform: &dyn LocalPlatform, credentials: &Value) -> Value {
    let mut endpoint = credentials.as_object().unwrap().clone();
    platform.signing_keys().iter().for_each(|key| drop(endpoint.remove(*key).unwrap()));
    if channels::channel(kind).unwrap().has_api() {
        endpoint.insert("api_base".to_owned(), local_api(kind).into());
    }
    endpoint.insert("local".to_owned(), true.into());
    json!({ "endpoints": { kind.as_str(): { "local": endpoint } } })
}

fn sample(platform: &dyn LocalPlatform, credentials: &Value) -> Signed {
    let said = LocalMessage { text: "Is 1 < 2 & 3?", now_s: 1_790_000_000, unique: 12_345_678_901 };
    platform.sample(credentials, &said).unwrap()
}

async fn post(bed: &crate::bed::Bed, kind: ChannelKind, signed: &Signed) -> u16 {
    post_to(bed, &kind.webhook_path("local"), signed).await
}

async fn post_to(bed: &crate::bed::Bed, path: &str, signed: &Signed) -> u16 {
    bed.clock.set(1_790_000_000_000);
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(signed.headers.iter().map(|(name, value)| (*name, value.as_str())));
    let status = bed.ask("POST", path, "", &headers, signed.body.clone()).await.0;
    bed.settle().await;
    status
}
