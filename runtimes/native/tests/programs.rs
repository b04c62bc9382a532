//! Agents' programs on this machine: what they can see, their limits, and that they leave no
//! process behind.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test equipment: whatever is odd must stop the test"
)]

#[path = "../src"]
#[allow(dead_code, reason = "what only the binary uses")]
mod native {
    pub mod programs;
    pub mod supervise;
}

use native::programs::NativePrograms;
use platform::ports::{PortErrorKind, ProgramEvent, ProgramSpec, Programs, Running};
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Bed {
    work: TempDir,
    programs: NativePrograms,
}

fn bed() -> Bed {
    let work = tempfile::tempdir().unwrap();
    let environment = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/home/owner"),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("API_KEY", "k-123"),
        ("OTHER", "hidden"),
        ("QUINTET_OPERATOR_TOKEN", "secret"),
        ("quintet_data", "secret"),
    ];
    let environment =
        environment.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    std::fs::create_dir_all(work.path().join("data/tokens")).unwrap();
    std::fs::write(work.path().join("data/tokens/operator"), "the-token").unwrap();
    let programs = NativePrograms::with(
        env!("CARGO_BIN_EXE_quintet"),
        work.path().join("work"),
        work.path().join("data"),
        environment,
    );
    Bed { work, programs }
}

/// A shell script as the agent. The shell belongs to the test; the adapter never uses one.
fn script(text: &str) -> ProgramSpec {
    ProgramSpec {
        program: "sh".to_owned(),
        args: vec!["-c".to_owned(), text.to_owned()],
        task: "web.console.01~2/../x".to_owned(),
        timeout_ms: 60_000,
        output_bytes_max: 1 << 20,
        ..ProgramSpec::default()
    }
}

