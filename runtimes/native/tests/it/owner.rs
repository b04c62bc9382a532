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
    for (name, mode) in [("of-root/secret", 0o600), ("of-root", 0o700)] {
        std::fs::set_permissions(home.path(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    Some(home)
}

/// Gives a directory with everything in it to the other user.
fn give(path: &Path) {
    chown(path, Some(OWNER), Some(OWNER)).unwrap();
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_type().unwrap().is_dir() {
            give(&entry.path());
        } else {
            chown(entry.path(), Some(OWNER), Some(OWNER)).unwrap();
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
    assert!(commands.contains("install -d -m 700 -o 54321 -g 54321"), "{commands}");
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
fn record_of_an_upgrade_names_only_a_backup_of_its_directory() {
    let home = with_programs();
    with_a_message(&home);
    upgrade(&home, &[]).ok();
    let record = home.data().join("upgrade.json");
    let good = std::fs::read_to_string(&record).unwrap();
    let backup = backups(&home)[0].display().to_string();
    let elsewhere = home.path("made-up.tar.gz").display().to_string();
    let above = format!("{}/backups/../../made-up.tar.gz", home.data().display());
    for bad in [elsewhere.as_str(), &above, "/etc/x\\nrm -rf ~", "made-up.tar.gz"] {
        std::fs::write(&record, good.replace(&backup, bad)).unwrap();
        let done = run(&home, &["upgrade", "--back"]);
        assert_eq!(done.code, 1, "{bad}: {done:?}");
        assert!(done.err.contains("names no backup"), "{}", done.err);
        assert!(is_newer(&own(&home)), "{bad}");
    }
    std::fs::write(&record, good).unwrap();
    run(&home, &["upgrade", "--back"]).ok();
}
