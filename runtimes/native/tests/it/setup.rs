//! `quintet setup` and `quintet doctor` against the platforms: from nothing to the first answered
//! message, and every mistake on the way.

use crate::bed::{Done, Home, telegram_update, within};
use crate::discord::Discord;
use crate::fake::Fake;
use crate::recorder::Recorder;
use crate::slack::Slack;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

const OWNER: u64 = 700_100_200;
const TOKEN: &str = "5550001:TEST";
/// The promise of README.md and docs/channels/telegram.md.
const PROMISED: Duration = Duration::from_mins(1);

/// Starts the command with this on its standard input.
fn begin(home: &Home, args: &[&str], input: &str) -> Child {
    let mut command = home.command(&[&["setup"], args].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child
}

/// Runs it to its end.
fn run(home: &Home, args: &[&str], input: &str) -> Done {
    let output = begin(home, args, input).wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let done = Done {
        code: output.status.code().unwrap(),
        out: text(output.stdout),
        err: text(output.stderr),
    };
    assert!(!done.out.contains(TOKEN) && !done.err.contains(TOKEN), "the token is shown: {done:?}");
    done
}

fn config(home: &Home) -> String {
    std::fs::read_to_string(home.data().join("quintet.toml")).unwrap_or_default()
}

#[test]
fn telegram_is_answered_by_one_command_one_token_and_a_yes() {
    let recorder = Recorder::start();
    let home = Home::new();
    let args =
        ["telegram", "--token", TOKEN, "--api-base", &recorder.api_base, "--listen", "127.0.0.1:0"];
    let mut child = begin(&home, &args, "y\n");
    recorder.hands_over(&telegram_update(1, OWNER, "hello, which agents are there?"));
    within(PROMISED, "the first message is answered", || {
        recorder.shows(1, |text| !text.is_empty() && !text.contains("Working on it")).then_some(())
    });
    let text = config(&home);
    assert!(
        text.contains("bot_username = \"desk_bot\"")
            && text.contains("approvers = [\"700100200\"]"),
        "{text}"
    );
    let called = recorder.other();
    assert!(
        called.contains(&"setMyCommands".to_owned())
            && called.contains(&"deleteWebhook".to_owned())
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn running_server_takes_a_new_endpoint_without_a_restart() {
    let recorder = Recorder::start();
    let home = Home::new();
    let server = home.up();
    recorder.hands_over(&telegram_update(1, OWNER, "hello"));
    let args = ["telegram", "--token-stdin", "--api-base", &recorder.api_base];
    let done = run(&home, &args, &format!("{TOKEN}\ny\n"));
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("The running server uses it now"), "{done:?}");
    within(PROMISED, "the first message is answered", || {
        recorder.shows(1, |text| !text.is_empty()).then_some(())
    });
    let list = server.get("/webhook-aggregator/api/events?channel=telegram");
    assert_eq!(list["events"].as_array().unwrap().len(), 1, "heard twice, stored once: {list}");
    // A second time nothing is asked, and all that the owner wrote stays.
    let path = home.data().join("quintet.toml");
    let noted = format!("# mine\n{}agent = \"pm\" # always\n", config(&home));
    std::fs::write(&path, &noted).unwrap();
    let done = run(&home, &["telegram", "--token", TOKEN], "");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("The approvers stay: 700100200"), "{done:?}");
    assert_eq!(config(&home), noted);
}

#[test]
fn setup_that_fails_writes_nothing_and_says_the_fix() {
    let refusing = Fake::start(|_, _| {
        (401, "", json!({ "ok": false, "error_code": 401, "description": "Unauthorized" }))
    });
    let recorder = Recorder::start();
    let home = Home::new();
    let run =
        |args: &[&str], input| run(&home, &[&["telegram", "--no-start"], args].concat(), input);
    let (token, refusing, recorder_base) =
        (["--token", TOKEN], &refusing.api_base, &recorder.api_base);
    let cases: [(&[&str], &str, i32, &str); 6] = [
        (&["--api-base", refusing], "", 1, "Copy the token from @BotFather"),
        (&["--api-base", "http://127.0.0.1:9"], "", 3, "Check the network"),
        (&["--api-base", "http://example.org"], "", 2, "https"),
        (&["--api-base", recorder_base, "--wait", "1"], "", 1, "--approver ID"),
        (&["--api-base", recorder_base, "--endpoint", "bad name"], "", 2, "bad name"),
        (&["--api-base", recorder_base, "--config", "other.toml"], "", 2, "Nothing was changed"),
    ];
    std::fs::write(home.path("other.toml"), "[package]\nname = \"x\"\n").unwrap();
    for (more, input, code, says) in cases {
        let done = run(&[&token, more].concat(), input);
        assert_eq!(done.code, code, "{more:?}: {done:?}");
        assert!(done.err.contains(says), "{more:?}: {done:?}");
        assert_eq!(config(&home), "", "{more:?}");
    }
    let done = run(&["--token", "hello"], "");
    assert!(done.code == 2 && done.err.contains("123456789:AAE"), "{done:?}");
    // A message is there, and nobody says yes.
    recorder.hands_over(&telegram_update(1, 666, "let me in"));
    for input in ["", "n\n"] {
        let more = ["--token", TOKEN, "--api-base", recorder_base, "--wait", "2"];
        let done = run(&more, input);
        assert_eq!((done.code, config(&home).as_str()), (1, ""), "{done:?}");
        assert!(done.err.contains("Is this you: P, id 666? [y/N]"), "{done:?}");
    }
    // Nobody is taken unasked who does not send the word.
    recorder.hands_over(&telegram_update(2, OWNER, "hello"));
    let done = run(&["--token", TOKEN, "--api-base", recorder_base, "--yes", "--wait", "2"], "");
    assert_eq!((done.code, config(&home).as_str()), (1, ""), "{done:?}");
    assert!(done.err.contains("Without the word, so not counted: P, id 666."), "{done:?}");
    assert_eq!(recorder.unconfirmed(), 2, "the messages are still there for the server");
    let done = run(&["--token", TOKEN, "--api-base", recorder_base], "n\ny\n");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("quintet up") && config(&home).contains("\"700100200\""), "{done:?}");
}

