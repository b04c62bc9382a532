//! Content of the pages, and the changes they allow.

use super::bed::{BASE, Bed};
use contracts::calls::webhook_aggregator::ReadLog;
use contracts::event::{Speaker, Stage};
use contracts::task::UnreadyAgent;
use contracts::{ErrorCode, Problem, ServiceName};
use serde_json::json;

#[tokio::test]
async fn cross_site_post_changes_nothing() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard", &cookie).await;
    let (halt, say) =
        (page.token("/dashboard/halt", "Halt"), page.token("/dashboard/console", "textarea"));
    for header in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for (path, token) in [
            ("/dashboard/halt", &halt),
            ("/dashboard/console", &say),
            ("/sign-in", &halt),
            ("/sign-out", &halt),
        ] {
            let answer = bed
                .post_with(path, &cookie, &[("token", token), ("text", "hello")], &[header])
                .await;
            assert_eq!(answer.status, 403, "{path} {header:?}");
        }
    }
    assert!(bed.changed().is_empty());
    let own = [("origin", "http://127.0.0.1:8787"), ("sec-fetch-site", "same-origin")];
    assert_eq!(
        bed.post_with("/dashboard/halt", &cookie, &[("token", &halt)], &own).await.status,
        303
    );
}

#[tokio::test]
async fn wrong_host_name_is_421_everywhere_except_health() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    for path in ["/dashboard", "/sign-in", "/api/stats", "/assets/x.css", "/nowhere", "/status"] {
        for host in ["evil.example:8787", "127.0.0.1:1", ""] {
            let answer = bed
                .send(
                    "GET",
                    path,
                    &[
                        ("host", host),
                        ("cookie", &cookie),
                        ("authorization", "Bearer operator-token"),
                    ],
                    "",
                )
                .await;
            assert_eq!(answer.status, 421, "{path} {host}");
        }
    }
    assert_eq!(bed.send("GET", "/health", &[("host", "evil.example")], "").await.status, 200);
    assert_eq!(
        bed.send("GET", "/dashboard", &[("host", "localhost:8787"), ("cookie", &cookie)], "")
            .await
            .status,
        200
    );
    let problem = bed.send("GET", "/api/stats", &[("host", "evil.example")], "").await;
    assert_eq!(problem.json()["code"], "misdirected");
}

#[tokio::test]
async fn pages_show_script_tags_as_text() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    bed.world.say(
        Speaker::Agent,
        Some("<script>agent"),
        "<script>alert(1)</script>\n- <img src=x onerror=alert(2)>",
        None,
    );
    let event = "/dashboard/events/slack.main.01J8AAAAAAAAAAAAAAAAAAAAA5";
    for path in [
        "/dashboard",
        "/dashboard/events",
        event,
        "/dashboard/approvals",
        "/dashboard/approvals/apr_01J8B2",
        "/dashboard/console/feed?hold=0",
    ] {
        let page = bed.get(path, &cookie).await;
        assert_eq!(page.status, 200, "{path}");
        let text = page.text.replace("<script src=\"/monitoring-dashboard/assets/dashboard-", "");
        assert!(
            !text.contains("<script") && !text.contains("<img src=x") && !text.contains("<b>"),
            "{path}"
        );
        assert!(text.contains("&lt;"), "{path} shows it as text");
    }
}

#[tokio::test]
async fn log_of_a_program_is_shown_closed_and_as_text_once_its_run_has_ended() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let path = "/dashboard/events/discord.main.01J8AAAAAAAAAAAAAAAAAAAAA3";
    let (summary, text) = ("Program’s log</summary>", "&lt;b&gt;no disk&lt;/b&gt;\n&lt;script&gt;");
    assert!(!bed.get(path, &cookie).await.text.contains(summary), "it had no run");
    let set = |state: Stage| {
        let mut events = bed.world.events.lock().unwrap();
        let found = events.iter_mut().find(|event| path.ends_with(event.row.id.as_str())).unwrap();
        (found.row.state, found.row.task_id) = (state, Some(found.row.id.as_str().into()));
    };
    set(Stage::Failed);
    let page = bed.get(path, &cookie).await.text;
    assert!(page.contains(&format!("<details class=\"log\"><summary>{summary}")), "{page}");
    assert!(page.contains("70 bytes were left out") && page.contains(text), "{page}");
    assert!(!page.contains("<b>"), "{page}");
    set(Stage::Running);
    assert!(!bed.get(path, &cookie).await.text.contains(summary), "its run goes on");
    set(Stage::Failed);
    bed.fakes.refuse::<ReadLog>([Problem::new(ErrorCode::NotFound, "an older server")]);
    let page = bed.get(path, &cookie).await;
    assert!(page.status == 200 && !page.text.contains(summary));
}

