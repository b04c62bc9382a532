//! A bot at home: Telegram is asked for its messages, and nothing is lost or done twice when the
//! server is killed.

use crate::bed::{Home, telegram_update, within};
use crate::recorder::Recorder;
use std::time::Duration;

const OWNER: u64 = 700_100_200;
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn telegram_without_a_public_address_is_answered_once_over_a_kill() {
    let recorder = Recorder::start();
    let home = Home::with_config("");
    let script = home.script("agent.sh", "cat; echo; echo done");
    let config = format!(
        "[endpoints.telegram.main]\nbot_token = \"5550001:TEST\"\napi_base = \"{}\"\napprovers = [\"{OWNER}\"]\n\
         [agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\nhistory = 0\ncommand = [\"{}\"]\n",
        recorder.api_base,
        script.display()
    );
    std::fs::write(home.path("quintet.toml"), config).unwrap();
    recorder.hands_over(&telegram_update(1, OWNER, "@codegen fix one"));
    let server = home.up();
    let answered = |number: u64| {
        within(PATIENCE, &format!("{number} is answered"), || {
            recorder.shows(number, |text| text.contains("done")).then_some(())
        });
    };
    answered(1);
    within(PATIENCE, "it is confirmed", || (recorder.unconfirmed() == 0).then_some(()));
    assert!(recorder.other().contains(&"deleteWebhook".to_owned()));
    server.kill();
    for number in 2..=6 {
        recorder.hands_over(&telegram_update(number, OWNER, &format!("@codegen fix {number}")));
    }
    let server = home.up();
    within(PATIENCE, "one more is stored", || {
        let list = server.get("/webhook-aggregator/api/events?channel=telegram");
        (list["events"].as_array()?.len() > 1).then_some(())
    });
    server.kill();
    let server = home.up();
    (2..=6).for_each(answered);
    let list = server.get("/webhook-aggregator/api/events?channel=telegram&limit=500");
    assert_eq!(list["events"].as_array().unwrap().len(), 6, "each is stored once");
    // The owner learns an id by a first message.
    recorder.hands_over(&telegram_update(7, 424_242, "hello"));
    within(PATIENCE, "the id is shown", || {
        home.run(&["events"]).out.contains("ignored (unknown_sender 424242)").then_some(())
    });
    let done =
        home.run(&["setup", "telegram", "--config", home.path("quintet.toml").to_str().unwrap()]);
    assert!(done.out.contains("Nothing to set up"), "{done:?}");
}
