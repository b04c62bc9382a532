//! The three platforms at home, without a public address: nothing is lost, done twice or out of
//! order over connections that break and a server that is killed.

use crate::bed::{Home, telegram_update, within};
use crate::discord::{DISCORD_OWNER, Discord};
use crate::recorder::Recorder;
use crate::slack::{SLACK_OWNER, Slack};
use rusqlite::Connection;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(3);
/// Messages between two kills, on average.
const PER_KILL: usize = 125;
/// The number of messages for a longer run than the gate's.
const VARIABLE: &str = "QUINTET_TEST_MESSAGES";

fn messages() -> usize {
    let given = std::env::var(VARIABLE).ok();
    given.map_or(1_000, |number| number.parse().expect(VARIABLE))
}

/// The number of stored messages after which the server is killed, for each kill.
fn kills(dice: &mut fastrand::Rng) -> Vec<usize> {
    (0..messages() / PER_KILL).map(|kill| kill * PER_KILL + dice.usize(1..PER_KILL)).collect()
}

/// The figures of a run, which `--nocapture` shows.
#[expect(clippy::print_stdout, reason = "for those who read the figures of a longer run")]
fn tell(channel: &str, cuts: usize, refused: usize) {
    let (messages, kills) = (messages(), messages() / PER_KILL);
    println!(
        "{channel}: {messages} messages, {kills} kills, {cuts} cuts, {refused} calls refused: none lost or doubled"
    );
}

/// The dedup keys of an endpoint, in the order of their commits.
fn stored(home: &Home, shard: &str) -> Vec<String> {
    let inbox = Connection::open(home.data().join("inbox.db")).unwrap();
    let mut read =
        inbox.prepare("SELECT dedupe_key FROM event WHERE shard = ?1 ORDER BY seq").unwrap();
    let keys = read.query_map([shard], |row| row.get(0)).unwrap();
    keys.collect::<Result<_, _>>().unwrap()
}

fn count(home: &Home, shard: &str) -> usize {
    let inbox = Connection::open(home.data().join("inbox.db")).unwrap();
    let count = "SELECT COUNT(*) FROM event WHERE shard = ?1";
    inbox.query_row(count, [shard], |row| row.get::<_, u32>(0)).unwrap() as usize
}

#[test]
fn slack_over_a_socket_loses_and_doubles_nothing_over_cuts_and_kills() {
    let slack = Slack::start(20_261_130);
    let home = Home::with_config(&slack.config());
    let mut dice = fastrand::Rng::with_seed(7);
    let messages = messages();
    for number in 1..=messages {
        slack.message(SLACK_OWNER, &format!("message {number}"));
    }
    let mut server = home.up();
    for wanted in kills(&mut dice) {
        within(PATIENCE, &format!("{wanted} are acknowledged"), || {
            (slack.acknowledged() >= wanted).then_some(())
        });
        server.kill();
        server = home.up();
    }
    within(PATIENCE, "all are acknowledged", || (slack.acknowledged() == messages).then_some(()));
    assert!(slack.cuts() >= 5, "{} cuts", slack.cuts());
    within(PATIENCE, "a call is refused", || (slack.refused() > 0).then_some(()));
    within(PATIENCE, "an answer is sent", || {
        (slack.requests("chat.postMessage") > 0).then_some(())
    });
    slack.calm();
    let shown = within(PATIENCE, "it is connected", || {
        let list = home.run(&["endpoints"]).out;
        list.contains("connected").then_some(list)
    });
    assert!(shown.contains("slack.main") && shown.contains("socket"), "{shown}");
    assert!(home.run(&["doctor"]).out.contains("endpoint slack.main (socket) is connected"));
    server.stop();
    let wanted: Vec<String> = (1..=messages).map(|number| format!("Ev{number}")).collect();
    assert_eq!(stored(&home, "slack.main"), wanted);
    tell("slack", slack.cuts(), slack.refused());
}

