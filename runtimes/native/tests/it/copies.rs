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

const PASSPHRASE: &str = "correct horse battery staple";
const VARIABLE: &str = "QUINTET_BACKUP_PASSPHRASE";

/// Every file below the data directory has mode 0600.
fn assert_closed(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_closed(&path);
        } else {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
}

#[test]
fn encrypted_backup_shows_no_token_and_needs_its_passphrase() {
    let home = Home::new().and(VARIABLE, PASSPHRASE);
    home.up().kill();
    let done = home.run(&["backup", "all.age", "--encrypt", "--json"]);
    assert_eq!(done.json()["encrypted"], true, "{done:?}");
    assert!(!done.err.contains("matches no key"), "{}", done.err);
    let file = home.path("all.age");
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n-> scrypt "));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let file = file.to_str().unwrap();

    for (variable, code, part) in
        [(Some("another passphrase"), 1, "not the one of this backup"), (None, 2, VARIABLE)]
    {
        let other = Home::new();
        let other = match variable {
            Some(text) => other.and(VARIABLE, text),
            None => other,
        };
        // Without a terminal of its own.
        let mut command = std::process::Command::new("setsid");
        let plain = other.command(&["restore", file]);
        command.arg("--wait").arg(plain.get_program()).args(plain.get_args()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let done = command.stdin(std::process::Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{said}");
        assert!(said.contains(part), "{said}");
        assert!(!other.data().exists(), "nothing is changed");
    }
    let other = Home::new().and(VARIABLE, PASSPHRASE);
    let done = other.run(&["restore", file, "--identity", file]);
    assert_eq!(done.code, 2, "{done:?}");
    other.run(&["restore", file]).ok();
    assert_eq!(other.token("operator"), home.token("operator"));
    assert_closed(&other.data());
    let _server = other.up();
    other.run(&["send", "telegram", "plan the next sprint"]).ok();
}

#[test]
fn damaged_or_truncated_backup_changes_nothing() {
    let home = Home::new().and(VARIABLE, PASSPHRASE);
    home.up().kill();
    home.run(&["backup", "all.age", "--encrypt"]).ok();
    home.run(&["backup", "all.tar.gz"]).ok();
    for name in ["all.age", "all.tar.gz"] {
        let whole = std::fs::read(home.path(name)).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        let (most, half) = (whole.len() - 1, whole.len() / 2);
        let broken = [&whole[..most], &whole[..half], &whole[..40], &flipped[..]];
        for (at, bytes) in broken.into_iter().enumerate() {
            std::fs::write(home.path("broken"), bytes).unwrap();
            let other = Home::new().and(VARIABLE, PASSPHRASE);
            let done = other.run(&["restore", home.path("broken").to_str().unwrap()]);
            assert_eq!(done.code, 3, "{name} {at}: {done:?}");
            assert!(done.err.contains("damaged"), "{name} {at}: {}", done.err);
            assert!(!other.data().exists(), "{name} {at}: nothing is changed");
        }
    }
}

#[test]
fn encrypted_backup_opens_with_the_key_of_any_of_its_recipients() {
    let home = Home::new();
    home.up().kill();
    let keys: Vec<_> = std::iter::repeat_with(age::x25519::Identity::generate).take(3).collect();
    let public: Vec<String> = keys.iter().map(|key| key.to_public().to_string()).collect();
    home.run(&["backup", "all.age", "--recipient", &public[0], "--recipient", &public[1]]).ok();
    let file = home.path("all.age");
    let file = file.to_str().unwrap();
    let restored = |key: &age::x25519::Identity| {
        use age::secrecy::ExposeSecret;
        let other = Home::new();
        let text = format!("# a comment\n{}\n", key.to_string().expose_secret());
        std::fs::write(other.path("key.txt"), text).unwrap();
        let done = other.run(&["restore", file, "--identity", "key.txt"]);
        (done.code, other.data().join("tokens/operator").exists(), done.err)
    };
    for key in &keys[..2] {
        assert_eq!(restored(key), (0, true, String::new()));
    }
    let (code, exists, said) = restored(&keys[2]);
    assert_eq!((code, exists), (1, false), "{said}");
    let done = Home::new().run(&["restore", file]);
    assert!(done.code == 2 && done.err.contains("--identity"), "{done:?}");
    let done = home.run(&["restore", "all.age", "--identity", file, "--data", "new"]);
    assert!(done.code == 3 && !home.path("new").exists(), "{done:?}");
}

#[test]
fn backup_is_not_written_with_a_weak_passphrase_or_a_wrong_recipient() {
    let home = Home::new().and(VARIABLE, "too short");
    home.up().kill();
    let key = "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq";
    for more in [&["--encrypt"][..], &["--encrypt", "--recipient", key]] {
        let done = home.run(&[&["backup", "all.age"], more].concat());
        assert_eq!(done.code, 2, "{done:?}");
        assert!(!done.err.contains("too short") && !home.path("all.age").exists(), "{done:?}");
    }
}
