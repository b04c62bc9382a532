//! The equipment of the tests: programs with a work folder and a data directory of their own.

use crate::native::programs::NativePrograms;
use platform::ports::{Confinement, ProgramEvent, ProgramSpec, Programs, Reach, Running};
use std::ffi::OsString;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

pub fn reach(confinement: Confinement) -> Reach {
    Reach { confinement, ..Reach::default() }
}

pub const BOTH: [Confinement; 2] = [Confinement::Strict, Confinement::Off];

pub struct Bed {
    pub work: TempDir,
    pub programs: NativePrograms,
}

pub fn bed() -> Bed {
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
pub fn script(text: &str) -> ProgramSpec {
    ProgramSpec {
        program: "bash".to_owned(),
        args: vec!["-c".to_owned(), text.to_owned()],
        task: "web.console.01~2/../x".to_owned(),
        timeout_ms: 60_000,
        output_bytes_max: 1 << 20,
        ..ProgramSpec::default()
    }
}

impl Bed {
    pub async fn start(&self, spec: ProgramSpec) -> Box<dyn Running> {
        self.programs.start(spec).await.unwrap()
    }
    pub async fn run(&self, spec: ProgramSpec) -> (Vec<String>, ProgramEvent) {
        let mut running = self.start(spec).await;
        let answer = to_end(&mut *running).await;
        assert_eq!(running.next().await, answer.1, "the end stays the end");
        let left: Vec<_> = std::fs::read_dir(self.work.path().join("work")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        answer
    }
}

pub async fn to_end(running: &mut dyn Running) -> (Vec<String>, ProgramEvent) {
    let mut lines = Vec::new();
    loop {
        match running.next().await {
            ProgramEvent::Line(line) => lines.push(line),
            end => return (lines, end),
        }
    }
}

pub async fn line(running: &mut dyn Running) -> String {
    match running.next().await {
        ProgramEvent::Line(line) => line,
        end => panic!("no line but {end:?}"),
    }
}

pub fn well() -> ProgramEvent {
    ProgramEvent::Exited { code: Some(0), stderr: String::new() }
}

/// A word for one test's processes: inside the sandbox their numbers mean nothing outside.
pub fn mark() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    format!("mark-{}-{}-", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// How many processes of the machine have this word among their arguments.
pub fn alive(mark: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    arguments.filter(|text| String::from_utf8_lossy(text).contains(mark)).count()
}

/// A shell that waits for ever under this name.
pub fn waits(mark: &str) -> String {
    format!("exec -a {mark} sleep 1000")
}
