//! Schedules: a message that comes by itself, once for each due time, whatever happened meanwhile.

use crate::bed::{Bed, OPERATOR, bed, bed_with, config};
use contracts::calls::agency_router::RouteEvent;
use contracts::calls::personal_assistant::{Approve, PlanSchedule};
use contracts::schedule::{DueTime, PlanAnswer};
use contracts::{ErrorCode, Problem, Shard};
use platform::edge::ApiError;
use platform::ports::{Clock, PortErrorKind};
use platform::time::{parse_rfc3339, rfc3339};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;
const CHAT: &str = "telegram:main:700100200";

/// An assistant that knows `every = "<n>h"` and instants.
fn plans(bed: &Bed) {
    bed.fakes.on::<PlanSchedule>(|(), asked| {
        let due = |at_ms: i64| DueTime { at_ms, local: format!("the time {}", rfc3339(at_ms)) };
        if let Some(at) = &asked.timing.at {
            let at = parse_rfc3339(at).map(due);
            let is_past = at.as_ref().is_some_and(|at| at.at_ms <= asked.now_ms);
            let (latest, next) = if is_past { (at, None) } else { (None, at) };
            return Ok(PlanAnswer { latest, next });
        }
        let every = asked.timing.every.as_deref().and_then(|text| text.strip_suffix('h'));
        let Some(hours) = every.and_then(|hours| hours.parse::<i64>().ok()) else {
            let problem = Problem::field("cron", "`cron` is \"x\".", "Write five fields.");
            return Err(ApiError::from(problem));
        };
        let passed = (asked.now_ms - asked.since_ms) / (hours * HOUR);
        let time = |count: i64| due(asked.since_ms + count * hours * HOUR);
        Ok(PlanAnswer { latest: (passed > 0).then(|| time(passed)), next: Some(time(passed + 1)) })
    });
}

fn new(name: &str, on_missed: &str) -> Value {
    json!({ "name": name, "every": "1h", "conversation": CHAT,
        "message": "summarise my open tickets", "onMissed": on_missed })
}

async fn bed_of(schedules: &[Value]) -> Bed {
    let bed = bed();
    plans(&bed);
    for schedule in schedules {
        let (status, made) = bed.post("/api/schedules", OPERATOR, schedule).await;
        assert_eq!(status, 201, "{made}");
    }
    bed
}

/// The timer of the inbox.
async fn pump(bed: &Bed) {
    let shard = Shard::new("telegram.main");
    webhook_aggregator::pump(&bed.deps, &shard).await.unwrap();
    bed.settle().await;
}

async fn listed(bed: &Bed) -> Vec<Value> {
    bed.get("/api/schedules").await["schedules"].as_array().unwrap().clone()
}

async fn events(bed: &Bed) -> Vec<Value> {
    bed.get("/api/events?limit=500").await["events"].as_array().unwrap().clone()
}

/// The messages of Telegram that have the question's buttons: their data.
fn questions(bed: &Bed) -> Vec<[String; 2]> {
    let sent = bed.sent("/sendMessage").into_iter().filter(|body| body.contains("Run now"));
    sent.map(|body| {
        let body: Value = serde_json::from_str(&body).unwrap();
        let mut data = Vec::new();
        collect(&body["reply_markup"], &mut data);
        data.try_into().unwrap()
    })
    .collect()
}

fn collect(value: &Value, data: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|item| collect(item, data)),
        Value::Object(map) => {
            data.extend(map.get("callback_data").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|item| collect(item, data));
        }
        _ => {}
    }
}

async fn press(bed: &Bed, id: u64, user: u64, data: &str) {
    let body = json!({ "update_id": id, "callback_query": { "id": id.to_string(), "from": { "id": user },
        "message": { "message_id": 43, "chat": { "id": 700_100_200, "type": "private" }, "date": 1_790_000_000 },
        "data": data } });
    bed.telegram_update(&body).await;
}

