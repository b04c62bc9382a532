//! Starting, reading, limiting and stopping.

use crate::bed::{BOTH, Bed, alive, bed, line, mark, reach, script, to_end, waits, well};
use platform::ports::{
    Bounds, Confinement, PortErrorKind, ProgramEvent, ProgramNetwork, ProgramSpec, Programs, Reach,
    RunLimit,
};
use std::path::Path;
use std::time::{Duration, Instant};

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
    // With the internet come the variables of its proxy.
    let reach = Reach { network: ProgramNetwork::None, ..Reach::default() };
    let prints = ProgramSpec { program: "env".to_owned(), args: vec![], env, reach, ..script("") };
    let (mut lines, end) = bed.run(prints).await;
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
    // Nor does it keep the program from being stopped.
    let mark = mark();
    let waiting = script(&format!("echo up; {}", waits(&mark)));
    let mut running = bed.start(ProgramSpec { stdin: message, ..waiting }).await;
    line(&mut *running).await;
    running.stop().await.unwrap();
    assert_eq!(alive(&mark), 0);
}

#[tokio::test]
async fn program_stops_at_its_output_limit() {
    let bed = bed();
    let mark = mark();
    let spec = ProgramSpec { output_bytes_max: 100_000, ..script(&format!("exec yes {mark}")) };
    assert_eq!(bed.run(spec).await.1, ProgramEvent::TooMuchOutput);
    assert_eq!(alive(&mark), 0);
    let exact = ProgramSpec { output_bytes_max: 6, ..script("echo 12345") };
    assert_eq!(bed.run(exact).await.1, well());
}

