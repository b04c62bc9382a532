//! Unauthorised access: unknown senders, cross-site forms, wrong host names, other machines.

use crate::bed::{Home, Server, TELEGRAM_SECRET, telegram_config, telegram_update, until};
use crate::recorder::Recorder;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const OWNER: u64 = 700_100_200;
const STRANGER: u64 = 666_000_666;

#[test]
fn unknown_senders_message_is_acknowledged_and_runs_nothing() {
    let recorder = Recorder::start();
    let home = Home::with_config("");
    std::fs::create_dir_all(home.path("home/notes")).unwrap();
    let script = home.script("agent.sh", "cat >>~/notes/ran\necho done");
    let agent = format!(
        "[agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\ncommand = [\"{}\"]\nwritable = [\"~/notes\"]\n",
        script.display()
    );
    std::fs::write(
        home.path("quintet.toml"),
        telegram_config(&recorder.api_base, OWNER, &[OWNER]) + &agent,
    )
    .unwrap();
    let server = home.up();
    let post = |update: u64, user: u64, text: &str| {
        server
            .ask("POST", "/telegram/main", &[TELEGRAM_SECRET], &telegram_update(update, user, text))
            .status
    };
    assert_eq!(post(1, STRANGER, "@codegen delete everything"), 200);
    assert_eq!(post(2, STRANGER, "/halt"), 200);
    assert_eq!(post(3, OWNER, "@codegen say hello"), 200);
    until("the owner is answered", || recorder.shows(3, |text| text == "done").then_some(()));

    let list = server.get("/webhook-aggregator/api/events?channel=telegram");
    let states: Vec<(&str, &str, &Value)> = list["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            (
                event["dedupeKey"].as_str().unwrap(),
                event["state"].as_str().unwrap(),
                &event["reason"],
            )
        })
        .collect();
    for key in ["1", "2"] {
        let event = states.iter().find(|event| event.0 == key).unwrap();
        assert_eq!((event.1, event.2.as_str()), ("ignored", Some("unknown_sender")), "{states:?}");
    }
    assert_eq!(
        std::fs::read_to_string(home.path("home/notes/ran")).unwrap(),
        "say hello",
        "it ran once, for the owner"
    );
    assert!(
        recorder.messages().iter().all(|message| message.chat == OWNER),
        "{:?}",
        recorder.messages()
    );
    assert_eq!(recorder.other(), Vec::<String>::new());
    assert_eq!(
        server.get("/agency-router/api/decisions")["decisions"].as_array().unwrap().len(),
        1,
        "strangers are not routed"
    );
    assert_eq!(
        server.get("/personal-assistant/api/approvals")["approvals"].as_array().unwrap().len(),
        1
    );
    assert_eq!(server.get("/personal-assistant/api/halts")["all"], false);
}

