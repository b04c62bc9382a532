//! Tokens: listed without their values, replaced while the server runs and while it does not.

use crate::bed::{Done, Home, Server, until};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

/// The status that a request with this token gets.
fn status(server: &Server, token: &str, path: &str) -> u16 {
    server.ask("GET", path, &[("authorization", &format!("Bearer {token}"))], "").status
}

const BUDGET: &str = "/personal-assistant/api/budget";

fn rows(home: &Home) -> Vec<Value> {
    let list = home.run(&["token", "list", "--json"]).json();
    list["tokens"].as_array().unwrap().clone()
}

fn row(home: &Home, scope: &str) -> Value {
    rows(home).into_iter().find(|row| row["scope"] == scope).unwrap()
}

/// The new token, printed alone.
fn printed(done: Done) -> String {
    let token = done.ok().trim().to_owned();
    assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{token}");
    token
}

#[test]
fn rotated_token_replaces_the_old_one_in_the_running_server_at_once() {
    let home = Home::new();
    let server = home.up();
    for scope in ["operator", "viewer"] {
        let old = home.token(scope);
        assert_eq!(status(&server, &old, BUDGET), 200, "{scope}");
        let done = home.run(&["token", "rotate", scope]);
        assert!(!done.err.contains(&old), "{done:?}");
        let new = printed(done);
        assert_eq!(status(&server, &old, BUDGET), 401, "{scope}");
        assert_eq!(status(&server, &new, BUDGET), 200, "{scope}");
        let file = home.data().join("tokens").join(scope);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), new);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    home.run(&["budget"]).ok();
    let sent = home.run(&["send", "telegram", "plan the next sprint"]);
    assert_eq!(sent.code, 0, "the gateway of the server goes on: {sent:?}");
}

#[test]
fn rotated_gateway_token_leaves_the_servers_own_gateway_at_work() {
    let home = Home::new();
    let server = home.up();
    let old = home.token("gateway");
    printed(home.run(&["token", "rotate", "gateway"]));
    let lease = |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = r#"{"gatewayId":"other","agents":["none"],"capacity":1,"wait":0}"#;
        server.ask("POST", "/webhook-aggregator/api/tasks/lease", &headers, body).status
    };
    assert_eq!((lease(&old), lease(&home.token("gateway"))), (401, 200));
    home.run(&["send", "telegram", "plan the next sprint"]).ok();
}

#[test]
fn rotated_token_keeps_the_old_one_for_its_grace_also_over_a_restart() {
    let home = Home::new();
    let server = home.up();
    let old = home.token("viewer");
    let new = printed(home.run(&["token", "rotate", "viewer", "--grace", "1h"]));
    assert_eq!(server.stop(), Some(0));
    let server = home.up();
    assert_eq!((status(&server, &old, BUDGET), status(&server, &new, BUDGET)), (200, 200));
    assert!(row(&home, "viewer")["previousUntil"].is_string());
    printed(home.run(&["token", "rotate", "viewer", "--grace", "1s"]));
    assert_eq!(status(&server, &old, BUDGET), 200, "its own hour goes on");
    until("the second is over", || (status(&server, &new, BUDGET) == 401).then_some(()));
    printed(home.run(&["token", "rotate", "viewer"]));
    assert_eq!(status(&server, &old, BUDGET), 401, "without a grace, none is left");
    for bad in ["0s", "800h", "soon"] {
        assert_eq!(home.run(&["token", "rotate", "viewer", "--grace", bad]).code, 2, "{bad}");
    }
}

#[test]
fn token_list_shows_names_ages_and_uses_but_no_token() {
    let home = Home::new();
    let server = home.up();
    let first = row(&home, "viewer");
    assert_eq!(first["name"], "viewer-1");
    assert!(first["created"].is_string() && first["lastUsed"].is_null(), "{first}");
    assert_eq!(status(&server, &home.token("viewer"), BUDGET), 200);
    assert!(row(&home, "viewer")["lastUsed"].is_string());
    printed(home.run(&["token", "rotate", "viewer", "--name", "wall screen"]));
    let second = row(&home, "viewer");
    assert_eq!(second["name"], "wall screen");
    assert!(second["lastUsed"].is_null(), "that was the other token: {second}");
    assert_eq!(status(&server, &home.token("viewer"), BUDGET), 200);

    assert_eq!(server.stop(), Some(0));
    let kept = row(&home, "viewer");
    assert!(kept["lastUsed"].is_string(), "a stop writes the last use: {kept}");
    let shown = home.run(&["token", "list"]).ok();
    for scope in ["operator", "viewer", "agent", "gateway"] {
        assert!(shown.contains(scope) && !shown.contains(&home.token(scope)), "{shown}");
    }
    let gateway = shown.lines().find(|line| line.contains("gateway-1")).unwrap();
    assert!(gateway.contains("built-in gateway only") && !gateway.contains("never"), "{shown}");
    let last = home.token("agent");
    let next = printed(home.run(&["token", "rotate", "agent"]));
    assert_ne!(last, next);
    let server = home.up();
    let asked = |token: &str| status(&server, token, "/personal-assistant/api/approvals");
    assert_eq!((asked(&last), asked(&next)), (401, 200));
}

#[test]
fn token_of_a_variable_is_not_rotated() {
    let fresh = Home::new();
    let done = fresh.run(&["token", "rotate", "operator"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(!fresh.data().exists());

    let home = Home::new().and("QUINTET_VIEWER_TOKEN", "chosen-by-the-owner");
    let server = home.up();
    let done = home.run(&["token", "rotate", "viewer"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("QUINTET_VIEWER_TOKEN"), "{}", done.err);
    // A command without the server's variable changes nothing either.
    let mut plain = home.command(&["token", "rotate", "viewer"]);
    let plain = plain.env_remove("QUINTET_VIEWER_TOKEN").output().unwrap();
    assert_eq!(plain.status.code(), Some(2), "{plain:?}");
    assert_eq!(status(&server, "chosen-by-the-owner", BUDGET), 200);
    assert_eq!(row(&home, "viewer")["variable"], "QUINTET_VIEWER_TOKEN");
    assert_eq!(server.stop(), Some(0));
    for entry in std::fs::read_dir(home.data().join("tokens")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("chosen-by-the-owner"));
    }
}

#[test]
fn tokens_path_of_the_server_is_the_operators_alone() {
    let home = Home::new();
    let server = home.up();
    for (token, expected) in [("viewer", 403), ("agent", 403), ("gateway", 403), ("operator", 200)]
    {
        let bearer = format!("Bearer {}", home.token(token));
        for method in ["GET", "POST"] {
            let headers = [("authorization", bearer.as_str())];
            let answer = server.ask(method, "/local/tokens", &headers, "");
            assert_eq!(answer.status, expected, "{token} {method}");
            assert!(!answer.body.contains(&home.token("agent")), "{answer:?}");
        }
    }
    assert_eq!(server.ask("GET", "/local/tokens", &[], "").status, 401);
}