#[tokio::test]
async fn schedule_fires_as_an_event_of_an_approver_and_its_answer_names_it() {
    let bed = bed_of(&[new("digest", "run")]).await;
    let due = bed.clock.now_ms() + HOUR;
    bed.clock.advance(HOUR - 1);
    pump(&bed).await;
    assert!(events(&bed).await.is_empty());
    bed.clock.advance(1);
    pump(&bed).await;
    let event = bed.event(&format!("schedule:digest:{due}")).await;
    assert_eq!(
        (&event["state"], &event["text"]),
        (&json!("running"), &json!("summarise my open tickets"))
    );
    let route = bed.fakes.bodies::<RouteEvent>().remove(0);
    assert_eq!(route["userId"], "telegram:main:700100200");
    let asked = bed.fakes.bodies::<Approve>().remove(0);
    assert_eq!(asked["channelContext"]["sender"], "telegram:main:700100200");
    assert_eq!(asked["channelContext"]["conversation"], CHAT);
    let description = asked["description"].as_str().unwrap();
    assert_eq!(description, "Schedule “digest”: summarise my open tickets");
    let task = bed.lease().await.remove(0);
    assert_eq!(task["message"], "summarise my open tickets");
    bed.finish(&task, "success", "Three tickets.").await;
    let replies = bed.event(&format!("schedule:digest:{due}")).await["replies"].clone();
    assert_eq!(replies[0]["text"], "Schedule “digest”:\n\nThree tickets.");
    let first: Value = serde_json::from_str(&bed.sent("/sendMessage")[0]).unwrap();
    assert!(first["reply_parameters"].is_null() && first["chat_id"] == 700_100_200, "{first}");
    let view = listed(&bed).await.remove(0);
    assert_eq!(view["nextDue"], rfc3339(due + HOUR));
    assert_eq!((&view["lastDue"], &view["lastEvent"]), (&json!(rfc3339(due)), &event["id"]));
}

#[tokio::test]
async fn schedule_that_was_missed_over_a_night_runs_once_asks_once_or_is_skipped() {
    for on_missed in ["run", "ask", "skip"] {
        let bed = bed_of(&[new("digest", on_missed)]).await;
        let made = bed.clock.now_ms();
        // Off for ten due times, until ten minutes after the last.
        bed.clock.advance(10 * HOUR + 600_000);
        for _ in 0..3 {
            pump(&bed).await;
        }
        let key = format!("schedule:digest:{}", made + 10 * HOUR);
        let keys = bed.inbox.keys();
        let view = listed(&bed).await.remove(0);
        assert_eq!(view["nextDue"], rfc3339(made + 11 * HOUR), "{on_missed}: no backlog");
        match on_missed {
            "run" => assert_eq!((keys, questions(&bed).len()), (vec![key], 0)),
            "skip" => assert_eq!((keys, questions(&bed).len()), (vec![], 0)),
            _ => {
                assert_eq!((keys, questions(&bed).len()), (vec![], 1));
                assert_eq!(view["askedAbout"], rfc3339(made + 10 * HOUR));
                let [run, _] = questions(&bed).remove(0);
                press(&bed, 1, 666, &run).await;
                assert_eq!(bed.inbox.rows("schedule_question"), 1, "a stranger presses nothing");
                press(&bed, 2, 700_100_200, &run).await;
                press(&bed, 3, 700_100_200, &run).await;
                assert_eq!(bed.event(&key).await["state"], "running");
                assert_eq!(bed.inbox.rows("task"), 1);
                let edits = bed.sent("/editMessageText");
                assert!(edits.iter().any(|edit| edit.contains("Run now.")), "{edits:?}");
                assert!(listed(&bed).await[0]["askedAbout"].is_null());
            }
        }
    }
}

#[tokio::test]
async fn missed_schedule_that_is_skipped_by_a_button_runs_nothing() {
    let bed = bed_of(&[new("digest", "ask")]).await;
    bed.clock.advance(HOUR + 600_000);
    pump(&bed).await;
    let [run, skip] = questions(&bed).remove(0);
    press(&bed, 1, 700_100_200, &skip).await;
    press(&bed, 2, 700_100_200, &run).await;
    assert_eq!(bed.fakes.count::<RouteEvent>(), 0);
    // A forged button, and one of another chat, do nothing.
    for odd in ["m1", "m1:x:1", "m1:000000000000000000000000:1", "m1:a:b:c"] {
        press(&bed, 3, 700_100_200, odd).await;
    }
    assert_eq!(bed.fakes.count::<RouteEvent>(), 0);
    // The next time runs as usual.
    bed.clock.advance(HOUR - 600_000);
    pump(&bed).await;
    assert_eq!(bed.fakes.count::<RouteEvent>(), 1);
}

#[tokio::test]
async fn due_time_within_five_minutes_is_not_missed_and_the_newest_one_decides() {
    let bed = bed_of(&[new("digest", "ask")]).await;
    let made = bed.clock.now_ms();
    bed.clock.advance(3 * HOUR + 240_000);
    pump(&bed).await;
    assert_eq!(bed.inbox.keys(), [format!("schedule:digest:{}", made + 3 * HOUR)]);
    assert!(questions(&bed).is_empty());
}

