//! Who can sign in, and what a session may do.

use super::bed::{BASE, Bed, OPERATOR};

async fn try_token(bed: &Bed, token: &str) -> u16 {
    bed.post("/sign-in", "", &[("token", token)]).await.status.as_u16()
}

#[tokio::test]
async fn sign_in_link_works_once() {
    let bed = Bed::new();
    let link = monitoring_dashboard::sign_in_link(&bed.deps).await.unwrap();
    assert!(link.starts_with("/monitoring-dashboard/sign-in?code="));
    let path = link.strip_prefix(BASE).unwrap();
    let peek = bed.send("HEAD", path, &[], "").await;
    assert!(peek.headers.get("set-cookie").is_none(), "a preview does not use the link up");
    let first = bed.get(path, "").await;
    assert_eq!((first.status.as_u16(), first.location()), (303, "/monitoring-dashboard/dashboard"));
    let attributes = first.header("set-cookie");
    for part in ["Path=/monitoring-dashboard;", "HttpOnly", "SameSite=Strict", "Max-Age=43200"] {
        assert!(attributes.contains(part), "{attributes}");
    }
    assert_eq!(bed.get("/dashboard", &first.cookie()).await.status, 200);
    let second = bed.get(path, "").await;
    assert_eq!(second.status, 401);
    assert!(second.text.contains("was used before") && second.text.contains("<form"));
}

#[tokio::test]
async fn sign_in_link_is_made_for_the_operator_only() {
    let bed = Bed::new();
    let make = async |token: &str| {
        let bearer = format!("Bearer {token}");
        bed.send("POST", "/api/sign-in-links", &[("authorization", &bearer)], "").await
    };
    assert_eq!(make("viewer-token").await.status, 403);
    let cookie = bed.sign_in().await;
    let by_cookie = bed.send("POST", "/api/sign-in-links", &[("cookie", &cookie)], "").await;
    assert_eq!(by_cookie.status, 401, "a cookie opens no API");
    let link: serde_json::Value = serde_json::from_str(&make(OPERATOR).await.text).unwrap();
    let path = link["path"].as_str().unwrap();
    assert!(path.starts_with("/sign-in?code="), "{link}");
    assert_eq!(bed.get(path, "").await.status, 303);
    assert_eq!(bed.get(path, "").await.status, 401, "used up");
}

#[tokio::test]
async fn sign_in_link_expires_after_ten_minutes() {
    let bed = Bed::new();
    let link = monitoring_dashboard::sign_in_link(&bed.deps).await.unwrap();
    bed.clock.advance(600_000);
    assert_eq!(bed.get(link.strip_prefix(BASE).unwrap(), "").await.status, 401);
}

#[tokio::test]
async fn session_ends_after_twelve_hours_or_sign_out() {
    let bed = Bed::new();
    let (one, two) = (bed.sign_in().await, bed.sign_in().await);
    let token = bed.get("/dashboard", &one).await.token("/sign-out", "Sign out");
    let out = bed.post("/sign-out", &one, &[("token", &token)]).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(bed.get("/dashboard", &one).await.location(), "/monitoring-dashboard/sign-in");
    assert_eq!(bed.get("/dashboard", &two).await.status, 200);
    bed.clock.advance(12 * 3_600_000);
    assert_eq!(bed.get("/dashboard", &two).await.status, 303);
}

#[tokio::test]
async fn sign_in_accepts_the_operator_token_only() {
    let bed = Bed::new();
    for wrong in ["", "nonsense", "viewer-token", "dashboard-secret"] {
        assert_eq!(try_token(&bed, wrong).await, 401, "{wrong}");
    }
    assert_eq!(try_token(&bed, OPERATOR).await, 303);
}

#[tokio::test]
async fn sign_in_is_blocked_after_five_failures_a_minute() {
    let bed = Bed::new();
    for _ in 0..5 {
        assert_eq!(try_token(&bed, "nonsense").await, 401);
    }
    let sixth = bed.post("/sign-in", "", &[("token", OPERATOR)]).await;
    assert_eq!((sixth.status.as_u16(), sixth.header("retry-after")), (429, "60"));
    bed.clock.advance(60_001);
    assert_eq!(try_token(&bed, OPERATOR).await, 303);
}

#[tokio::test]
async fn failed_sign_ins_of_others_do_not_lock_the_owner_out() {
    let bed = Bed::new();
    let from = async |address: &str, token: &str| {
        let fields = [("token", token)];
        let page = bed.post_with("/sign-in", "", &fields, &[("from-address", address)]).await;
        page.status.as_u16()
    };
    for _ in 0..5 {
        assert_eq!(from("192.0.2.7", "nonsense").await, 401);
    }
    assert_eq!(from("192.0.2.7", OPERATOR).await, 429);
    assert_eq!(from("198.51.100.1", OPERATOR).await, 303);
    // Addresses of one network count together, and networks of one guesser up to a limit.
    for last in 0..5 {
        assert_eq!(from(&format!("2001:db8::{last}"), "nonsense").await, 401);
    }
    assert_eq!(from("2001:db8::ff", "nonsense").await, 429);
    for last in 0..50 {
        assert_eq!(from(&format!("203.0.113.{last}"), "nonsense").await, 401);
    }
    assert_eq!(from("203.0.113.99", "nonsense").await, 429);
}

