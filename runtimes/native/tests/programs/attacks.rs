//! Attacks of an agent's program on the machine: each was seen to work once, and must fail.

use crate::native::programs::NativePrograms;
use platform::ports::{PortErrorKind, ProgramEvent, ProgramNetwork, ProgramSpec, Programs, Reach};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const TOKEN: &str = "the-token-of-the-operator";

/// A home with the data directory where people have it, a configuration outside it, and a
/// repository.
pub struct Home {
    folder: TempDir,
    pub programs: NativePrograms,
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("home").tempdir_in("/var/tmp").unwrap();
        let home = folder.path();
        for (path, text) in [
            (".local/share/quintet/tokens/operator", TOKEN),
            (".config/quintet/quintet.toml", TOKEN),
            (".ssh/id_ed25519", TOKEN),
            ("src/app/main.rs", "fn main() {}"),
        ] {
            std::fs::create_dir_all(home.join(path).parent().unwrap()).unwrap();
            std::fs::write(home.join(path), text).unwrap();
        }
        let programs = Self::start(home, &[]);
        Self { folder, programs }
    }
    /// As a server that starts in this home; its agents may write these folders.
    pub fn start(home: &Path, writable: &[&str]) -> NativePrograms {
        let environment =
            [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", home.to_str().unwrap())]
                .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let writable = writable.iter().map(|path| home.join(path).display().to_string());
        NativePrograms::with(
            env!("CARGO_BIN_EXE_quintet"),
            home.join(".cache/quintet-work"),
            home.join(".local/share/quintet"),
            environment,
        )
        .protecting([home.join(".config/quintet/quintet.toml")])
        .agents_writing(writable)
    }
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }
    pub fn text(&self, below: &str) -> String {
        self.path(below).display().to_string()
    }
    /// Everything the script printed.
    pub async fn said(&self, text: &str) -> String {
        self.run(script(text)).await
    }
    pub async fn run(&self, spec: ProgramSpec) -> String {
        let mut running = self.programs.start(spec).await.unwrap();
        let mut said = String::new();
        loop {
            match running.next().await {
                ProgramEvent::Line(line) => said += &format!("{line}\n"),
                ProgramEvent::Exited { stderr, .. } => return said + &stderr,
                end => panic!("{end:?} after {said}"),
            }
        }
    }
}

pub fn script(text: &str) -> ProgramSpec {
    ProgramSpec {
        program: "bash".to_owned(),
        args: vec!["-c".to_owned(), format!("exec 2>&1\n{text}")],
        task: "attack".to_owned(),
        timeout_ms: 60_000,
        output_bytes_max: 1 << 20,
        ..ProgramSpec::default()
    }
}

fn processes(mark: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    arguments.filter(|text| String::from_utf8_lossy(text).contains(mark)).count()
}

#[tokio::test]
async fn agent_finds_no_secret_anywhere_in_the_home() {
    let home = Home::new();
    let said = home
        .said(&format!(
            "cd {0} && mv .local/share .local/s2; mkdir -p .local/share/quintet; cat .local/*/quintet/tokens/operator\n\
             cat .config/quintet/quintet.toml .ssh/id_ed25519\n\
             grep -r {TOKEN} {0} / --include=operator --include=quintet.toml --include=id_ed25519 -s 2>/dev/null | head -3\n\
             ls -A {0}; echo tried",
            home.folder.path().display()
        ))
        .await;
    assert!(!said.contains(TOKEN), "{said}");
    assert!(said.ends_with("tried\n"), "{said}");
    assert_eq!(
        std::fs::read_to_string(home.path(".local/share/quintet/tokens/operator")).unwrap(),
        TOKEN
    );
}

#[tokio::test]
async fn agent_sees_and_signals_no_process_of_the_machine() {
    let home = Home::new();
    let said = home
        .said(&format!(
            "kill -9 1 $PPID {0}; kill -STOP 1 $PPID {0}; cat /proc/{0}/environ; ls -d /proc/[0-9]* | wc -l; echo tried",
            std::process::id()
        ))
        .await;
    assert!(said.ends_with("tried\n"), "{said}");
    let seen: Vec<_> = said.lines().filter_map(|line| line.parse::<usize>().ok()).collect();
    assert!(seen.iter().all(|count| *count <= 5), "{said}");
}

