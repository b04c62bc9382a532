//! Backups: made while the server runs, restored elsewhere.

use crate::bed::Home;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

/// The events, as a person would compare them.
fn events(server: &crate::bed::Server) -> Vec<Value> {
    let list = server.get("/webhook-aggregator/api/events?limit=500");
    list["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            serde_json::json!([event["id"], event["text"], event["state"], event["taskId"]])
        })
        .collect()
}

#[test]
fn backup_of_a_running_server_restores_everything_elsewhere() {
    let home = Home::new();
    let server = home.up();
    for text in [
        "Fix the TypeError in the login flow",
        "plan the next sprint",
        "is the login form open to injection?",
    ] {
        home.run(&["send", "telegram", text]).ok();
    }
    let said = events(&server);
    let backup = home.run(&["backup", "all.tar.gz", "--json"]).json();
    let file = home.path("all.tar.gz");
    let meta = std::fs::metadata(&file).unwrap();
    assert_eq!(
        (meta.permissions().mode() & 0o777, backup["bytes"].as_u64()),
        (0o600, Some(meta.len())),
        "it holds tokens"
    );
    let left = std::fs::read_dir(home.data())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("backup"));
    assert_eq!(left.count(), 0, "no scratch is left");
    home.run(&["send", "telegram", "this comes after the backup"]);

    let other = Home::new();
    other.run(&["restore", file.to_str().unwrap()]).ok();
    assert_eq!(std::fs::metadata(other.data()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(
        std::fs::metadata(other.data().join("tokens/operator")).unwrap().permissions().mode()
            & 0o777,
        0o600
    );
    for name in ["quintet.db", "inbox.db", "local.json"] {
        let mode = std::fs::metadata(other.data().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(other.token("operator"), home.token("operator"));
    let restored = other.up();
    assert_eq!(events(&restored), said);
    let answer = other.run(&["send", "telegram", "Fix the TypeError in the login flow"]);
    assert_eq!(answer.code, 0, "it goes on working: {answer:?}");
    assert_eq!(events(&restored).len(), said.len() + 1);
}

#[test]
fn backup_and_restore_never_overwrite_existing_files() {
    let home = Home::new();
    home.up().kill();
    home.run(&["backup", "all.tar.gz"]).ok();
    let again = home.run(&["backup", "all.tar.gz"]);
    assert_ne!(again.code, 0, "{again:?}");
    let before = home.token("operator");
    let over = home.run(&["restore", "all.tar.gz"]);
    assert_eq!((over.code, home.token("operator")), (1, before), "{over:?}");
    std::fs::write(home.path("other.tar.gz"), "no archive at all").unwrap();
    let elsewhere = Home::new();
    let wrong = elsewhere.run(&["restore", home.path("other.tar.gz").to_str().unwrap()]);
    assert_ne!(wrong.code, 0, "{wrong:?}");
    assert!(!elsewhere.data().join("quintet.db").exists());
}

#[test]
fn restore_refuses_the_directory_of_a_running_server() {
    let home = Home::new();
    home.up().kill();
    home.run(&["backup", "all.tar.gz"]).ok();
    let other = Home::new();
    let _server = other.up();
    let done = other.run(&["restore", home.path("all.tar.gz").to_str().unwrap()]);
    assert_eq!(done.code, 1, "{done:?}");
}

#[test]
fn halt_survives_a_clean_stop_without_the_wal() {
    let home = Home::new();
    let server = home.up();
    home.run(&["halt"]).ok();
    assert_eq!(server.stop(), Some(0));
    for name in ["quintet.db-wal", "quintet.db-shm", "inbox.db-wal", "inbox.db-shm"] {
        let _ = std::fs::remove_file(home.data().join(name));
    }
    let _server = home.up();
    let refused = home.run(&["send", "telegram", "Fix the TypeError in the login flow"]);
    assert!(refused.err.contains("halt"), "{refused:?}");
}

#[test]
fn lost_or_damaged_database_is_refused_by_name() {
    let home = Home::new();
    assert_eq!(home.up().stop(), Some(0));
    let database = home.data().join("quintet.db");
    let refused = || {
        let done = home.run(&["up", "--listen", "127.0.0.1:0"]);
        assert_eq!((done.code, done.out.as_str()), (3, ""), "{done:?}");
        for part in [database.to_str().unwrap(), "quintet restore"] {
            assert!(done.err.contains(part), "{part}: {}", done.err);
        }
    };
    std::fs::write(&database, "no database at all, ".repeat(500)).unwrap();
    refused();
    std::fs::remove_file(&database).unwrap();
    refused();
    assert!(!database.exists(), "nothing was made in its place");
}