#[test]
fn discord_over_the_gateway_loses_and_doubles_nothing_over_cuts_and_kills() {
    let discord = Discord::start(20_261_131);
    let home = Home::with_config(&discord.config());
    let mut dice = fastrand::Rng::with_seed(8);
    let mut server = home.up();
    let mut said = 0;
    for (kill, wanted) in kills(&mut dice).into_iter().enumerate() {
        while said < (kill + 1) * PER_KILL {
            said += 1;
            discord.message(DISCORD_OWNER, &format!("message {said}"));
        }
        within(PATIENCE, &format!("{wanted} are stored"), || {
            (count(&home, "discord.main") >= wanted).then_some(())
        });
        server.kill();
        server = home.up();
    }
    within(PATIENCE, "all are stored", || (count(&home, "discord.main") >= said).then_some(()));
    assert!(discord.cuts() >= 5 && discord.resumed_after() > 0, "{} cuts", discord.cuts());
    assert_eq!(discord.requests("/gateway/bot"), 1, "every other connection resumed the session");
    within(PATIENCE, "an answer is sent", || {
        (discord.requests("/channels/830000000000000009/messages") > 0).then_some(())
    });
    within(PATIENCE, "a call is refused", || (discord.refused() > 0).then_some(()));
    discord.calm();
    within(PATIENCE, "it is connected", || {
        home.run(&["endpoints"]).out.contains("connected").then_some(())
    });
    server.stop();
    let wanted: Vec<String> = (1..=said).map(|number| number.to_string()).collect();
    assert_eq!(stored(&home, "discord.main"), wanted);
    tell("discord", discord.cuts(), discord.refused());
}

#[test]
fn telegram_by_polling_loses_and_doubles_nothing_over_cuts_and_kills() {
    const OWNER: u64 = 700_100_200;
    let recorder = Recorder::unsteady(20_261_132);
    let config = format!(
        "[endpoints.telegram.main]\nbot_token = \"5550001:TEST\"\napi_base = \"{}\"\napprovers = [\"{OWNER}\"]\n",
        recorder.api_base
    );
    let home = Home::with_config(&config);
    let mut dice = fastrand::Rng::with_seed(9);
    let messages = messages();
    for number in 1..=messages {
        let text = format!("message {number}");
        recorder.hands_over(&telegram_update(number as u64, OWNER, &text));
    }
    let mut server = home.up();
    for wanted in kills(&mut dice) {
        within(PATIENCE, &format!("{wanted} are stored"), || {
            (count(&home, "telegram.main") >= wanted).then_some(())
        });
        server.kill();
        server = home.up();
    }
    within(PATIENCE, "all are confirmed", || (recorder.unconfirmed() == 0).then_some(()));
    assert!(recorder.cuts() >= 5, "{} cuts", recorder.cuts());
    within(PATIENCE, "a call is refused", || (recorder.refused() > 0).then_some(()));
    server.stop();
    let wanted: Vec<String> = (1..=messages).map(|number| number.to_string()).collect();
    assert_eq!(stored(&home, "telegram.main"), wanted);
    tell("telegram", recorder.cuts(), recorder.refused());
}

#[test]
fn refused_tokens_are_named_with_their_fix_by_endpoints_doctor_and_the_log() {
    let (slack, discord) = (Slack::start(1), Discord::start(1));
    slack.refuses(Some("invalid_auth"));
    discord.closes_with(4014);
    let home = Home::with_config(&(slack.config() + &discord.config()));
    let server = home.up();
    let list = within(PATIENCE, "both are refused", || {
        let list = server.get("/webhook-aggregator/api/endpoints");
        let views = list["endpoints"].as_array()?.clone();
        let refused = views.iter().filter(|view| view["state"] == "refused").count();
        (refused == 2).then_some(list.to_string())
    });
    for words in ["invalid_auth", "connections:write", "4014"] {
        assert!(list.contains(words), "{words}: {list}");
    }
    let shown = home.run(&["endpoints"]).out;
    assert!(shown.contains("refused") && shown.contains("connections:write"), "{shown}");
    let doctor = home.run(&["doctor"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.out.contains("slack.main (socket) is refused"), "{doctor:?}");
    assert!(home.log("err.log").contains("invalid_auth"), "{}", home.log("err.log"));
}