#[test]
fn yes_takes_the_sender_of_the_word_alone() {
    let recorder = Recorder::start();
    let home = Home::new();
    recorder.hands_over(&telegram_update(1, 666, "let me in"));
    let args =
        ["telegram", "--no-start", "--yes", "--token", TOKEN, "--api-base", &recorder.api_base];
    let mut child = begin(&home, &args, "");
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    let word = told.find_map(|line| {
        let line = line.unwrap();
        Some(line.split_once("https://t.me/desk_bot?start=")?.1.split(' ').next()?.to_owned())
    });
    let word = word.expect("a link with a word");
    recorder.hands_over(&telegram_update(2, 667, "/start 0123456789abcdef"));
    recorder.hands_over(&telegram_update(3, OWNER, &format!("/start {word}")));
    let rest: Vec<String> = told.map(|line| line.unwrap()).collect();
    assert!(child.wait().unwrap().success(), "{rest:?}");
    assert!(config(&home).contains("approvers = [\"700100200\"]"), "{}", config(&home));
}

#[test]
fn message_from_before_the_setup_is_not_offered() {
    let recorder = Recorder::start();
    let home = Home::new();
    let now_s = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for number in 1..=120 {
        let mut update: Value =
            serde_json::from_str(&telegram_update(number, 666, "let me in")).unwrap();
        update["message"]["date"] = (now_s - 3_600).into();
        recorder.hands_over(&update.to_string());
    }
    let args = ["telegram", "--no-start", "--token", TOKEN, "--api-base", &recorder.api_base];
    let done = run(&home, &[&args[..], &["--wait", "2"]].concat(), "y\n");
    assert_eq!((done.code, config(&home).as_str()), (1, ""), "{done:?}");
    assert!(done.err.contains("write again") && !done.err.contains("Is this you"), "{done:?}");
    recorder.hands_over(&telegram_update(121, OWNER, "hello"));
    assert_eq!(run(&home, &args, "y\n").code, 0);
    assert!(config(&home).contains("approvers = [\"700100200\"]"), "{}", config(&home));
}

