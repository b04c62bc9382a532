//! Due times of schedules, in their own time zone or the owner's.

use crate::kit::{AGGREGATOR, Bed, OPERATOR};
use platform::time::parse_rfc3339;
use serde_json::{Value, json};

async fn plan(bed: &Bed, timing: Value) -> (u16, Value) {
    let now = parse_rfc3339("2027-03-27T12:00:00Z").unwrap();
    let body = json!({ "timing": timing, "sinceMs": now, "nowMs": now });
    let (status, answer) = bed.post(AGGREGATOR, "/internal/schedules/plan", body).await;
    (status, answer)
}

#[tokio::test]
async fn schedule_without_a_time_zone_is_due_in_the_owners() {
    let bed = Bed::with(json!({ "budget": { "time_zone": "Europe/Berlin" } }));
    let (status, answer) = plan(&bed, json!({ "cron": "30 2 * * *" })).await;
    assert_eq!(status, 200, "{answer}");
    // The clocks skip half past two on that day.
    let at = parse_rfc3339("2027-03-28T01:00:00Z").unwrap();
    assert_eq!(
        answer["next"],
        json!({ "atMs": at, "local": "Sun 2027-03-28 03:00 Europe/Berlin" })
    );
    assert_eq!(answer["latest"]["local"], "Sat 2027-03-27 02:30 Europe/Berlin");
    let own = json!({ "cron": "30 2 * * *", "timeZone": "America/New_York" });
    let (_, answer) = plan(&bed, own).await;
    assert_eq!(answer["next"]["local"], "Sun 2027-03-28 02:30 America/New_York");
}

#[tokio::test]
async fn schedule_that_cannot_be_read_is_refused_with_its_field_and_programs_plan_nothing() {
    let bed = Bed::with(json!({}));
    let nowhere = json!({ "cron": "* * * * *", "timeZone": "Mars/Olympus" });
    for (timing, field) in
        [(json!({ "cron": "x" }), "cron"), (json!({}), "cron"), (nowhere, "timeZone")]
    {
        let (status, problem) = plan(&bed, timing).await;
        assert_eq!((status, &problem["field"]), (422, &json!(field)), "{problem}");
    }
    let body = json!({ "timing": { "every": "1h" }, "sinceMs": 0, "nowMs": 0 });
    assert_eq!(bed.post(OPERATOR, "/internal/schedules/plan", body).await.0, 404);
}