#[tokio::test]
async fn links_of_other_sites_never_lock_the_owner_out() {
    let bed = Bed::new();
    for _ in 0..20 {
        let page =
            bed.send("GET", "/sign-in?code=x", &[("sec-fetch-site", "cross-site")], "").await;
        assert_eq!(page.status, 401);
    }
    assert_eq!(try_token(&bed, OPERATOR).await, 303);
}

#[tokio::test]
async fn sessions_and_links_end_with_the_operator_token() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let link = monitoring_dashboard::sign_in_link(&bed.deps).await.unwrap();
    let rotated = bed.with_operator("another-operator-token");
    assert_eq!(rotated.get("/dashboard", &cookie).await.status, 303);
    assert_eq!(rotated.get(link.strip_prefix(BASE).unwrap(), "").await.status, 401);
    assert_eq!(bed.get("/dashboard", &cookie).await.status, 200, "the bed itself is in order");
}

#[tokio::test]
async fn successful_sign_ins_are_never_counted() {
    let bed = Bed::new();
    for _ in 0..8 {
        assert_eq!(try_token(&bed, OPERATOR).await, 303);
    }
}

#[tokio::test]
async fn session_cookie_never_opens_the_api() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    for path in ["/api/stats", "/api/sla", "/api/series", "/metrics"] {
        assert_eq!(bed.get(path, &cookie).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn pages_need_a_session() {
    let bed = Bed::new();
    let map = monitoring_dashboard::route_map(&bed.deps);
    let pages = map.iter().filter(|(_, is_page)| *is_page);
    let mut tried = 0;
    for (path, _) in pages {
        let path = path.replace("{id}", "x").replace("{*rest}", "x/y");
        let answers = [bed.get(&path, "").await, bed.post(&path, "", &[]).await];
        for page in &answers {
            let to_sign_in = page.location().starts_with("/monitoring-dashboard/sign-in");
            assert!(page.status == 405 || page.status == 303 && to_sign_in, "{path}");
        }
        assert!(answers.iter().any(|page| page.status == 303), "{path} takes neither method");
        tried += 1;
    }
    assert!(tried >= 20, "{tried} pages");
    let feed =
        bed.send("GET", "/dashboard/console/feed", &[("accept", "application/json")], "").await;
    assert_eq!(feed.status, 401);
    assert!(bed.changed().is_empty());
}

#[test]
fn every_path_below_the_dashboard_is_a_page() {
    for (path, is_page) in monitoring_dashboard::route_map(&Bed::new().deps) {
        assert_eq!(is_page, path.starts_with("/dashboard"), "{path}");
    }
}

#[tokio::test]
async fn sign_in_returns_to_the_requested_page() {
    let bed = Bed::new();
    let turned = bed.get("/dashboard/events?state=dead", "").await;
    assert_eq!(
        turned.location(),
        "/monitoring-dashboard/sign-in?next=%2Fdashboard%2Fevents%3Fstate%3Ddead"
    );
    let back = bed
        .post("/sign-in", "", &[("token", OPERATOR), ("next", "/dashboard/events?state=dead")])
        .await;
    assert_eq!(back.location(), "/monitoring-dashboard/dashboard/events?state=dead");
    let led_astray =
        bed.post("/sign-in", "", &[("token", OPERATOR), ("next", "//evil.example")]).await;
    assert_eq!(led_astray.location(), "/monitoring-dashboard/dashboard");
}

#[tokio::test]
async fn cross_site_link_opens_through_a_forwarding_page() {
    let bed = Bed::new();
    // The strict cookie does not follow a cross-site link; our own page sends it.
    let page =
        bed.send("GET", "/dashboard/approvals", &[("sec-fetch-site", "cross-site")], "").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains(
        "content=\"0; url=/monitoring-dashboard/sign-in?next=%2Fdashboard%2Fapprovals\""
    ));
    let cookie = bed.sign_in().await;
    assert_eq!(
        bed.get("/sign-in?next=%2Fdashboard%2Fapprovals", &cookie).await.location(),
        "/monitoring-dashboard/dashboard/approvals"
    );
}

#[tokio::test]
async fn behind_a_proxy_with_tls_the_cookie_and_the_pages_are_for_https_only() {
    let bed = Bed::new();
    let fields = [("token", OPERATOR)];
    let https = [("x-forwarded-proto", "https")];
    let page = bed.post_with("/sign-in", "", &fields, &https).await;
    assert!(page.header("set-cookie").ends_with("; Secure"), "{}", page.header("set-cookie"));
    assert_eq!(page.header("strict-transport-security"), "max-age=31536000");
    let plain = bed.post("/sign-in", "", &fields).await;
    assert!(!plain.header("set-cookie").contains("Secure"));
    assert!(plain.headers.get("strict-transport-security").is_none());
}