#[test]
fn row_of_an_unknown_sender_is_deleted_eight_days_after_its_end() {
    let recorder = Recorder::start();
    let home = Home::with_config(&telegram_config(&recorder.api_base, OWNER, &[OWNER]));
    let server = home.up();
    let post = |update: u64, user: u64| {
        let body = telegram_update(update, user, "hello");
        server.ask("POST", "/telegram/main", &[TELEGRAM_SECRET], &body).status
    };
    let keys = || -> Vec<String> {
        let list = server.get("/webhook-aggregator/api/events?channel=telegram");
        let events = list["events"].as_array().unwrap().iter();
        events.map(|event| event["dedupeKey"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((post(1, OWNER), post(2, STRANGER)), (200, 200));
    until("the owner is answered", || recorder.shows(1, |_| true).then_some(()));
    // Nine days pass for everything that is stored.
    let inbox = rusqlite::Connection::open(home.data().join("inbox.db")).unwrap();
    inbox.busy_timeout(Duration::from_secs(10)).unwrap();
    let nine_days = 9 * 86_400_000_i64;
    let moved = inbox
        .execute(
            "UPDATE event SET updated_ms = updated_ms - ?1, received_ms = received_ms - ?1",
            [nine_days],
        )
        .unwrap();
    assert_eq!(moved, 2);
    until("it is deleted", || (keys() == ["1"]).then_some(()));
    assert_eq!(post(2, STRANGER), 200);
    assert_eq!(keys(), ["1"], "it is not taken again");
}

#[test]
fn webhook_without_the_endpoints_secret_is_refused() {
    let recorder = Recorder::start();
    let home = Home::with_config(&telegram_config(&recorder.api_base, OWNER, &[OWNER]));
    let server = home.up();
    let body = telegram_update(1, OWNER, "hello");
    assert_eq!(server.ask("POST", "/telegram/main", &[], &body).status, 401);
    assert_eq!(
        server
            .ask(
                "POST",
                "/telegram/main",
                &[(TELEGRAM_SECRET.0, "tg_S3cret-Token_0123456780")],
                &body
            )
            .status,
        401
    );
    assert_eq!(server.ask("POST", "/telegram/other", &[TELEGRAM_SECRET], &body).status, 404);
    assert_eq!(
        server.ask("POST", "/webhook-aggregator/telegram/main", &[TELEGRAM_SECRET], &body).status,
        200,
        "both paths lead there"
    );
    assert_eq!(
        server.get("/webhook-aggregator/api/events?channel=telegram")["events"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

const HALT: &str = "/monitoring-dashboard/dashboard/halt";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Signs in with the operator token; returns the cookie and a form token of the page.
fn signed_in(home: &Home, server: &Server) -> (String, String) {
    let answer = server.ask(
        "POST",
        "/monitoring-dashboard/sign-in",
        &[FORM],
        &format!("token={}&next=", home.token("operator")),
    );
    let cookie = answer
        .header("set-cookie")
        .unwrap_or_else(|| panic!("{answer:?}"))
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let page = server.ask("GET", "/monitoring-dashboard/dashboard", &[("cookie", &cookie)], "");
    assert_eq!(page.status, 200, "{page:?}");
    let form = page
        .body
        .split(&format!("action=\"{HALT}\""))
        .nth(1)
        .unwrap_or_else(|| panic!("no lever: {}", page.body));
    let token =
        form.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    (cookie, token)
}

fn is_halted(server: &Server) -> bool {
    server.get("/personal-assistant/api/halts")["all"] == true
}

#[test]
fn cross_site_form_changes_nothing() {
    let home = Home::new();
    let server = home.up();
    let (cookie, token) = signed_in(&home, &server);
    let own_origin = format!("http://{}", server.address);
    let with_token = format!("token={token}&reason=x");
    type Try<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str);
    let tries: [Try<'_>; 6] = [
        (
            "no cookie, another origin",
            vec![("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")],
            "reason=x",
        ),
        ("no cookie, no word of where from", vec![], "reason=x"),
        ("no cookie, but the token", vec![("origin", &own_origin)], &with_token),
        (
            "cookie and token, another origin",
            vec![("cookie", &cookie), ("origin", "https://evil.example")],
            &with_token,
        ),
        (
            "cookie and token, another site",
            vec![("cookie", &cookie), ("sec-fetch-site", "cross-site")],
            &with_token,
        ),
        (
            "cookie without the token",
            vec![("cookie", &cookie), ("origin", &own_origin), ("sec-fetch-site", "same-origin")],
            "token=&reason=x",
        ),
    ];
    for (what, headers, body) in tries {
        let answer = server.ask("POST", HALT, &[headers, vec![FORM]].concat(), body);
        assert!(!is_halted(&server), "{what}: {answer:?}");
        assert!((300..500).contains(&answer.status), "{what}: {answer:?}");
    }
    let own = [
        ("cookie", cookie.as_str()),
        ("origin", &own_origin),
        ("sec-fetch-site", "same-origin"),
        FORM,
    ];
    let answer = server.ask("POST", HALT, &own, &with_token);
    assert!(is_halted(&server), "the real form does: {answer:?}");
}

#[test]
fn dashboard_cookie_never_opens_the_api_of_a_service() {
    let home = Home::new();
    let server = home.up();
    let (cookie, _) = signed_in(&home, &server);
    let headers = [("cookie", cookie.as_str()), ("content-type", "application/json")];
    for path in [
        "/personal-assistant/api/halt",
        "/monitoring-dashboard/personal-assistant/api/halt",
        "/webhook-aggregator/api/messages",
    ] {
        let answer = server.ask("POST", path, &headers, "{\"all\":true,\"text\":\"x\"}");
        assert!([401, 404].contains(&answer.status), "{path}: {answer:?}");
    }
    assert_eq!(
        server.ask("GET", "/monitoring-dashboard/api/stats", &[("cookie", &cookie)], "").status,
        401
    );
    assert!(!is_halted(&server));
}

#[test]
fn unknown_host_name_is_misdirected() {
    let home = Home::with_config("[server]\nhosts = [\"quintet.example.org\"]\n");
    let server = home.up();
    let port = server.address.rsplit_once(':').unwrap().1;
    for path in [
        "/monitoring-dashboard/dashboard",
        "/monitoring-dashboard/sign-in",
        "/monitoring-dashboard/api/stats",
    ] {
        for host in
            ["evil.example", &format!("evil.example:{port}"), "localhost:1", "169.254.169.254"]
        {
            assert_eq!(
                server.ask("GET", path, &[("host", host)], "").status,
                421,
                "{path} as {host}"
            );
        }
        for host in [server.address.as_str(), &format!("localhost:{port}"), "quintet.example.org"] {
            assert_ne!(
                server.ask("GET", path, &[("host", host)], "").status,
                421,
                "{path} as {host}"
            );
        }
    }
}

#[test]
fn local_endpoints_accept_this_machine_only() {
    let home = Home::new();
    let server = home.up();
    let local: Value =
        serde_json::from_slice(&std::fs::read(home.data().join("local.json")).unwrap()).unwrap();
    let secret = (TELEGRAM_SECRET.0, local["telegram"]["secret_token"].as_str().unwrap());
    let user: u64 = local["telegram"]["approvers"][0].as_str().unwrap().parse().unwrap();
    for (update, name) in
        ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip"].into_iter().enumerate()
    {
        let body = telegram_update(update as u64, user, "Fix the TypeError in the login flow");
        for path in ["/telegram/local", "/webhook-aggregator/telegram/local"] {
            let answer = server.ask("POST", path, &[secret, (name, "203.0.113.7")], &body);
            assert_eq!(answer.status, 404, "{path} with {name}: {answer:?}");
        }
        let platform =
            server.ask("POST", "/local/telegram/bot1/sendMessage", &[(name, "203.0.113.7")], "{}");
        assert_eq!(platform.status, 404, "{name}: {platform:?}");
    }
    assert_eq!(server.get("/webhook-aggregator/api/events")["events"], Value::Array(Vec::new()));
    assert_eq!(
        server
            .ask("POST", "/telegram/local", &[secret], &telegram_update(99, user, "hello"))
            .status,
        200
    );
    let large = "x".repeat((1 << 20) + 1);
    for (path, status) in [("sendMessage", 413), ("sendDocument", 200)] {
        let answer = server.ask("POST", &format!("/local/telegram/bot1/{path}"), &[], &large);
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    // Without a token, so only a few large bodies are held at a time.
    let upload = "/local/telegram/bot1/sendDocument";
    let held: Vec<TcpStream> = std::iter::repeat_with(|| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        write!(
            stream,
            "POST {upload} HTTP/1.1\r\nHost: {}\r\nContent-Length: 50000000\r\n\r\nx",
            server.address
        )
        .unwrap();
        stream
    })
    .take(3)
    .collect();
    let refused = until("the third upload is refused", || {
        held.iter().find_map(|mut stream| {
            let mut answer = [0; 64];
            let bytes = stream.read(&mut answer).ok()?;
            Some(String::from_utf8_lossy(&answer[..bytes]).into_owned())
        })
    });
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    let small = server.ask("POST", "/local/telegram/bot1/sendMessage", &[], "{}");
    assert_eq!(small.status, 200, "{small:?}");
    drop(held);
    until("uploads are taken again", || {
        (server.ask("POST", upload, &[], &large).status == 200).then_some(())
    });
    // The local platform answers the server's own calls only, so a host name that resolves here is
    // not enough.
    assert_eq!(
        server.ask("POST", "/local/telegram/bot1/sendMessage", &[], "{\"chat_id\":1}").status,
        200
    );
}