#[test]
fn setup_that_is_stopped_while_the_server_hears_leaves_nothing() {
    let slack = Slack::start(1);
    slack.calm();
    for runs in [true, false] {
        let home = Home::new();
        let server = runs.then(|| home.up());
        let args =
            ["slack", "--token-stdin", "--api-base", &slack.api_base, "--listen", "127.0.0.1:0"];
        let yes = run(&home, &[&args[..], &["--yes"]].concat(), "xoxb-T\nxapp-1-T\n");
        assert!(yes.code == 1 && yes.err.contains("--approver ID"), "{yes:?}");
        assert_eq!(config(&home), "");
        let mut child = begin(&home, &args, "xoxb-T\nxapp-1-T\n");
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
        let waits = told.any(|line| line.unwrap().starts_with("Waiting for your message"));
        assert!(waits && config(&home).contains("[endpoints.slack.T0AAAA111]"));
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        let rest: Vec<String> = told.map(|line| line.unwrap()).collect();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{rest:?}");
        assert_eq!(config(&home), "", "with a server: {runs}; {rest:?}");
        drop(server);
    }
}

#[test]
fn endpoint_of_another_bot_stays_beside_the_new_one() {
    let recorder = Recorder::start();
    let home = Home::new();
    std::fs::create_dir(home.data()).unwrap();
    let old = format!(
        "[endpoints.telegram.main] # the first bot\nbot_token = \"99:OLD\"\napi_base = \"{}\"\napprovers = [\"1\"]\n",
        recorder.api_base
    );
    std::fs::write(home.data().join("quintet.toml"), &old).unwrap();
    let args = ["telegram", "--no-start", "--token", TOKEN, "--approver", "7"];
    let done = run(&home, &[&args[..], &["--endpoint", "main"]].concat(), "");
    assert!(done.code == 2 && done.err.contains("belongs to another account (99)"), "{done:?}");
    assert_eq!(config(&home), old);
    assert_eq!(run(&home, &args, "").code, 0);
    let text = config(&home);
    assert!(text.starts_with(&old) && text.contains("[endpoints.telegram.main-5550001]"), "{text}");
    assert_eq!(
        text.matches(&recorder.api_base).count(),
        2,
        "the new bot is asked where it was tried"
    );
}

#[test]
fn slack_is_connected_by_two_tokens_and_a_yes() {
    let slack = Slack::start(1);
    slack.calm();
    let home = Home::new();
    let _server = home.up();
    let args = ["slack", "--token-stdin", "--api-base", &slack.api_base];
    let input = "xoxb-T\nxapp-1-T\ny\n";
    let nobody = run(&home, &[&args[..], &["--wait", "1"]].concat(), input);
    assert_eq!((nobody.code, config(&home).as_str()), (1, ""), "{nobody:?}");
    let child = begin(&home, &args, input);
    within(PROMISED, "the server hears Slack", || {
        config(&home).contains("[endpoints.slack.T0AAAA111]").then_some(())
    });
    slack.message("U0HUMAN01", "hello");
    let done = child.wait_with_output().unwrap();
    let (out, err) =
        (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    assert!(done.status.success(), "{out}{err}");
    assert!(err.contains("Is this you: Ines Example, id U0HUMAN01? [y/N]"), "{err}");
    assert!(
        out.contains("write again") && config(&home).contains("approvers = [\"U0HUMAN01\"]"),
        "{out}"
    );
    slack.message("U0HUMAN01", "which agents are there?");
    within(PROMISED, "it is answered", || (slack.requests("chat.postMessage") > 0).then_some(()));
}

#[test]
fn discord_offers_the_owner_of_the_application_and_answers() {
    let discord = Discord::start(1);
    discord.calm();
    let home = Home::new();
    let _server = home.up();
    let args = ["discord", "--token-stdin", "--api-base", &discord.api_base];
    let done = run(&home, &args, "b0t\ny\n");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.err.contains("Is this you: ines, id 810000000000000001? [y/N]"), "{done:?}");
    let text = config(&home);
    assert!(
        text.contains("mode = \"gateway\"")
            && text.contains("application_id = \"910000000000000001\""),
        "{text}"
    );
    discord.message("810000000000000001", "which agents are there?");
    within(PROMISED, "it is answered", || {
        (discord.requests("/channels/830000000000000009/messages") > 0).then_some(())
    });
}

