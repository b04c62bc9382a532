//! Chats connected from the dashboard, and the configuration that a running server reads again.

use crate::bed::{Home, Server, TELEGRAM_SECRET, telegram_config, telegram_update, within};
use crate::recorder::Recorder;
use crate::slack::Slack;
use serde_json::{Value, json};
use std::time::Duration;

const OWNER: u64 = 700_100_200;
const STRANGER: u64 = 666_000_666;
const PATIENCE: Duration = Duration::from_mins(1);
const PAGE: &str = "/monitoring-dashboard/dashboard/chats";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A signed-in browser.
struct Browser<'a> {
    server: &'a Server,
    cookie: String,
}

impl<'a> Browser<'a> {
    fn of(home: &Home, server: &'a Server) -> Self {
        let said = format!("token={}&next=", home.token("operator"));
        let answer = server.ask("POST", "/monitoring-dashboard/sign-in", &[FORM], &said);
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Self { server, cookie }
    }
    fn page(&self, path: &str) -> String {
        let answer = self.server.ask("GET", path, &[("cookie", &self.cookie)], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
    /// Sends the first form of the page that has this in it; returns the status, and the place it
    /// leads to or the page.
    fn press(&self, page: &str, mark: &str, more: &str) -> (u16, String) {
        let mut forms =
            page.split("<form ").skip(1).map(|form| form.split("</form>").next().unwrap());
        let form =
            forms.find(|form| form.contains(mark)).unwrap_or_else(|| panic!("{mark}: {page}"));
        let text = |tag: &str, name: &str| {
            let value = tag.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
            Some(value.to_owned())
        };
        let action = text(form, "action").unwrap();
        let fields = form.split("<input ").skip(1).filter(|input| input.contains("hidden"));
        let fields = fields.map(|input| {
            format!("{}={}&", text(input, "name").unwrap(), text(input, "value").unwrap())
        });
        let body = fields.collect::<String>() + more;
        let headers = [FORM, ("cookie", self.cookie.as_str())];
        let answer = self.server.ask("POST", &action, &headers, &body);
        let place = answer.header("location").map(str::to_owned);
        (answer.status, place.unwrap_or(answer.body))
    }
}

fn dated(update: &str, date_s: u64) -> String {
    let mut update: Value = serde_json::from_str(update).unwrap();
    update["message"]["date"] = date_s.into();
    update.to_string()
}

#[test]
fn dashboard_offers_who_writes_now_and_changes_the_platform_with_the_choice() {
    let recorder = Recorder::start();
    let config = telegram_config(&recorder.api_base, 1, &[1]).replace("5550001:TEST", "99:OLD");
    let home = Home::with_config(&config);
    let server = home.up();
    recorder.hands_over(&dated(&telegram_update(1, 777_000_777, "yesterday"), 1_790_000_000));
    recorder.hands_over(&telegram_update(2, STRANGER, "let me in"));
    let browser = Browser::of(&home, &server);
    let (_, trial) =
        browser.press(&browser.page(PAGE), "value=\"telegram\"", "secret0=5550001:TEST");
    let page = browser.page(&trial);
    assert!(page.contains("666000666") && !page.contains("777000777"), "{page}");
    assert!(page.contains("data-again="), "it goes on looking: {page}");
    let (_, again) = browser.press(&page, "None of these", "");
    assert_eq!(again, trial);
    recorder.hands_over(&telegram_update(3, OWNER, "it is me"));
    let page = browser.page(&trial);
    assert!(page.contains("700100200") && !page.contains("666000666"), "{page}");
    let calls = recorder.other();
    assert!(!calls.iter().any(|call| call.starts_with("delete") || call.starts_with("set")));
    let (status, place) = browser.press(&page, "value=\"700100200\"", "");
    assert!(status == 303 && place.contains("done=telegram.main-5550001"), "{status} {place}");
    assert!(recorder.other().contains(&"setMyCommands".to_owned()), "{:?}", recorder.other());
    let text = std::fs::read_to_string(home.path("quintet.toml")).unwrap();
    assert!(text.contains("approvers = [\"700100200\"]"), "{text}");
}

#[test]
fn trial_that_is_replaced_or_outlived_leaves_nothing_behind() {
    let slack = Slack::start(1);
    slack.calm();
    let config = format!(
        "[endpoints.slack.T0OTHER01]\nmode = \"webhook\"\nsigning_secret = \"s\"\nbot_token = \"xoxb-O\"\napprovers = [\"U1\"]\napi_base = \"{}\"\n",
        slack.api_base
    );
    let home = Home::with_config(&config);
    let server = home.up();
    let text = || std::fs::read_to_string(home.path("quintet.toml")).unwrap();
    let browser = Browser::of(&home, &server);
    let attempt = |secrets: &str| browser.press(&browser.page(PAGE), "value=\"slack\"", secrets);
    assert_eq!(attempt("secret0=xoxb-T&secret1=xapp-1-T").0, 303);
    assert!(text().contains("[endpoints.slack.T0AAAA111]"), "the server hears who writes");
    assert_eq!(attempt("secret0=nothing&secret1=nothing").0, 422);
    assert_eq!(text(), config, "replaced");
    assert_eq!(attempt("secret0=xoxb-T&secret1=xapp-1-T").0, 303);
    assert_ne!(text(), config);
    server.stop();
    assert_eq!(text(), config, "stopped");
}

#[test]
fn reload_takes_up_endpoints_and_limits_alone() {
    let recorder = Recorder::start();
    let home = Home::with_config("");
    let script = home.script("agent.sh", "ls in");
    let config = |bytes_max: u64, more: &str| {
        let text = format!(
            "{}[files]\nbytes_max = {bytes_max}\n{more}\
             [agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\nhistory = 0\ncommand = [\"{}\"]\n",
            telegram_config(&recorder.api_base, OWNER, &[OWNER]),
            script.display()
        );
        std::fs::write(home.path("quintet.toml"), text).unwrap();
    };
    config(100, "");
    recorder.keeps("pdf-1", b"%PDF-1.7 the note");
    let server = home.up();
    config(5, "[limits]\nsender_per_minute = 1\n");
    let bearer = format!("Bearer {}", home.token("operator"));
    let answer = server.ask("POST", "/local/config", &[("authorization", &bearer)], "");
    assert_eq!(answer.json()["needsRestart"], json!(["files"]), "{answer:?}");
    let post =
        |update: &str| server.ask("POST", "/telegram/main", &[TELEGRAM_SECRET], update).status;
    let mut update: Value = serde_json::from_str(&telegram_update(1, OWNER, "")).unwrap();
    update["message"].as_object_mut().unwrap().remove("text");
    update["message"]["caption"] = "@codegen look at this".into();
    update["message"]["document"] =
        json!({ "file_id": "pdf-1", "file_name": "note.pdf", "mime_type": "application/pdf" });
    assert_eq!(post(&update.to_string()), 200);
    within(PATIENCE, "the file reaches the agent", || {
        recorder.shows(1, |text| text.ends_with("note.pdf")).then_some(())
    });
    assert_eq!(post(&telegram_update(2, OWNER, "@codegen and this")), 200);
    within(PATIENCE, "the new limit holds", || {
        let list = server.get("/webhook-aggregator/api/events?channel=telegram");
        (list["events"][0]["reason"] == "rate_limited").then_some(())
    });
}