#[tokio::test]
async fn pages_have_security_headers() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    for path in ["/dashboard", "/sign-in?x=1", "/dashboard/nowhere", "/dashboard/events/none"] {
        let page = bed.get(path, &cookie).await;
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains("default-src 'self'")
                && policy.contains("frame-ancestors 'none'")
                && policy.contains("form-action 'self'")
                && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(
            (page.header("x-content-type-options"), page.header("cache-control")),
            ("nosniff", "no-store"),
            "{path}"
        );
        assert!(!page.text.contains(" style=") && !page.text.contains(" onclick="), "{path}");
    }
}

#[tokio::test]
async fn missing_pages_get_an_html_page() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    for path in ["/dashboard/nowhere", "/dashboard/events/none", "/dashboard/approvals/none"] {
        let page = bed.get(path, &cookie).await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (404, "text/html; charset=utf-8"),
            "{path}"
        );
        assert!(page.text.contains("<h1>Not found</h1>"), "{path}");
    }
}

#[tokio::test]
async fn pages_render_when_every_other_service_is_down() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    bed.fakes.all_down();
    for path in [
        "/dashboard",
        "/dashboard/live",
        "/dashboard/events",
        "/dashboard/approvals",
        "/dashboard/agents",
        "/dashboard/health",
        "/dashboard/budget",
        "/dashboard/api",
    ] {
        assert_eq!(bed.get(path, &cookie).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn assets_are_cached_forever_by_content_name() {
    let bed = Bed::new();
    let page = bed.get("/sign-in", "").await;
    for (part, kind) in [
        (".css", "text/css; charset=utf-8"),
        (".js", "text/javascript; charset=utf-8"),
        (".svg", "image/svg+xml"),
    ] {
        let path = page
            .text
            .split('"')
            .find(|text| text.contains("/assets/") && text.ends_with(part))
            .unwrap();
        let asset = bed.get(path.strip_prefix(BASE).unwrap(), "").await;
        assert_eq!((asset.status.as_u16(), asset.header("content-type")), (200, kind));
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
    }
    assert_eq!(bed.get("/assets/dashboard-000000000000.css", "").await.status, 404);
}

#[tokio::test]
async fn console_works_without_a_script() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let token = bed.get("/dashboard", &cookie).await.token("/dashboard/console", "textarea");
    let answer = bed
        .post("/dashboard/console", &cookie, &[("token", &token), ("text", "Plan the sprint")])
        .await;
    assert_eq!(answer.status, 303);
    let page = bed.get("/dashboard", &cookie).await;
    assert!(page.text.contains("Plan the sprint") && page.text.contains("Routed"));
    let empty = bed.post("/dashboard/console", &cookie, &[("token", &token), ("text", "  ")]).await;
    assert_eq!(empty.status, 422);
}

#[tokio::test]
async fn console_feed_delivers_answers_and_stages() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let token = bed.get("/dashboard", &cookie).await.token("/dashboard/console", "textarea");
    let json = [("accept", "application/json")];
    let accepted = bed
        .post_with("/dashboard/console", &cookie, &[("token", &token), ("text", "Plan")], &json)
        .await
        .json();
    let event = accepted["event"].as_str().unwrap().to_owned();
    let first =
        bed.get(&format!("/dashboard/console/feed?after=0&event={event}"), &cookie).await.json();
    assert_eq!((first["last"].as_i64(), first["over"].as_bool()), (Some(1), Some(false)));
    assert!(first["track"].as_str().unwrap().contains("Routed"));
    let mark = first["mark"].as_str().unwrap();
    let quiet = bed
        .get(&format!("/dashboard/console/feed?after=1&event={event}&mark={mark}&hold=0"), &cookie)
        .await
        .json();
    assert_eq!((quiet["lines"].as_array().unwrap().len(), &quiet["track"]), (0, &json!(null)));
    bed.world.events.lock().unwrap()[0].row.state = Stage::Done;
    bed.world.say(Speaker::Agent, Some("pm"), "Two weeks.", Some(&event));
    let last = bed
        .get(&format!("/dashboard/console/feed?after=1&event={event}&mark={mark}"), &cookie)
        .await
        .json();
    assert!(
        last["lines"][0]["html"].as_str().unwrap().contains("Two weeks.")
            && last["over"].as_bool().unwrap()
    );
}

#[tokio::test]
async fn console_keeps_an_edited_answer_below_its_question() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    for text in ["First question", "Working on it", "Second question"] {
        bed.world.say(Speaker::System, None, text, None);
        bed.clock.advance(1_000);
    }
    bed.world.edit("s2", "First answer");
    let page = bed.get("/dashboard", &cookie).await.text;
    let places: Vec<_> = ["First question", "First answer", "Second question"]
        .map(|text| page.find(text).unwrap())
        .into();
    assert!(places.is_sorted() && !page.contains("Working on it"));
}

