//! Root at the data directory of another user, who may have put links there.

use crate::bed::{Home, skipped};
use crate::upgrade::{backups, is_newer, newer, own, run, upgrade, with_a_message, with_programs};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

/// A user without a name.
const OWNER: u32 = 54_321;

/// A home whose data directory belongs to another user; none where this is not root.
fn of_another() -> Option<Home> {
    if !nix::unistd::geteuid().is_root() {
        skipped("only root can give a directory away");
        return None;
    }
    let home = with_programs();
    with_a_message(&home);
    let open = |path: &Path| {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    };
    for path in [home.path(""), home.path("bin"), own(&home), newer(&home)] {
        open(&path);
    }
    give(&home.data());
    std::fs::create_dir(home.path("of-root")).unwrap();
    std::fs::write(home.path("of-root/secret"), "only root reads this").unwrap();
    // Readable by root's group, which is the group of the directory too.
    for (name, mode) in [("of-root/secret", 0o640), ("of-root", 0o750)] {
        std::fs::set_permissions(home.path(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    Some(home)
}

/// Gives a directory with everything in it to the other user, as `install -o USER` does: its group
/// stays root's.
fn give(path: &Path) {
    chown(path, Some(OWNER), Some(0)).unwrap();
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_type().unwrap().is_dir() {
            give(&entry.path());
        } else {
            chown(entry.path(), Some(OWNER), Some(0)).unwrap();
        }
    }
}

/// Everything below a path that root owns.
fn of_root(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| {
        let about = entry.metadata().unwrap();
        let own = (about.uid() == 0).then(|| entry.path());
        let more = if about.is_dir() { of_root(&entry.path()) } else { Vec::new() };
        own.into_iter().chain(more).collect::<Vec<_>>()
    });
    below.collect()
}

/// Asserts that what lies beside the data directory is as it was.
fn is_untouched(home: &Home) {
    let folder = home.path("of-root");
    let names: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    for path in [&folder, &folder.join("secret")] {
        assert_eq!(std::fs::metadata(path).unwrap().uid(), 0, "{}", path.display());
    }
}

#[test]
fn upgrade_by_root_leaves_everything_to_the_owner_of_the_data() {
    let Some(home) = of_another() else { return };
    upgrade(&home, &[]).ok();
    assert!(is_newer(&own(&home)));
    assert_eq!(std::fs::metadata(own(&home)).unwrap().uid(), 0);
    assert_eq!(backups(&home).len(), 1);
    assert!(of_root(&home.data()).is_empty());
    let answer = run(&home, &["upgrade", "--back", "--json"]).json();
    let commands = answer["restore"].to_string();
    assert!(commands.contains("&& chown -h 54321:54321 "), "{commands}");
    assert!(commands.contains("sudo -u '#54321' quintet restore"), "{commands}");
    assert!(!is_newer(&own(&home)));
    assert!(of_root(&home.data()).is_empty());
}

#[test]
fn upgrade_by_root_follows_no_link_of_the_owner() {
    for (name, target) in [
        ("backups", "of-root"),
        ("objects/link", "of-root/secret"),
        ("service.env", "of-root/secret"),
        ("lock", "of-root/lock"),
        ("quintet.db-wal", "of-root/wal"),
    ] {
        let Some(home) = of_another() else { return };
        let link = home.data().join(name);
        let _ = std::fs::remove_file(&link);
        let _ = std::fs::create_dir(link.parent().unwrap());
        symlink(home.path(target), &link).unwrap();
        let done = upgrade(&home, &[]);
        assert!(done.code != 0, "{name}: {done:?}");
        assert!(!is_newer(&own(&home)), "{name}");
        is_untouched(&home);
        assert_eq!(of_root(&home.data()), [link], "{name}: the link itself is this test's");
    }
}

#[test]
fn backup_by_root_holds_nothing_that_its_owner_could_not_read() {
    let Some(home) = of_another() else { return };
    let file = home.path("of-root/all.tar.gz");
    let file = file.to_str().unwrap();
    run(&home, &["backup", file]).ok();
    assert_eq!(std::fs::metadata(file).unwrap().uid(), 0);
    assert!(of_root(&home.data()).is_empty());
    // Into a directory that root has made for the owner.
    let other = home.path("other");
    std::fs::create_dir(&other).unwrap();
    give(&other);
    run(&home, &["restore", file, "--data", other.to_str().unwrap()]).ok();
    assert!(other.join("quintet.db").exists());
    assert!(of_root(&other).is_empty());
    std::fs::remove_file(file).unwrap();
    symlink(home.path("of-root/secret"), home.data().join("service.env")).unwrap();
    let done = run(&home, &["backup", file]);
    assert!(done.code != 0, "{done:?}");
    is_untouched(&home);
}

#[test]
fn log_of_a_service_is_read_with_the_rights_of_its_owner() {
    let Some(home) = of_another() else { return };
    symlink(home.path("of-root/secret"), home.data().join("service.log")).unwrap();
    let done = run(&home, &["service", "logs"]);
    assert!(done.code != 0 && !done.out.contains("only root"), "{done:?}");
}

#[test]
fn folder_that_may_be_anybodys_is_refused_to_root() {
    let Some(home) = of_another() else { return };
    let file = home.path("all.tar.gz");
    let file = file.to_str().unwrap();
    run(&home, &["backup", file]).ok();
    // A link of the owner's to a folder of root's, and one that everybody may write in.
    let theirs = home.path("theirs");
    std::fs::create_dir(&theirs).unwrap();
    give(&theirs);
    symlink(home.path("of-root"), theirs.join("data")).unwrap();
    std::os::unix::fs::lchown(theirs.join("data"), Some(OWNER), Some(OWNER)).unwrap();
    let open = home.path("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
    for data in [theirs.join("data"), open] {
        let done = run(&home, &["restore", file, "--data", data.to_str().unwrap()]);
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.err.contains("so nothing was changed"), "{}", done.err);
    }
    is_untouched(&home);
    // A folder that does not exist yet will be theirs.
    let new = theirs.join("new");
    run(&home, &["restore", file, "--data", new.to_str().unwrap()]).ok();
    assert!(new.join("quintet.db").exists());
    assert_eq!(std::fs::metadata(&new).unwrap().uid(), OWNER);
    assert!(of_root(&new).is_empty());
}

#[test]
fn database_of_root_in_a_directory_of_another_says_how_to_give_it_away() {
    let Some(home) = of_another() else { return };
    chown(home.data().join("quintet.db"), Some(0), Some(0)).unwrap();
    let done = run(&home, &["backup", "all.tar.gz"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("chown -R 54321:54321 "), "{}", done.err);
    assert!(!home.path("all.tar.gz").exists());
}

#[test]
fn record_of_an_upgrade_names_only_a_backup_of_its_directory() {
    let home = with_programs();
    with_a_message(&home);
    let data = home.data();
    for (bad, is_named) in [
        ("/etc/made-up.tar.gz", true),
        ("../../made-up.tar.gz", true),
        ("/etc/x\\nrm -rf ~", false),
        ("..", false),
    ] {
        upgrade(&home, &[]).ok();
        let record = data.join("upgrade.json");
        let mut good: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
        good["backup"] = bad.replace("\\n", "\n").into();
        std::fs::write(&record, good.to_string()).unwrap();
        let answer = run(&home, &["upgrade", "--back", "--json"]).json();
        let named = format!("'{}.newer/backups/made-up.tar.gz'", data.display());
        let commands = answer["restore"].as_array().map(|all| serde_json::json!(all).to_string());
        assert_eq!(commands.is_some_and(|all| all.contains(&named)), is_named, "{bad}: {answer}");
        assert!(is_named || answer["restore"].is_null(), "{bad}: {answer}");
        assert!(!is_newer(&own(&home)), "{bad}");
    }
}