#[tokio::test]
async fn schedule_is_fired_once_by_pumps_that_look_at_the_same_time() {
    let bed = bed_of(&[new("digest", "run"), new("other", "run")]).await;
    bed.clock.advance(HOUR);
    let shard = Shard::new("telegram.main");
    let pumps = (0..8).map(|_| webhook_aggregator::pump(&bed.deps, &shard));
    for pumped in futures_util::future::join_all(pumps).await {
        pumped.unwrap();
    }
    bed.settle().await;
    assert_eq!(bed.inbox.keys().len(), 2);
}

#[tokio::test]
async fn schedule_waits_for_the_assistant_and_fires_once_after_a_fault_of_the_inbox() {
    let bed = bed_of(&[new("digest", "run")]).await;
    bed.clock.advance(HOUR);
    bed.fakes.on::<PlanSchedule>(|(), _| Err(ApiError::new(ErrorCode::Unavailable, "down")));
    pump(&bed).await;
    let view = listed(&bed).await.remove(0);
    assert!(view["note"].as_str().unwrap().contains("tried again"), "{view}");
    assert!(bed.inbox.keys().is_empty());
    plans(&bed);
    bed.clock.advance(15_000);
    let shard = Shard::new("telegram.main");
    // The claim passes, then the firing is refused.
    bed.inbox.faults.pass_next(1);
    bed.inbox.faults.refuse_next(1, PortErrorKind::Full);
    assert!(webhook_aggregator::pump(&bed.deps, &shard).await.is_err());
    assert!(bed.inbox.keys().is_empty(), "nothing of it is kept");
    // The next takes effect without its caller's knowing.
    bed.inbox.faults.pass_next(1);
    bed.inbox.faults.keep_but_fail_next(1);
    assert!(webhook_aggregator::pump(&bed.deps, &shard).await.is_err());
    for _ in 0..3 {
        pump(&bed).await;
    }
    assert_eq!(bed.inbox.keys().len(), 1);
    assert_eq!(bed.fakes.count::<RouteEvent>(), 1);
}

#[tokio::test]
async fn halt_holds_a_schedule_like_a_message() {
    let bed = bed_of(&[new("digest", "run")]).await;
    bed.world.set(|answers| {
        answers.halted = true;
        let halted = fakes::approve_answer(contracts::approval::ApprovalState::Rejected);
        let code = Some(ErrorCode::Halted.as_str().to_owned());
        answers.approve =
            Some(contracts::approval::ApproveAnswer { approved: false, code, ..halted });
    });
    bed.clock.advance(HOUR);
    pump(&bed).await;
    let key = bed.inbox.keys().remove(0);
    let event = bed.event(&key).await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("routed"), &json!("halted")));
    bed.world.set(|answers| (answers.halted, answers.approve) = (false, None));
    bed.clock.advance(61_000);
    pump(&bed).await;
    assert_eq!(bed.event(&key).await["state"], "running");
    assert_eq!(bed.inbox.keys().len(), 1);
}

#[tokio::test]
async fn schedule_that_runs_once_ends_and_a_time_in_the_past_is_refused() {
    let bed = bed_of(&[]).await;
    let at = |ms: i64| json!({ "name": "once", "at": rfc3339(ms), "conversation": CHAT, "message": "hello" });
    let now = bed.clock.now_ms();
    let (status, problem) = bed.post("/api/schedules", OPERATOR, &at(now - 1)).await;
    assert_eq!((status, &problem["field"]), (422, &json!("at")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("in the past"), "{problem}");
    assert_eq!(bed.post("/api/schedules", OPERATOR, &at(now + HOUR)).await.0, 201);
    bed.clock.advance(HOUR);
    pump(&bed).await;
    bed.clock.advance(24 * HOUR);
    pump(&bed).await;
    assert_eq!(bed.inbox.keys(), [format!("schedule:once:{}", now + HOUR)]);
    let view = listed(&bed).await.remove(0);
    assert_eq!((&view["ended"], &view["nextDue"]), (&json!(true), &Value::Null));
    // Its name is free again.
    let later = bed.clock.now_ms() + HOUR;
    assert_eq!(bed.post("/api/schedules", OPERATOR, &at(later)).await.0, 201);
}

#[tokio::test]
async fn schedule_is_made_listed_and_removed_by_the_operator_alone() {
    let bed = bed_of(&[new("digest", "run")]).await;
    let (status, same) = bed.post("/api/schedules", OPERATOR, &new("digest", "run")).await;
    assert_eq!((status, &same["name"]), (201, &json!("digest")), "the same again");
    let (status, problem) = bed.post("/api/schedules", OPERATOR, &new("digest", "skip")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("conflict")));
    for token in ["", crate::bed::GATEWAY] {
        assert!([401, 403].contains(&bed.post("/api/schedules", token, &new("x", "run")).await.0));
        assert!([401, 403].contains(&bed.ask("GET", "/api/schedules", token, &[], "").await.0));
        assert!(
            [401, 403]
                .contains(&bed.ask("DELETE", "/api/schedules/digest", token, &[], "").await.0)
        );
    }
    let with = |key: &str, value: &str| {
        let mut body = new("odd", "run");
        body[key] = json!(value);
        body
    };
    for (body, field) in [
        (with("name", "a b"), "name"),
        (with("message", " "), "message"),
        (with("message", &"x".repeat(4_001)), "message"),
        (with("message", "/halt"), "message"),
        (with("message", "stop"), "message"),
        (with("conversation", "telegram:nowhere:1"), "conversation"),
        (with("conversation", "telegram:main"), "conversation"),
        (with("conversation", "hook:ci:one"), "conversation"),
        (with("every", "x"), "cron"),
    ] {
        let (status, problem) = bed.post("/api/schedules", OPERATOR, &body).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{problem}");
    }
    let (status, rest) = bed.ask("DELETE", "/api/schedules/digest", OPERATOR, &[], "").await;
    let rest: Value = serde_json::from_slice(&rest).unwrap();
    assert_eq!((status, rest), (200, json!({ "schedules": [] })));
    assert_eq!(bed.ask("DELETE", "/api/schedules/digest", OPERATOR, &[], "").await.0, 404);
    bed.clock.advance(HOUR);
    pump(&bed).await;
    assert!(bed.inbox.keys().is_empty());
}