#[tokio::test]
async fn console_starts_a_new_conversation() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard", &cookie).await;
    let token = page.token("/dashboard/console", "name=\"fresh\"");
    bed.post("/dashboard/console", &cookie, &[("token", &token), ("fresh", "1")]).await;
    bed.post("/dashboard/console", &cookie, &[("token", &token), ("text", "Hello")]).await;
    let (_, body) = bed.changed().remove(0);
    assert!(body["conversation"].as_str().unwrap().starts_with("web:console:dashboard-"), "{body}");
}

#[tokio::test]
async fn halt_page_stops_and_resumes_everything() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let halt = bed.get("/dashboard", &cookie).await.token("/dashboard/halt", "Halt");
    bed.post("/dashboard/halt", &cookie, &[("token", &halt), ("reason", "odd bills")]).await;
    let page = bed.get("/dashboard", &cookie).await;
    assert!(page.text.contains("Everything is halted") && page.text.contains("odd bills"));
    let resume = page.token("/dashboard/resume", "Resume");
    assert_eq!(bed.post("/dashboard/resume", &cookie, &[("token", &halt)]).await.status, 403);
    assert_eq!(bed.post("/dashboard/resume", &cookie, &[("token", &resume)]).await.status, 303);
    let paths: Vec<_> =
        bed.changed().into_iter().map(|(path, body)| (path, body["actor"].clone())).collect();
    assert_eq!(
        paths,
        [
            ("/api/halt".to_owned(), json!("dashboard")),
            ("/api/resume".to_owned(), json!("dashboard"))
        ]
    );
}

#[tokio::test]
async fn event_page_shows_what_its_run_says_as_text() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let path = "/dashboard/events/telegram.main.01J8AAAAAAAAAAAAAAAAAAAAA6";
    let page = bed.get(path, &cookie).await.text;
    assert!(page.contains("running &lt;b&gt;cargo test&lt;/b&gt;") && page.contains("$0.12"));
    assert!(!page.contains("<b>cargo"), "{page}");
}

#[tokio::test]
async fn event_page_follows_a_run_by_its_cursor_and_an_ended_event_not_at_all() {
    use contracts::calls::webhook_aggregator::ReadEvent;
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let events = bed.world.events.lock().unwrap().clone();
    let path = |is_final: bool| {
        let found = events.iter().find(|event| event.row.state.is_final() == is_final).unwrap();
        format!("/dashboard/events/{}", found.row.id)
    };
    let page = bed.get(&path(false), &cookie).await.text;
    assert!(page.contains("data-cursor=\"7.0.1\""), "{page}");
    assert!(!bed.get(&path(true), &cookie).await.text.contains("data-cursor"));
    bed.get(&format!("{}?after=7.0.1", path(false)), &cookie).await;
    let asked = bed.fakes.asked::<ReadEvent>();
    let waits: Vec<_> = asked.iter().map(|query| (query.wait, query.after.as_deref())).collect();
    assert_eq!(waits, [(0, None), (0, None), (25, Some("7.0.1"))]);
}

#[tokio::test]
async fn event_page_replays_the_event() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let path = "/dashboard/events/telegram.main.01J8AAAAAAAAAAAAAAAAAAAAA6";
    let token = bed.get(path, &cookie).await.token(&format!("{path}/replay"), "Replay");
    let other = "/dashboard/events/discord.main.01J8AAAAAAAAAAAAAAAAAAAAA3/replay";
    assert_eq!(bed.post(other, &cookie, &[("token", &token)]).await.status, 403);
    assert!(
        bed.post(&format!("{path}/replay"), &cookie, &[("token", &token)])
            .await
            .location()
            .ends_with("?note=replayed")
    );
    assert_eq!(bed.changed().len(), 1);
}

/// An answer that its chat did not take is offered without another run, beside the replay.
#[tokio::test]
async fn event_page_sends_a_kept_answer_again() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let path = "/dashboard/events/telegram.main.01J8AAAAAAAAAAAAAAAAAAAAA6";
    assert!(!bed.get(path, &cookie).await.text.contains("Send the answer again"));
    for event in bed.world.events.lock().unwrap().iter_mut() {
        event.row.state = Stage::Dead;
        event.row.reason = Some("reply_failed: Telegram 403".to_owned());
    }
    let page = bed.get(path, &cookie).await;
    assert!(page.text.contains("Replay this event"));
    let token = page.token(&format!("{path}/deliver"), "Send the answer again");
    let answer = bed.post(&format!("{path}/deliver"), &cookie, &[("token", &token)]).await;
    assert!(answer.location().ends_with("?note=delivered"));
}