#[tokio::test]
async fn halt_leaves_nothing_of_an_agent_that_kills_its_supervisor() {
    let home = Home::new();
    let mark = format!("comet-{}", std::process::id());
    let text = format!(
        "setsid bash -c 'trap \"\" TERM HUP INT; while :; do sleep 0.1; : {mark}; done' & sleep 0.2; \
         kill -9 $PPID; kill -STOP $PPID; echo up; trap '' TERM; while :; do sleep 0.1; : {mark}; done"
    );
    let mut running = home.programs.start(script(&text)).await.unwrap();
    while running.next().await != ProgramEvent::Line("up".to_owned()) {}
    assert!(processes(&mark) >= 2);
    running.stop().await.unwrap();
    assert_eq!(processes(&mark), 0);
}

#[tokio::test]
async fn agents_do_not_see_each_others_work_folders() {
    let home = Home::new();
    let waits = script("echo secret-of-A > a.txt; echo up; exec sleep 1000");
    let mut first = home.programs.start(waits).await.unwrap();
    first.next().await;
    let said = home.said("cat ../*/a.txt; ls -A ..; echo mine > b.txt; ls").await;
    assert!(!said.contains("secret-of-A"), "{said}");
    assert!(said.ends_with("b.txt\n"), "{said}");
    first.stop().await.unwrap();
}

/// With the folder above all work folders in the configuration.
#[tokio::test]
async fn folder_above_the_work_folders_shows_no_other_run() {
    let home = Home::new();
    let mut first = home
        .programs
        .start(script("echo secret-of-A > a.txt; echo up; exec sleep 1000"))
        .await
        .unwrap();
    first.next().await;
    let cache = home.text(".cache");
    let text = format!(
        "cat {cache}/quintet-work/*/a.txt; ls {cache}/quintet-work | grep -c relay
         echo mine > own.txt && cat own.txt; echo bad > {cache}/quintet-work/x; echo tried"
    );
    let reads = ProgramSpec {
        reach: Reach { readable: vec![cache.clone()], ..Reach::default() },
        ..script(&text)
    };
    let said = home.run(reads).await;
    assert!(!said.contains("secret-of-A"), "{said}");
    assert!(said.contains("\n1\nmine\n") && said.contains("Read-only"), "{said}");
    assert!(said.ends_with("tried\n"), "{said}");
    for (path, writes) in
        [(".cache", true), (".cache/quintet-work", true), (".cache/quintet-work", false)]
    {
        let named = vec![home.text(path)];
        let reach = if writes {
            Reach { writable: named, ..Reach::default() }
        } else {
            Reach { readable: named, ..Reach::default() }
        };
        let error =
            home.programs.start(ProgramSpec { reach, ..script("true") }).await.err().unwrap();
        assert!(error.detail.contains("which an agent must not reach"), "{}", error.detail);
    }
    first.stop().await.unwrap();
}

#[tokio::test]
async fn agent_has_no_terminal() {
    let home = Home::new();
    let said = home.said("cat < /dev/tty; ls /dev; ps -o tty= -p $$ || true; echo tried").await;
    assert!(said.contains("/dev/tty: No such") && said.ends_with("tried\n"), "{said}");
}

#[tokio::test]
async fn agent_mounts_nothing_and_enters_no_namespace() {
    let home = Home::new();
    for attempt in [
        "unshare -Ur true",
        "unshare -m true",
        "mount -t tmpfs none /tmp",
        "umount -l /proc",
        "nsenter -t 1 -m true",
        "chroot / true",
        "mknod /tmp/sda b 8 0",
    ] {
        let said = home.said(&format!("{attempt} && echo done || echo refused")).await;
        assert!(said.ends_with("refused\n"), "{attempt}: {said}");
    }
}