#[test]
fn doctor_tries_every_endpoint_and_says_how_to_mend_it() {
    let telegram = Fake::start(|call, _| match call.rsplit('/').next().unwrap() {
        "getMe" => (
            200,
            "",
            json!({ "ok": true, "result": { "id": 1, "username": "desk_bot", "can_join_groups": true, "can_read_all_group_messages": false } }),
        ),
        _ => (
            200,
            "",
            json!({ "ok": true, "result": { "url": "https://old.example/hook", "pending_update_count": 3, "last_error_message": "404 Not Found" } }),
        ),
    });
    let slack = Fake::start(|_, _| {
        (
            200,
            "x-oauth-scopes: chat:write,im:history",
            json!({ "ok": true, "team_id": "T0AAAA111", "team": "Acme", "user": "quintet" }),
        )
    });
    let discord =
        Fake::start(|_, _| (401, "", json!({ "message": "401: Unauthorized", "code": 0 })));
    let text = format!(
        "[endpoints.telegram.main]\nbot_token = \"1:a\"\nbot_username = \"other_bot\"\napprovers = [\"1\"]\napi_base = \"{}\"\n\
         [endpoints.slack.T0AAAA111]\nsigning_secret = \"s\"\nbot_token = \"xoxb-1\"\napprovers = [\"U1\"]\napi_base = \"{}\"\n\
         [endpoints.discord.main]\npublic_key = \"{}\"\napplication_id = \"1\"\nbot_token = \"a.b.c\"\napprovers = [\"1\"]\napi_base = \"{}\"\n\
         [endpoints.mail.desk]\naddress = \"desk@example.org\"\nimap = \"imap://127.0.0.1:1\"\nsmtp = \"smtp://127.0.0.1:1\"\npassword = \"p\"\nsenders = [\"a@b.c\"]\n",
        telegram.api_base,
        slack.api_base,
        "00".repeat(32),
        discord.api_base
    );
    let home = Home::with_config(&text);
    let done = home.run(&["doctor", "--config", home.path("quintet.toml").to_str().unwrap()]);
    assert_eq!(done.code, 1, "{done:?}");
    for says in [
        "error    endpoint telegram.main: a webhook is set (https://old.example/hook)",
        "Run `quintet setup telegram`, or start `quintet up`: both remove it.",
        "error    endpoint telegram.main: bot_username is other_bot, but the bot is @desk_bot",
        "privacy mode",
        "error    endpoint slack.T0AAAA111: the bot token lacks the scopes app_mentions:read, im:write, channels:history",
        "Reinstall to Workspace",
        "error    endpoint discord.main: Discord refuses the bot token",
        "warning  endpoint mail.desk: IMAP at 127.0.0.1:1 does not answer",
        "warning  endpoint mail.desk: SMTP at 127.0.0.1:1 does not answer",
        "Reset Token",
    ] {
        assert!(done.out.contains(says), "{says}: {done:?}");
    }
}
