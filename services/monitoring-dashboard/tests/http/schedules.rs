//! The page of the schedules.

use super::bed::Bed;

#[tokio::test]
async fn schedules_page_shows_the_local_time_and_removes_what_was_made_by_hand() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/schedules", &cookie).await;
    assert!(page.text.contains("Tue 2026-12-01 08:00 Europe/Berlin"));
    assert!(!page.text.contains("<script>alert"));
    // The first is in the configuration, so there is one button.
    assert_eq!(page.text.matches("/dashboard/schedules/remove").count(), 1);
    let token = page.token("/dashboard/schedules/remove", "Remove");
    let of = |name: &'static str| [("token", token.as_str()), ("schedule", name)];
    let refused = bed.post("/dashboard/schedules/remove", &cookie, &of("digest")).await;
    assert_eq!(refused.status, 403);
    assert_eq!(bed.changed(), []);
    let removed = bed.post("/dashboard/schedules/remove", &cookie, &of("tea")).await;
    assert!(removed.location().ends_with("/dashboard/schedules?note=unscheduled"));
    let changed: Vec<_> = bed.changed().into_iter().map(|(path, _)| path).collect();
    assert_eq!(changed, ["/api/schedules/tea"]);
}