#[tokio::test]
async fn agent_changes_nothing_of_the_machine_even_as_root() {
    let home = Home::new();
    let said = home
        .said(
            "for f in /etc/passwd /usr/bin/x /proc/sys/kernel/core_pattern /proc/sysrq-trigger /x /dev/x; do
                 (echo bad > $f) && echo \"wrote $f\"
             done; cat /etc/shadow; grep -E '^Cap(Eff|Bnd|Prm)' /proc/self/status; echo tried",
        )
        .await;
    assert!(!said.contains("wrote /etc") && !said.contains("wrote /usr"), "{said}");
    assert!(!said.contains("wrote /proc") && !said.contains("wrote /x"), "{said}");
    assert!(!said.contains("root:") && said.contains("CapEff:\t0000000000000000"), "{said}");
    assert!(said.contains("CapBnd:\t0000000000000000"), "{said}");
}

#[tokio::test]
async fn agent_works_in_the_paths_it_is_given_and_in_no_others() {
    let home = Home::new();
    let app = home.text("src/app");
    let text = format!("cat {app}/main.rs; echo new > {app}/new.rs; echo tried");
    let said = home.said(&text).await;
    assert!(said.contains("No such file"), "{said}");
    let reads = ProgramSpec {
        reach: Reach { readable: vec![app.clone()], ..Reach::default() },
        ..script(&text)
    };
    let said = home.run(reads).await;
    assert!(said.contains("fn main") && said.contains("Read-only"), "{said}");
    let writes =
        ProgramSpec { reach: Reach { writable: vec![app], ..Reach::default() }, ..script(&text) };
    assert_eq!(home.run(writes).await, "fn main() {}tried\n");
    assert_eq!(std::fs::read_to_string(home.path("src/app/new.rs")).unwrap(), "new\n");
}

#[tokio::test]
async fn path_that_holds_a_secret_is_refused_or_covered() {
    let home = Home::new();
    for path in [".local", ".local/share/quintet/tokens", ".config/quintet", ""] {
        let given = ProgramSpec {
            reach: Reach { writable: vec![home.text(path)], ..Reach::default() },
            ..script("true")
        };
        let error = home.programs.start(given).await.err().unwrap();
        assert_eq!(error.kind, PortErrorKind::Invalid);
        assert!(error.detail.contains("which an agent must not reach"), "{}", error.detail);
    }
    let text = format!("ls -A {0}/share/quintet; ls {0}; echo tried", home.text(".local"));
    let given = ProgramSpec {
        reach: Reach { readable: vec![home.text(".local")], ..Reach::default() },
        ..script(&text)
    };
    assert_eq!(home.run(given).await, "share\ntried\n");
}

/// Covered alone, a file would come to light when an editor renames a new one over it.
#[tokio::test]
async fn path_that_holds_a_file_of_secrets_is_refused() {
    let home = Home::new();
    for path in [".config", ".config/quintet", ".config/quintet/quintet.toml"] {
        let given = ProgramSpec {
            reach: Reach { readable: vec![home.text(path)], ..Reach::default() },
            ..script("true")
        };
        let error = home.programs.start(given).await.err().unwrap();
        assert_eq!(error.kind, PortErrorKind::Invalid);
        assert!(error.detail.contains("which an agent must not reach"), "{}", error.detail);
    }
}

#[tokio::test]
async fn agent_finds_only_files_of_etc_that_everyone_may_read() {
    let home = Home::new();
    let said = home
        .said(
            "find /etc ! -type l ! -perm -o=r; ls /etc/shadow /etc/sudoers; cat /etc/passwd | head -1
             cat /etc/hosts /etc/resolv.conf >/dev/null && getent passwd root && touch /etc/x; ls /etc/ssl/certs | wc -l; echo tried",
        )
        .await;
    let (missing, rest) = said.split_once("root:").unwrap();
    assert!(missing.lines().all(|line| line.starts_with("ls: cannot access")), "{missing}");
    assert!(
        rest.contains("\nroot:") && rest.contains("Read-only") && rest.ends_with("tried\n"),
        "{rest}"
    );
}

#[tokio::test]
async fn moved_data_directory_starts_no_agent() {
    let home = Home::new();
    std::fs::rename(home.path(".local/share"), home.path(".local/s2")).unwrap();
    std::fs::create_dir_all(home.path(".local/share/quintet")).unwrap();
    let error = home.programs.start(script("echo ran")).await.err().unwrap();
    assert!(error.detail.contains("is not the file it was"), "{}", error.detail);
}

