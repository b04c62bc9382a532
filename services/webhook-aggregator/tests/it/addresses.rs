//! `@name` at the start of a message, of an agent or of none.

use crate::bed::{OPERATOR, bed};
use contracts::calls::agency_router::RouteEvent;
use contracts::calls::personal_assistant::Approve;
use contracts::routing::UnknownAgent;
use platform::ports::Clock;
use serde_json::json;

#[tokio::test]
async fn message_to_an_agent_that_does_not_exist_is_refused_with_the_nearest_names() {
    let bed = bed();
    bed.world.set(|world| {
        world.unknown_agent = Some(UnknownAgent {
            name: "codgen".to_owned(),
            nearest: vec!["codegen".into(), "code-review".into()],
            agents: vec!["codegen".into()],
        });
    });
    bed.telegram(1, "@codgen fix it").await;
    let event = bed.event("1").await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("refused"), &json!("unknown_agent")));
    assert_eq!(event["costMicros"].as_i64().unwrap_or(0), 0);
    let told = bed.sent("/sendMessage").pop().unwrap();
    assert!(told.contains("Did you mean @codegen or @code-review?"), "{told}");
    assert_eq!((bed.fakes.count::<Approve>(), bed.lease().await), (0, Vec::new()));
}

#[tokio::test]
async fn router_is_told_whether_other_persons_read_the_chat() {
    let bed = bed();
    let date = bed.clock.now_ms() / 1000;
    bed.telegram(1, "@ines thanks").await;
    let entity = json!({ "type": "mention", "offset": 0, "length": "@desk_bot".len() });
    let message = json!({ "message_id": 2, "from": { "id": 700_100_200 }, "date": date,
        "chat": { "id": -100, "type": "supergroup" }, "text": "@desk_bot @ines thanks", "entities": [entity] });
    bed.telegram_update(&json!({ "update_id": 2, "message": message })).await;
    bed.post("/api/messages", OPERATOR, &json!({ "text": "@ines thanks" })).await;
    bed.settle().await;
    let asked = bed.fakes.bodies::<RouteEvent>();
    let seen: Vec<_> = asked
        .iter()
        .map(|asked| (asked["message"].clone(), asked.get("inGroup").is_some()))
        .collect();
    let thanks = || json!("@ines thanks");
    assert_eq!(seen, [(thanks(), false), (thanks(), true), (thanks(), false)]);
}
