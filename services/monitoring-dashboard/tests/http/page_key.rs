//! A session that is bound to the key of its pages: the cookie alone is of no use.

use super::bed::Bed;

const KEY: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
const OTHER: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";

/// The token with which the first page binds its session.
fn bind_token(page: &str) -> Option<&str> {
    page.split("data-token=\"").nth(1).and_then(|rest| rest.split('"').next())
}

/// Signs in and binds the session, as the script of the first page does.
async fn bound(bed: &Bed) -> (String, String) {
    let cookie = bed.sign_in().await;
    let first = bed.get("/dashboard", &cookie).await.text;
    let token = bind_token(&first).unwrap().to_owned();
    let fields = [("key", KEY), ("token", token.as_str())];
    assert_eq!(bed.post("/dashboard/session-key", &cookie, &fields).await.status, 204);
    (cookie, token)
}

async fn with_key(bed: &Bed, path: &str, cookie: &str, key: &str) -> super::bed::Page {
    bed.send("GET", path, &[("cookie", cookie), ("x-quintet-key", key)], "").await
}

#[tokio::test]
async fn cookie_that_reached_another_port_shows_nothing_and_changes_nothing() {
    let bed = Bed::new();
    let (cookie, _) = bound(&bed).await;
    let page = with_key(&bed, "/dashboard", &cookie, KEY).await;
    assert_eq!(page.status, 200);
    let halt = page.token("/dashboard/halt", "Halt");

    // With the cookie alone every page is the one that asks for the key, and holds nothing else.
    for path in ["/dashboard", "/dashboard/events", "/dashboard/approvals", "/dashboard/live"] {
        let door = bed.get(path, &cookie).await;
        assert!(door.text.contains("/assets/door-") && !door.text.contains("<form"), "{path}");
        assert_eq!(with_key(&bed, path, &cookie, OTHER).await.status, 401, "{path}");
        let script = [("cookie", cookie.as_str()), ("accept", "application/json")];
        assert_eq!(bed.send("GET", path, &script, "").await.status, 401, "{path}");
    }
    // Even a token of a form, and a second key, change nothing.
    for key in ["", OTHER] {
        let fields = [("token", halt.as_str()), ("key", key), ("reason", "x")];
        let refused = bed.post("/dashboard/halt", &cookie, &fields).await;
        assert_eq!(refused.status, 403);
        assert!(refused.text.contains("does not have its key"), "{}", refused.text);
    }
    assert_eq!(bed.changed(), []);

    let fields = [("token", halt.as_str()), ("key", KEY), ("reason", "x")];
    assert_eq!(bed.post("/dashboard/halt", &cookie, &fields).await.status, 303);
    assert_eq!(bed.changed().len(), 1);
}

#[tokio::test]
async fn session_is_bound_once_by_its_own_page_only() {
    let bed = Bed::new();
    let (cookie, token) = bound(&bed).await;
    let page = with_key(&bed, "/dashboard", &cookie, KEY).await.text;
    assert_eq!(bind_token(&page), None, "a bound session is not bound again");
    let again = [("key", KEY), ("token", token.as_str())];
    let sent = [("x-quintet-key", KEY)];
    assert_eq!(bed.post_with("/dashboard/session-key", &cookie, &again, &sent).await.status, 204);

    let free = bed.sign_in().await;
    let own = bed.get("/dashboard", &free).await.text;
    let own = bind_token(&own).unwrap();
    for (key, sent) in [(KEY, token.as_str()), ("short", own), (&*"z".repeat(64), own)] {
        let fields = [("key", key), ("token", sent)];
        assert_eq!(bed.post("/dashboard/session-key", &free, &fields).await.status, 403, "{key}");
    }
    assert_eq!(bed.get("/dashboard/events", &free).await.status, 200, "without scripts as before");
}

#[tokio::test]
async fn sign_in_page_of_a_bound_session_does_not_lead_in_a_circle() {
    let bed = Bed::new();
    let (cookie, _) = bound(&bed).await;
    let page = bed.get("/sign-in", &cookie).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Operator token"));
}

#[tokio::test]
async fn session_of_a_browser_with_scripts_has_its_key_from_the_start() {
    let bed = Bed::new();
    let browser = [("sec-fetch-mode", "navigate")];
    let link = monitoring_dashboard::sign_in_link(&bed.deps).await.unwrap();
    let path = link.strip_prefix(super::bed::BASE).unwrap();
    // The link shows a form, which its script sends with the key; nothing is used up by that.
    for _ in 0..2 {
        let page = bed.send("GET", path, &browser, "").await;
        assert!(page.headers.get("set-cookie").is_none() && page.text.contains("data-send"));
    }
    let code = path.split_once("code=").unwrap().1;
    let by_link = bed.post("/sign-in", "", &[("code", code), ("key", KEY)]).await;
    assert_eq!(
        (by_link.status.as_u16(), by_link.location()),
        (303, "/monitoring-dashboard/dashboard")
    );
    let again = bed.post("/sign-in", "", &[("code", code), ("key", KEY)]).await;
    assert_eq!(again.status, 401, "a link works once");
    assert_eq!(bed.send("GET", path, &browser, "").await.status, 401);
    let by_token = [("token", super::bed::OPERATOR), ("key", KEY)];
    let by_token = bed.post("/sign-in", "", &by_token).await;
    for cookie in [by_link.cookie(), by_token.cookie()] {
        let door = bed.get("/dashboard", &cookie).await.text;
        assert!(door.contains("/assets/door-") && bind_token(&door).is_none());
        assert_eq!(with_key(&bed, "/dashboard", &cookie, KEY).await.status, 200);
    }
}

#[tokio::test]
async fn second_key_for_a_session_ends_it() {
    let bed = Bed::new();
    let (cookie, token) = bound(&bed).await;
    let fields = [("key", OTHER), ("token", token.as_str())];
    assert_eq!(bed.post("/dashboard/session-key", &cookie, &fields).await.status, 403);
    let page = with_key(&bed, "/dashboard", &cookie, KEY).await;
    assert!(page.location().contains("/sign-in"), "the session is closed for both of them");
}

#[tokio::test]
async fn cookie_that_another_port_set_does_not_hide_ours() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let both = format!("quintet_session={}; {cookie}", "f".repeat(64));
    assert_eq!(bed.get("/dashboard", &both).await.status, 200);
}