#[tokio::test]
async fn agent_finds_no_way_round_by_links_and_processes() {
    let home = Home::new();
    let token = home.text(".local/share/quintet/tokens/operator");
    let said = home
        .said(&format!(
            "ln {token} hard; ln -s {token} soft; cat hard soft
             for p in /proc/[0-9]*; do cat $p/root{token} $p/cwd/../tokens/operator; ls -l $p/fd; done
             echo tried"
        ))
        .await;
    assert!(!said.contains(TOKEN), "{said}");
    assert!(!said.contains("quintet.db") && said.ends_with("tried\n"), "{said}");
}

#[tokio::test]
async fn agent_gains_nothing_by_setuid_and_leaves_no_core() {
    let home = Home::new();
    let said = home
        .said(
            "grep NoNewPrivs /proc/self/status; cp $(command -v id) own; chmod 6755 own; ./own -u | grep -vx $(id -u)
             { (ulimit -c unlimited; sh -c 'kill -SEGV $$'); } >/dev/null 2>&1; ls -A; echo tried",
        )
        .await;
    // No core file is among the names of the folder.
    assert_eq!(said, "NoNewPrivs:\t1\nown\ntried\n");
}

#[tokio::test]
async fn memory_processes_and_files_of_an_agent_are_limited() {
    let home = Home::new();
    let said = home.said("ulimit -d; ulimit -u; ulimit -f; ulimit -n; ulimit -c").await;
    let limits: Vec<_> = said.lines().collect();
    assert_eq!(limits.len(), 5, "{said}");
    assert!(limits.iter().all(|limit| limit.parse::<u64>().is_ok()), "{said}");
}

#[tokio::test]
async fn fork_bomb_and_big_files_end_at_their_limits() {
    let home = Home::new();
    let said = home
        .said(
            "dd if=/dev/zero of=/tmp/big bs=1M count=3000; rm -f /tmp/big
             n=0; while [ $n -lt 3000 ]; do sleep 5 & n=$((n+1)); done 2>/dev/null; echo started $(jobs -p | wc -l)",
        )
        .await;
    assert!(said.contains("No space left") || said.contains("File too large"), "{said}");
    let started = said.rsplit("started ").next().and_then(|n| n.trim().parse::<usize>().ok());
    assert!(started.is_none_or(|started| started < 1_100), "{said}");
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test]
async fn agent_without_network_reaches_no_loopback_of_the_machine() {
    let home = Home::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!("(exec 3<>/dev/tcp/127.0.0.1/{port}) && echo reached || echo refused");
    let all = ProgramSpec {
        reach: Reach { network: ProgramNetwork::All, ..Reach::default() },
        ..script(&text)
    };
    assert_eq!(home.run(all).await, "reached\n", "the test looks in the right place");
    let none = ProgramSpec {
        reach: Reach { network: ProgramNetwork::None, ..Reach::default() },
        ..script(&text)
    };
    assert!(home.run(none).await.ends_with("refused\n"));
}