#[tokio::test]
async fn schedule_of_the_configuration_is_planned_kept_over_a_restart_and_not_removed_by_the_api() {
    let mut whole = config();
    whole["schedules"] = json!({ "digest": { "every": "1h", "conversation": CHAT,
        "message": "summarise", "on_missed": "skip", "agent": "pm" } });
    let bed = bed_with(whole);
    plans(&bed);
    webhook_aggregator::sync_schedules(&bed.deps).await.unwrap();
    pump(&bed).await;
    let view = listed(&bed).await.remove(0);
    let due = bed.clock.now_ms() + HOUR;
    assert_eq!((&view["madeBy"], &view["nextDue"]), (&json!("file"), &json!(rfc3339(due))));
    // A restart before the due time, and another one after it.
    bed.clock.advance(HOUR / 2);
    webhook_aggregator::sync_schedules(&bed.deps).await.unwrap();
    pump(&bed).await;
    assert_eq!(listed(&bed).await[0]["nextDue"], rfc3339(due));
    bed.clock.advance(HOUR / 2);
    webhook_aggregator::sync_schedules(&bed.deps).await.unwrap();
    pump(&bed).await;
    assert_eq!(bed.inbox.keys(), [format!("schedule:digest:{due}")]);
    assert_eq!(bed.fakes.bodies::<RouteEvent>()[0]["boundAgent"], "pm");
    let (status, problem) = bed.ask("DELETE", "/api/schedules/digest", OPERATOR, &[], "").await;
    assert_eq!(status, 409, "{problem:?}");
    assert_eq!(bed.post("/api/schedules", OPERATOR, &new("digest", "run")).await.0, 409);
}

#[tokio::test]
async fn schedule_runs_now_by_the_api_and_that_answers_its_question() {
    let bed = bed_of(&[new("digest", "ask")]).await;
    let made = bed.clock.now_ms();
    bed.clock.advance(HOUR + 600_000);
    pump(&bed).await;
    let run = async || {
        let (status, run) = bed.post("/api/schedules/digest/run", OPERATOR, &json!({})).await;
        assert_eq!(status, 200, "{run}");
        bed.settle().await;
    };
    run().await;
    assert_eq!(bed.inbox.keys(), [format!("schedule:digest:{}", made + HOUR)]);
    assert!(bed.sent("/editMessageText").iter().any(|edit| edit.contains("Run now.")));
    run().await;
    assert!(bed.inbox.keys()[1].starts_with("schedule:digest:now:"));
    assert_eq!(bed.post("/api/schedules/nope/run", OPERATOR, &json!({})).await.0, 404);
}

#[tokio::test]
async fn schedule_takes_nothing_up_from_its_conversation() {
    let bed = bed_of(&[new("digest", "run")]).await;
    bed.telegram(1, "earlier").await;
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", "Done. Which one?").await;
    bed.clock.advance(HOUR);
    pump(&bed).await;
    let route = bed.fakes.bodies::<RouteEvent>().remove(1);
    assert_eq!(
        (&route["stickyAgent"], &route["previous"]),
        (&Value::Null, &Value::Null),
        "{route}"
    );
}

