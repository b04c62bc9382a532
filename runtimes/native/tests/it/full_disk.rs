//! A disk without a free byte: a small file system of the server's own, filled to the brim.

use crate::bed::{Home, Server, TELEGRAM_SECRET, telegram_config, telegram_update, until, within};
use crate::recorder::Recorder;
use serde_json::Value;
use std::time::Duration;

const OWNER: u64 = 700_100_200;

/// Mounts the disk, then becomes the server. The results are copied out; the
/// files `fill` and `free` beside the home fill the disk and free it.
const ON_A_SMALL_DISK: &str = r#"
out=$PWD disk=$PWD/disk
mkdir "$disk" && mount -t tmpfs -o size=24m none "$disk" || exit 9
(
  wait_for() { while [ ! -e "$1" ]; do sleep 0.02; done; }
  wait_for "$disk/data/server.json"
  mkdir "$out/data" && cp -r "$disk/data/tokens" "$out/data" && cp "$disk/data/server.json" "$out/new" && mv "$out/new" "$out/data/server.json"
  wait_for "$out/fill"; cat /dev/zero >"$disk/filler" 2>/dev/null; touch "$out/filled"
  wait_for "$out/free"; rm "$disk/filler"
) >/dev/null 2>&1 &
QUINTET_DATA=$disk/data exec "$0" "$@"
"#;

fn on_a_small_disk(home: &Home) -> Server {
    home.up_within(
        &["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"],
        ON_A_SMALL_DISK,
    )
}

/// Whether the process table has the agent of this home.
fn is_running(home: &Home) -> bool {
    let program = home.path("agent.sh").display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap();
    processes.flatten().any(|process| {
        std::fs::read_to_string(process.path().join("cmdline"))
            .is_ok_and(|line| line.split('\0').nth(1) == Some(&program))
    })
}

fn fill(home: &Home) {
    std::fs::write(home.path("fill"), "").unwrap();
    until("the disk is full", || home.path("filled").exists().then_some(()));
}

#[test]
fn halt_from_a_chat_stops_a_run_while_the_disk_is_full() {
    let recorder = Recorder::start();
    let home = Home::with_config("");
    let script = home.script("agent.sh", "cat >/dev/null; while true; do sleep 1; done");
    let agent = format!(
        "[agents.codegen]\nrunner = \"command\"\nestimated_cost = 0.0\nsandbox = \"off\"\ncommand = [\"{}\"]\n",
        script.display()
    );
    let channel = telegram_config(&recorder.api_base, OWNER, &[OWNER]);
    std::fs::write(home.path("quintet.toml"), channel + &agent).unwrap();
    let server = on_a_small_disk(&home);
    let post = |update: u64, text: &str| {
        let body = telegram_update(update, OWNER, text);
        server.ask("POST", "/telegram/main", &[TELEGRAM_SECRET], &body).status
    };
    assert_eq!(post(1, "@codegen work"), 200);
    until("the agent runs", || is_running(&home).then_some(()));

    fill(&home);
    // Telegram sends again what is not acknowledged; the halt must be in force either way.
    let answered = post(2, "/halt");
    assert!(matches!(answered, 200 | 503), "{answered}");
    within(Duration::from_secs(10), "the agent is stopped", || (!is_running(&home)).then_some(()));
    assert_eq!(server.get("/personal-assistant/api/halts")["all"], true);

    std::fs::write(home.path("free"), "").unwrap();
    let written = |halts: &Value| {
        let rows = halts["halts"].as_array().unwrap();
        !rows.is_empty() && rows.iter().all(|row| row["reason"] == "by chat")
    };
    until("the halt is written", || {
        Some(server.get("/personal-assistant/api/halts")).filter(written)
    });
    assert_eq!(server.stop(), Some(0));
}