#[tokio::test]
async fn program_stops_at_its_time_limit_even_if_its_lines_are_not_read() {
    let bed = bed();
    let mark = mark();
    let began = Instant::now();
    let mut running = bed
        .start(ProgramSpec {
            timeout_ms: 300,
            output_bytes_max: 1 << 30,
            ..script(&format!("exec yes {mark}"))
        })
        .await;
    line(&mut *running).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(alive(&mark), 0);
    assert_eq!(to_end(&mut *running).await.1, ProgramEvent::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn program_that_ignores_sigterm_is_killed_after_the_grace() {
    let bed = bed();
    let mark = mark();
    let deaf = format!("trap '' TERM; echo up; while :; do sleep 0.1; : {mark}; done");
    let mut running = bed.start(script(&deaf)).await;
    line(&mut *running).await;
    assert!(alive(&mark) > 0);
    let began = Instant::now();
    running.stop().await.unwrap();
    assert_eq!(alive(&mark), 0);
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

/// Starts a grandchild in a session of its own whose parent is gone, and says so.
fn daemon(mark: &str) -> String {
    format!(
        "(setsid bash -c 'trap \"\" HUP; echo up > daemon; {}' >/dev/null 2>&1 &) ; \
         while [ ! -s daemon ]; do sleep 0.01; done; cat daemon; ",
        waits(mark)
    )
}

#[tokio::test]
async fn program_stop_kills_an_orphaned_grandchild() {
    let bed = bed();
    for confinement in BOTH {
        let mark = mark();
        let text = format!("{} {}", daemon(&mark), waits(&mark));
        let mut running =
            bed.start(ProgramSpec { reach: reach(confinement), ..script(&text) }).await;
        line(&mut *running).await;
        assert!(alive(&mark) >= 2, "{confinement:?}");
        running.stop().await.unwrap();
        assert_eq!(alive(&mark), 0, "{confinement:?}");
    }
}

#[tokio::test]
async fn program_leaves_no_process_when_its_end_is_reported() {
    let bed = bed();
    for confinement in BOTH {
        let mark = mark();
        let text = format!("{} exit 7", daemon(&mark));
        let (_, end) = bed.run(ProgramSpec { reach: reach(confinement), ..script(&text) }).await;
        assert_eq!(end, ProgramEvent::Exited { code: Some(7), stderr: String::new() });
        assert_eq!(alive(&mark), 0, "{confinement:?}");
    }
}

#[tokio::test]
async fn program_stops_when_its_handle_is_dropped() {
    let bed = bed();
    let mark = mark();
    let text = format!("{} {}", daemon(&mark), waits(&mark));
    let mut running = bed.start(script(&text)).await;
    line(&mut *running).await;
    drop(running);
    for _ in 0..400 {
        if alive(&mark) == 0 {
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
    let mark = mark();
    let text = format!("{} {}", daemon(&mark), waits(&mark));
    gateway.block_on(async {
        let mut running = bed.start(script(&text)).await;
        line(&mut *running).await;
        // As with kill -9 nothing is asked of the handle; only the descriptors close.
        std::mem::forget(running);
    });
    gateway.shutdown_background();
    for _ in 0..400 {
        if alive(&mark) == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("still there");
}

#[tokio::test]
async fn program_group_stops_when_its_supervisor_is_killed() {
    let bed = bed();
    let text = "echo $PPID; echo $$; exec sleep 1000";
    let unconfined = ProgramSpec { reach: reach(Confinement::Off), ..script(text) };
    let mut running = bed.start(unconfined).await;
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
    assert!(lines.len() >= 3, "{lines:?}");
    assert!(
        !lines.iter().any(|to| to.contains("quintet.db") || to.contains("socket:")),
        "{lines:?}"
    );
    let ours = own.iter().filter(|to| to.contains("socket:") || to.contains("quintet.db")).count();
    assert!(ours >= 3, "{own:?}");
}

/// Descriptors without the flag that closes them, as a shell leaves them in the programs it starts.
#[tokio::test]
async fn program_inherits_nothing_that_a_shell_left_open() {
    let bed = bed();
    let data = bed.work.path().join("data");
    let folder = std::fs::File::open(&data).unwrap();
    let token = std::fs::File::open(data.join("tokens/operator")).unwrap();
    for left in [&folder, &token] {
        nix::fcntl::fcntl(left, nix::fcntl::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    }
    for confinement in BOTH {
        let text = format!(
            "for fd in /proc/self/fd/*; do readlink $fd; cat $fd/tokens/operator; done; cat <&{}; echo tried",
            std::os::fd::AsRawFd::as_raw_fd(&token)
        );
        let (lines, _) = bed.run(ProgramSpec { reach: reach(confinement), ..script(&text) }).await;
        let said = lines.join("\n");
        assert!(!said.contains("the-token") && !said.contains("/data"), "{said}");
        assert!(said.ends_with("tried"), "{said}");
    }
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

#[tokio::test]
async fn kept_folders_of_different_conversations_never_meet() {
    let bed = bed();
    let kept =
        |name: &str, text: &str| ProgramSpec { kept_folder: Some(name.to_owned()), ..script(text) };
    let long = "x".repeat(200);
    let (one, other) = (format!("{long}1"), format!("{long}2"));
    for (first, second) in [("a\0b c", "a\0b_c"), ("a-b\0c", "a\0b-c"), (&*one, &*other)] {
        let mut running = bed.start(kept(first, "cat >/dev/null; touch mine; ls")).await;
        assert_eq!(to_end(&mut *running).await.0, ["mine"]);
        let mut running = bed.start(kept(second, "cat >/dev/null; ls")).await;
        assert_eq!(to_end(&mut *running).await.0, Vec::<String>::new(), "{second:?}");
        let mut running = bed.start(kept(first, "cat >/dev/null; ls")).await;
        assert_eq!(to_end(&mut *running).await.0, ["mine"], "{first:?}");
    }
}

#[tokio::test]
async fn program_stops_when_its_work_folder_is_too_big() {
    let bounds = Bounds { work_bytes: 4 << 20, ..Bounds::default() };
    for fills in [
        "for n in 1 2 3 4 5 6 7 8; do head -c 1M /dev/zero > file$n; done",
        "exec 9> file; rm file; head -c 8M /dev/zero >&9",
    ] {
        let bed = bed();
        let script = script(&format!("cat >/dev/null; echo begun; {fills}; sleep 1000"));
        let spec = ProgramSpec { bounds, ..script };
        let end = ProgramEvent::OverLimit(RunLimit::WorkFolder);
        assert_eq!(bed.run(spec).await, (vec!["begun".to_owned()], end), "{fills}");
    }
}

#[tokio::test]
async fn program_stops_when_its_processes_together_use_too_much_memory() {
    for confinement in BOTH {
        let bed = bed();
        let mark = mark();
        // Each is far below the limit.
        let one = r#"x=$(head -c 30M /dev/zero | tr "\0" a); sleep 1000; echo over"#;
        let text =
            format!("cat >/dev/null; for n in $(seq 10); do bash -c '{one}' {mark} & done; wait");
        let bounds = Bounds { memory_bytes: 200 << 20, ..Bounds::default() };
        let spec = ProgramSpec { bounds, reach: reach(confinement), ..script(&text) };
        let (_, end) = bed.run(spec).await;
        assert_eq!(end, ProgramEvent::OverLimit(RunLimit::Memory), "{confinement:?}");
        assert_eq!(alive(&mark), 0);
    }
}