#[tokio::test]
async fn events_page_filters_by_state_and_pages() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let all = bed.get("/dashboard/events", &cookie).await;
    assert!(all.text.contains("cursor=next%20page%261"));
    let dead = bed.get("/dashboard/events?state=dead&channel=telegram", &cookie).await;
    assert!(
        dead.text.contains("Summarise the incident channel")
            && !dead.text.contains("Plan the next sprint")
    );
    let none = bed.get("/dashboard/events?state=quarantined", &cookie).await;
    assert!(none.text.contains("No event matches"));
}

#[tokio::test]
async fn agents_page_marks_an_agent_without_a_machine_as_not_ready() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let before = bed.get("/dashboard/agents", &cookie).await.text;
    assert!(!before.contains(">no machine<"), "{before}");
    *bed.world.office.lock().unwrap() = true;
    *bed.world.gateway_age_ms.lock().unwrap() = 61_000;
    let after = bed.get("/dashboard/agents", &cookie).await.text;
    assert!(
        after.contains("gw-home: silent, 1 running")
            && after.contains("gw-office: ready, 0 running"),
        "{after}"
    );
    // The office can still run codegen; no machine runs the others.
    let row = |title: &str| after.split("<tr>").find(|row| row.contains(title)).unwrap().to_owned();
    assert!(row("Code generation").contains(">ready<"), "{}", row("Code generation"));
    assert!(row("Project management").contains(">no machine<"), "{}", row("Project management"));
}

#[tokio::test]
async fn agents_page_drains_a_gateway() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/agents", &cookie).await;
    assert!(
        page.text.contains("gw-home: ready, 1 running")
            && page.text.contains("gw-office: ready, 0 running")
    );
    let token = page.token("/dashboard/gateways/drain", "Take out of service");
    let of = |gateway: &'static str, drained: &'static str| {
        [("token", token.as_str()), ("gateway", gateway), ("drained", drained)]
    };
    assert_eq!(
        bed.post("/dashboard/gateways/drain", &cookie, &of("gw-office", "true")).await.status,
        403
    );
    assert_eq!(
        bed.post("/dashboard/gateways/drain", &cookie, &of("gw-home", "false")).await.status,
        403
    );
    assert_eq!(bed.changed(), []);
    assert!(
        bed.post("/dashboard/gateways/drain", &cookie, &of("gw-home", "true"))
            .await
            .location()
            .ends_with("/dashboard/agents?note=drained")
    );
    assert_eq!(
        bed.changed(),
        [("/api/gateways/gw-home/drain".to_owned(), serde_json::json!({ "drained": true }))]
    );
    assert!(
        bed.get("/dashboard/agents?note=drained", &cookie).await.text.contains("gets no new tasks")
    );
}

#[tokio::test]
async fn the_api_page_lists_the_calls_of_every_service_that_answers() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/api", &cookie).await;
    for part in ["GET /api/stats", "POST /api/approve", "agent", "Ask for approval"] {
        assert!(page.text.contains(part), "{part} is missing");
    }
    bed.fakes.down(ServiceName::PersonalAssistant);
    let page = bed.get("/dashboard/api", &cookie).await;
    assert!(!page.text.contains("POST /api/approve"));
    assert!(page.text.contains("personal-assistant does not answer"), "{}", page.text);
}

#[tokio::test]
async fn the_openapi_document_is_open_under_any_host_name() {
    let bed = Bed::new();
    let document = bed.get("/openapi.json", "").await;
    assert_eq!(document.header("content-type"), "application/json");
    let document: serde_json::Value = serde_json::from_str(&document.text).unwrap();
    assert_eq!(document["info"]["title"], "monitoring-dashboard");
}

#[tokio::test]
async fn agents_page_says_which_agent_is_not_ready_and_why() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let missing = |may_start| UnreadyAgent {
        agent: "codegen".into(),
        why: "its program x is not there".to_owned(),
        fix: "install x".to_owned(),
        may_start,
    };
    for (may_start, is_red) in [(false, true), (true, false)] {
        *bed.world.unready.lock().unwrap() = vec![missing(may_start)];
        let page = bed.get("/dashboard/agents", &cookie).await.text;
        assert!(page.contains("not ready: its program x is not there"), "{page}");
        assert_eq!(page.contains(">not ready<"), is_red, "{page}");
    }
    // Another machine in service has it.
    *bed.world.unready.lock().unwrap() = Vec::new();
    assert!(!bed.get("/dashboard/agents", &cookie).await.text.contains("not ready"));
}