#[tokio::test]
async fn agent_with_internet_reaches_no_loopback_through_its_proxy() {
    let home = Home::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = home
        .said(&format!(
            "(exec 3<>/dev/tcp/127.0.0.1/{port}) || echo refused
             exec 3<>/dev/tcp/127.0.0.1/${{HTTPS_PROXY##*:}}
             printf 'CONNECT localhost:{port} HTTP/1.1\\r\\n\\r\\n' >&3; head -1 <&3"
        ))
        .await;
    assert!(said.contains("refused") && said.contains("HTTP/1.1 403"), "{said}");
}

#[tokio::test]
async fn program_shows_nothing_that_lies_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    std::fs::create_dir_all(home.path("Documents/old")).unwrap();
    std::fs::write(home.path("Documents/tax.txt"), TOKEN).unwrap();
    let text = "#!/bin/sh\ncd ${0%/*}; cat tax.txt old/* ../Documents/tax.txt; ls; echo tried\n";
    std::fs::write(home.path("Documents/agent.sh"), text).unwrap();
    std::fs::write(home.path("Documents/old/tax.txt"), TOKEN).unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(home.path("Documents/agent.sh"), executable).unwrap();
    std::os::unix::fs::symlink(home.path("Documents/agent.sh"), home.path("src/app/agent"))
        .unwrap();
    for (program, beside) in [("Documents/agent.sh", "agent.sh"), ("src/app/agent", "agent")] {
        let spec = ProgramSpec { program: home.text(program), args: vec![], ..script("") };
        assert_eq!(
            home.run(spec)
                .await
                .lines()
                .filter(|line| !line.contains("No such file"))
                .collect::<Vec<_>>(),
            [beside, "tried"]
        );
    }
}

/// It ignores SIGTERM and has five seconds until it is killed.
#[tokio::test]
async fn stopped_agent_reaches_no_network_while_it_has_its_time_to_end() {
    let home = Home::new();
    let folder = home.path("src/app");
    let text = "trap '' TERM; for n in {1..100}; do
        (exec 3<>/dev/tcp/127.0.0.1/3128 && printf 'x\\r\\n\\r\\n' >&3 && head -1 <&3 | grep -q HTTP) && echo open || echo closed
        sleep 0.1; done >>$0/network & wait";
    let args = ["-c", text, &folder.display().to_string()].map(str::to_owned).to_vec();
    let reach = Reach { writable: vec![folder.display().to_string()], ..Reach::default() };
    let mut running = home.programs.start(ProgramSpec { args, reach, ..script("") }).await.unwrap();
    let said = || std::fs::read_to_string(folder.join("network")).unwrap_or_default();
    while !said().contains("open") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.stop().await.unwrap();
    let said = said();
    let (_, after) = said.split_at(said.find("closed").unwrap());
    assert!(after.lines().count() > 10 && !after.contains("open"), "{said}");
}

#[tokio::test]
async fn agent_makes_no_socket_that_passes_by_its_network() {
    let home = Home::new();
    // vsock, packet, bluetooth, alg.
    let said = home
        .said(
            "for family in 40 17 31 38 1 2 10; do
                 perl -e 'print \"$ARGV[0] \"; print socket(my $s, $ARGV[0], 1, 0) ? \"made\\n\" : \"$!\\n\"' $family
             done",
        )
        .await;
    assert_eq!(said.matches("Address family not supported").count(), 4, "{said}");
    assert!(said.ends_with("1 made\n2 made\n10 made\n"), "{said}");
}

/// The tools of this machine, in a folder that the agent may write.
#[tokio::test]
async fn git_node_and_cargo_work_in_the_sandbox() {
    let place = tempfile::Builder::new().prefix("tools").tempdir_in("/var/tmp").unwrap();
    let (data, app) = (place.path().join("data"), place.path().join("app"));
    std::fs::create_dir_all(&data).unwrap();
    std::fs::create_dir_all(app.join("src")).unwrap();
    let manifest =
        "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    std::fs::write(app.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(app.join("src/main.rs"), "fn main() {}\n").unwrap();
    // The tool chain itself: rustup's own programs look for their settings in the home.
    let tools = Path::new(env!("CARGO")).ancestors().nth(2).unwrap().display().to_string();
    let path = format!("{tools}/bin:{}", std::env::var("PATH").unwrap());
    let home = place.path().display().to_string();
    let environment = [("PATH", path), ("HOME", home)]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let binary = env!("CARGO_BIN_EXE_quintet");
    let programs = NativePrograms::with(binary, place.path().join("work"), data, environment);
    let writable = vec![app.display().to_string()];
    let text = format!(
        "cd {} && git init -q . && git add . && git -c user.name=a -c user.email=a@b commit -qm first \
         && git log --oneline | wc -l; node -e 'console.log(6*7)'; cargo check -q --offline && echo checked",
        app.display()
    );
    let reach = Reach { readable: vec![tools], writable, ..Reach::default() };
    let spec = ProgramSpec { reach, ..script(&text) };
    let mut running = programs.start(spec).await.unwrap();
    let mut said = Vec::new();
    while let ProgramEvent::Line(line) = running.next().await {
        said.push(line);
    }
    assert_eq!(said, ["1", "42", "checked"]);
}