#[tokio::test]
async fn schedule_finds_the_chat_of_each_channels_conversation() {
    let bed = bed_of(&[]).await;
    let config = &bed.deps.config;
    let of = |conversation: &str| {
        let chat = config.chat(conversation).ok().map(|chat| chat.target);
        chat.map(|target| (target.chat, target.thread))
    };
    let named = |channel: &str| {
        let endpoint =
            config.endpoints.iter().find(|endpoint| endpoint.channel.as_str() == channel);
        endpoint.unwrap().name.clone()
    };
    let chat =
        |chat: &str, thread: Option<&str>| Some((chat.to_owned(), thread.map(str::to_owned)));
    let (slack, discord, matrix) = (named("slack"), named("discord"), named("matrix"));
    assert_eq!(of("telegram:main:-1001:42"), chat("-1001", Some("42")));
    assert_eq!(of(&format!("slack:{slack}:T1:C1")), chat("C1", None));
    assert_eq!(of(&format!("slack:{slack}:T1:C1:17.5")), chat("C1", Some("17.5")));
    assert_eq!(of(&format!("slack:{slack}:C1")), None);
    assert_eq!(of(&format!("discord:{discord}:77:88")), chat("88", None));
    assert_eq!(of(&format!("discord:{discord}:88")), chat("88", None));
    assert_eq!(of(&format!("matrix:{matrix}:!r:example.org")), chat("!r:example.org", None));
    assert_eq!(
        of(&format!("matrix:{matrix}:!r:example.org:$e")),
        chat("!r:example.org", Some("$e"))
    );
    assert_eq!(of("web:console:daily"), chat("web:console:daily", None));
}

#[tokio::test]
async fn missed_schedule_of_the_console_is_written_there_and_sent_nowhere() {
    let mut schedule = new("digest", "ask");
    schedule["conversation"] = json!("web:console:daily");
    let bed = bed_of(&[schedule]).await;
    bed.clock.advance(HOUR + 600_000);
    webhook_aggregator::pump(&bed.deps, &Shard::new("web.console")).await.unwrap();
    let lines = bed.get("/api/conversations/web:console:daily/messages").await;
    let text = lines["messages"][0]["text"].as_str().unwrap();
    assert!(text.contains("`quintet schedules run digest`"), "{text}");
    assert_eq!(bed.inbox.rows("outbox"), 0);
}

#[test]
fn schedules_of_the_configuration_report_every_mistake_with_its_place() {
    let mut whole = config();
    whole["schedules"] = json!({
        "no spaces": { "cron": "* * * * *", "conversation": CHAT, "message": "x" },
        "empty": {},
        "odd": { "every": "1h", "conversation": "fax:main:1", "message": "x", "on_missed": "perhaps", "colour": 1 },
    });
    let report = platform::config::Report::default();
    webhook_aggregator::Config::read(&whole, &report);
    let mut paths: Vec<_> =
        report.into_problems().into_iter().map(|problem| problem.path).collect();
    paths.sort();
    assert_eq!(
        paths,
        [
            "schedules.empty.conversation",
            "schedules.empty.message",
            "schedules.no spaces",
            "schedules.odd.colour",
            "schedules.odd.conversation",
            "schedules.odd.on_missed"
        ]
    );
}

/// The bed again with other approvers, over the same inbox.
fn with_approvers(bed: &Bed, approvers: &[&str]) -> webhook_aggregator::Deps {
    let mut changed = config();
    changed["endpoints"]["telegram"]["main"]["approvers"] = json!(approvers);
    let report = platform::config::Report::default();
    let read = webhook_aggregator::Config::read(&changed, &report);
    webhook_aggregator::Deps { config: std::sync::Arc::new(read), ..bed.deps.clone() }
}

#[tokio::test]
async fn schedule_of_an_approver_who_left_waits_and_is_not_run_in_the_name_of_another() {
    let bed = bed_of(&[new("digest", "run")]).await;
    bed.clock.advance(HOUR);
    let other = with_approvers(&bed, &["42"]);
    let shard = Shard::new("telegram.main");
    webhook_aggregator::pump(&other, &shard).await.unwrap();
    bed.settle().await;
    assert!(bed.inbox.keys().is_empty());
    let view = listed(&bed).await.remove(0);
    let note = view["note"].as_str().unwrap();
    assert!(note.contains("made for 700100200, who is no approver of telegram.main"), "{note}");
    // He is back.
    bed.clock.advance(61_000);
    pump(&bed).await;
    assert_eq!(bed.inbox.keys().len(), 1);
}