impl Bed {
    async fn start(&self, spec: ProgramSpec) -> Box<dyn Running> {
        self.programs.start(spec).await.unwrap()
    }
    async fn run(&self, spec: ProgramSpec) -> (Vec<String>, ProgramEvent) {
        let mut running = self.start(spec).await;
        let answer = to_end(&mut *running).await;
        assert_eq!(running.next().await, answer.1, "the end stays the end");
        let left: Vec<_> = std::fs::read_dir(self.work.path().join("work")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        answer
    }
}

async fn to_end(running: &mut dyn Running) -> (Vec<String>, ProgramEvent) {
    let mut lines = Vec::new();
    loop {
        match running.next().await {
            ProgramEvent::Line(line) => lines.push(line),
            end => return (lines, end),
        }
    }
}

async fn line(running: &mut dyn Running) -> String {
    match running.next().await {
        ProgramEvent::Line(line) => line,
        end => panic!("no line but {end:?}"),
    }
}

fn well() -> ProgramEvent {
    ProgramEvent::Exited { code: Some(0), stderr: String::new() }
}

fn is_alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[tokio::test]
async fn program_reads_its_input_and_returns_lines_and_exit_code() {
    let bed = bed();
    let spec = ProgramSpec {
        stdin: "hello\nworld".to_owned(),
        ..script("cat; echo; printf 'last'; echo trouble >&2; exit 3")
    };
    let (lines, end) = bed.run(spec).await;
    assert_eq!(lines, ["hello", "world", "last"]);
    assert_eq!(end, ProgramEvent::Exited { code: Some(3), stderr: "trouble\n".to_owned() });
}

#[tokio::test]
async fn program_gets_its_arguments_unchanged() {
    let bed = bed();
    let args = ["%s|", "--", "$(reboot)", "a b", "; rm -rf /", "*"].map(str::to_owned).to_vec();
    let (lines, end) =
        bed.run(ProgramSpec { program: "printf".to_owned(), args, ..script("") }).await;
    assert_eq!((lines, end), (vec!["--|$(reboot)|a b|; rm -rf /|*|".to_owned()], well()));
}

#[tokio::test]
async fn program_sees_only_named_variables_and_never_quintets_own() {
    let bed = bed();
    let env = ["API_KEY", "QUINTET_OPERATOR_TOKEN", "quintet_data", "PATH", "MISSING"]
        .map(str::to_owned)
        .to_vec();
    let (mut lines, end) =
        bed.run(ProgramSpec { program: "env".to_owned(), args: vec![], env, ..script("") }).await;
    lines.sort();
    assert_eq!(
        lines,
        [
            "API_KEY=k-123",
            "HOME=/home/owner",
            "LANG=C.UTF-8",
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "TERM=dumb"
        ]
    );
    assert_eq!(end, well());
}

#[tokio::test]
async fn program_works_in_its_own_directory_which_is_removed() {
    let bed = bed();
    let (lines, _) =
        bed.run(script("pwd; stat -c %a .; touch left; mkdir -p deep/er; ls -a | wc -l")).await;
    let expected = bed.work.path().join("work").join("web_console_01_2____x");
    assert!(lines[0].starts_with(expected.to_str().unwrap()), "{lines:?}");
    assert_eq!(lines[1..], ["700", "4"]);
    assert!(!Path::new(&lines[0]).exists());
}

#[tokio::test]
async fn program_that_cannot_start_is_invalid() {
    let bed = bed();
    let broken = bed.work.path().join("broken");
    std::fs::write(&broken, b"\x7fELF nonsense").unwrap();
    std::os::unix::fs::symlink("/nowhere", bed.work.path().join("dangling")).unwrap();
    std::fs::set_permissions(&broken, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for program in [
        "no-such-agent".to_owned(),
        "/etc/passwd".to_owned(),
        broken.display().to_string(),
        bed.work.path().join("dangling").display().to_string(),
    ] {
        let error = bed
            .programs
            .start(ProgramSpec { program: program.clone(), args: vec![], ..script("") })
            .await
            .err()
            .unwrap();
        assert_eq!(error.kind, PortErrorKind::Invalid, "{program}: {error}");
    }
    let long = bed
        .programs
        .start(ProgramSpec { args: vec!["x".repeat(1 << 20)], ..script("") })
        .await
        .err()
        .unwrap();
    assert_eq!(long.kind, PortErrorKind::Invalid, "{long}");
    assert!(bed.programs.exists("sh") && !bed.programs.exists("no-such-agent"));
}

#[tokio::test]
async fn program_that_ignores_its_input_blocks_nothing() {
    let bed = bed();
    let message = "x".repeat(10 << 20);
    let (lines, end) = bed.run(ProgramSpec { stdin: message.clone(), ..script("echo done") }).await;
    assert_eq!((lines, end), (vec!["done".to_owned()], well()));
    let (lines, _) = bed.run(ProgramSpec { stdin: message.clone(), ..script("wc -c") }).await;
    assert_eq!(lines, [(10 << 20).to_string()]);
    // It does not prevent the program from being stopped either.
    let mut running =
        bed.start(ProgramSpec { stdin: message, ..script("echo $$; exec sleep 1000") }).await;
    let pid = line(&mut *running).await;
    running.stop().await.unwrap();
    assert!(!is_alive(&pid));
}

#[tokio::test]
async fn program_stops_at_its_output_limit() {
    let bed = bed();
    let spec = ProgramSpec { output_bytes_max: 100_000, ..script("echo $$; exec yes") };
    let (lines, end) = bed.run(spec).await;
    assert_eq!(end, ProgramEvent::TooMuchOutput);
    assert!(!is_alive(&lines[0]));
    let exact = ProgramSpec { output_bytes_max: 6, ..script("echo 12345") };
    assert_eq!(bed.run(exact).await.1, well());
}

#[tokio::test]
async fn program_stops_at_its_time_limit_even_if_its_lines_are_not_read() {
    let bed = bed();
    let began = Instant::now();
    let mut running = bed
        .start(ProgramSpec {
            timeout_ms: 300,
            output_bytes_max: 1 << 30,
            ..script("echo $$; exec yes")
        })
        .await;
    let pid = line(&mut *running).await;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert!(!is_alive(&pid));
    assert_eq!(to_end(&mut *running).await.1, ProgramEvent::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn program_that_ignores_sigterm_is_killed_after_the_grace() {
    let bed = bed();
    let mut running = bed.start(script("trap '' TERM; echo $$; while :; do sleep 0.1; done")).await;
    let pid = line(&mut *running).await;
    let began = Instant::now();
    running.stop().await.unwrap();
    assert!(!is_alive(&pid));
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(9), "{took:?}");
}

#[tokio::test]
async fn program_may_clean_up_on_sigterm() {
    let bed = bed();
    let mut running = bed
        .start(script("trap 'echo bye >&2; exit 0' TERM; echo $$; while :; do sleep 0.05; done"))
        .await;
    line(&mut *running).await;
    let began = Instant::now();
    running.stop().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(3));
    let ProgramEvent::Exited { code: None, stderr } = running.next().await else {
        panic!("no end")
    };
    assert!(stderr.ends_with("bye\n"), "{stderr}");
    running.stop().await.unwrap();
}

/// Prints its own id and that of an orphaned grandchild in its own session.
const DAEMON: &str = "echo $$; (setsid sh -c 'echo $$ > daemon; exec sleep 1000' >/dev/null 2>&1 \
    &) ; \
    while [ ! -s daemon ]; do sleep 0.01; done; cat daemon; ";

#[tokio::test]
async fn program_stop_kills_an_orphaned_grandchild() {
    let bed = bed();
    let mut running = bed.start(script(&format!("{DAEMON} exec sleep 1000"))).await;
    let (pid, daemon) = (line(&mut *running).await, line(&mut *running).await);
    assert!(is_alive(&pid) && is_alive(&daemon));
    running.stop().await.unwrap();
    assert!(!is_alive(&pid) && !is_alive(&daemon));
}

#[tokio::test]
async fn program_leaves_no_process_when_its_end_is_reported() {
    let bed = bed();
    let (lines, end) = bed.run(script(&format!("{DAEMON} exit 7"))).await;
    assert_eq!(end, ProgramEvent::Exited { code: Some(7), stderr: String::new() });
    assert!(!is_alive(&lines[0]) && !is_alive(&lines[1]), "{lines:?}");
}

#[tokio::test]
async fn program_stops_when_its_handle_is_dropped() {
    let bed = bed();
    let mut running = bed.start(script(&format!("{DAEMON} exec sleep 1000"))).await;
    let (pid, daemon) = (line(&mut *running).await, line(&mut *running).await);
    drop(running);
    for _ in 0..400 {
        if !is_alive(&pid) && !is_alive(&daemon) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still there");
}

#[test]
fn program_stops_when_its_gateway_is_gone() {
    let bed = bed();
    let gateway = tokio::runtime::Runtime::new().unwrap();
    let (pid, daemon) = gateway.block_on(async {
        let mut running = bed.start(script(&format!("{DAEMON} exec sleep 1000"))).await;
        let ids = (line(&mut *running).await, line(&mut *running).await);
        // Like kill -9: no destructor runs, only the descriptors close.
        std::mem::forget(running);
        ids
    });
    gateway.shutdown_background();
    for _ in 0..400 {
        if !is_alive(&pid) && !is_alive(&daemon) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("still there");
}

#[tokio::test]
async fn program_group_stops_when_its_supervisor_is_killed() {
    let bed = bed();
    let mut running = bed.start(script("echo $PPID; echo $$; exec sleep 1000")).await;
    let (supervisor, pid) = (line(&mut *running).await, line(&mut *running).await);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(supervisor.parse().unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    let (_, end) = to_end(&mut *running).await;
    assert_eq!(end, ProgramEvent::Exited { code: None, stderr: String::new() });
    for _ in 0..100 {
        // Without its supervisor another process reaps it, so "ended" suffices.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.is_empty() || stat.contains(") Z ") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still there");
}

#[tokio::test]
async fn program_killed_by_a_signal_has_no_exit_code() {
    let bed = bed();
    assert_eq!(
        bed.run(script("kill -9 $$")).await.1,
        ProgramEvent::Exited { code: None, stderr: String::new() }
    );
}

#[tokio::test]
async fn program_keeps_only_the_end_of_standard_error() {
    let bed = bed();
    let (_, end) = bed.run(script("yes noise | head -c 100000 >&2; printf end >&2; exit 1")).await;
    let ProgramEvent::Exited { code: Some(1), stderr } = end else { panic!("{end:?}") };
    assert!(stderr.len() == 4096 && stderr.ends_with("end"));
}

#[tokio::test]
async fn program_inherits_no_descriptor_of_the_server() {
    let bed = bed();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connection = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let database = std::fs::File::create(bed.work.path().join("quintet.db")).unwrap();
    let own: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok())
        .map(|to| to.display().to_string())
        .collect();
    let (lines, _) =
        bed.run(script("for fd in /proc/self/fd/*; do readlink $fd; done | sort")).await;
    drop((listener, connection, database));
    assert!(
        !lines.iter().any(|to| to.contains("quintet.db") || to.contains("socket:")),
        "{lines:?}"
    );
    let ours = own.iter().filter(|to| to.contains("socket:") || to.contains("quintet.db")).count();
    assert!(ours >= 3, "{own:?}");
}

#[tokio::test]
async fn programs_run_in_parallel_without_interference() {
    let bed = bed();
    let runs = (0..16).map(|n| bed.run_alone(n));
    futures_util::future::join_all(runs).await;
}

impl Bed {
    async fn run_alone(&self, n: usize) {
        let mut running = self
            .start(ProgramSpec { stdin: n.to_string(), ..script("cat; sleep 0.1; exit 5") })
            .await;
        let (lines, end) = to_end(&mut *running).await;
        assert_eq!(
            (lines, end),
            (vec![n.to_string()], ProgramEvent::Exited { code: Some(5), stderr: String::new() })
        );
    }
}

/// Every way to the token for a program of the same user: the path, removing the cover, and the
/// namespaces and roots of outside processes.
fn burglar(bed: &Bed) -> String {
    let data = bed.work.path().join("data").display().to_string();
    let test = std::process::id();
    format!(
        r#"
cat {data}/tokens/operator
ls -A {data}
umount {data}; umount -l {data}; cat {data}/tokens/operator
unshare -Urm sh -c 'umount -l {data}; cat {data}/tokens/operator'
unshare -Urm sh -c 'mount --bind {root} /mnt && cat /mnt/data/tokens/operator'
cat /proc/{test}/root{data}/tokens/operator
nsenter -t {test} -U -m cat {data}/tokens/operator
nsenter -t {test} -m cat {data}/tokens/operator
cat /proc/{test}/environ
echo tried
"#,
        root = bed.work.path().display(),
    )
}

#[tokio::test]
async fn program_cannot_reach_the_data_directory_unless_it_is_visible() {
    let bed = bed();
    let (lines, end) = bed.run(script(&format!("exec 2>&1\n{}", burglar(&bed)))).await;
    assert_eq!(end, well());
    let said = lines.join("\n");
    assert!(
        !said.contains("the-token") && !said.contains("tokens\n") && !said.contains("CARGO"),
        "{said}"
    );
    assert_eq!(lines.last().map(String::as_str), Some("tried"));
    let reads = format!("cat {}", bed.work.path().join("data/tokens/operator").display());
    let trusted = ProgramSpec { data_visible: true, ..script(&reads) };
    assert_eq!(bed.run(trusted).await.0, ["the-token"], "the test looks in the right place");
}

#[tokio::test]
async fn program_leaves_the_machines_mounts_unchanged() {
    let bed = bed();
    let file = bed.work.path().join("owners-file");
    let (lines, end) = bed
        .run(script(&format!(
            "id -u; echo mine > {}; ls /proc/1 >/dev/null && echo seen",
            file.display()
        )))
        .await;
    assert_eq!((lines, end), (vec![nix::unistd::geteuid().to_string(), "seen".to_owned()], well()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine\n");
    assert!(bed.work.path().join("data/tokens/operator").exists(), "covered for the program alone");
}

#[tokio::test]
async fn program_never_starts_if_the_data_directory_cannot_be_hidden() {
    let bed = bed();
    std::fs::remove_dir_all(bed.work.path().join("data")).unwrap();
    let error = bed.programs.start(script("echo ran")).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Invalid);
    assert!(
        error.detail.contains("cannot be hidden")
            && error.detail.contains("data_directory = \"visible\""),
        "{}",
        error.detail
    );
    assert!(
        std::fs::read_dir(bed.work.path().join("work")).unwrap().next().is_none(),
        "no directory is left"
    );
}
