//! Programs that are frozen while their owner is asked, with everything they started.

use crate::bed::{BOTH, alive, bed, line, mark, reach, script, to_end, waits, well};
use platform::ports::ProgramSpec;
use std::time::{Duration, Instant};

/// The states of the program's processes with this word among their arguments, from `/proc`. The
/// supervisors have it there too, but never rest.
fn states(mark: &str) -> Vec<char> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let marked = processes.filter(|process| {
        let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments);
        let ours = ["__supervise", "__init"].iter().any(|word| arguments.contains(word));
        arguments.contains(mark) && !ours
    });
    let stat = |process: std::fs::DirEntry| std::fs::read_to_string(process.path().join("stat"));
    let state = |stat: String| stat.rsplit_once(") ").unwrap().1.chars().next().unwrap();
    marked.filter_map(|process| stat(process).ok()).map(state).collect()
}

/// The program and its daemon rest.
fn is_frozen(mark: &str) -> bool {
    let states = states(mark);
    states.len() >= 2 && states.iter().all(|state| *state == 'T')
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(10), "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Starts a daemon in a session of its own, and says so.
fn daemon(mark: &str) -> String {
    format!("setsid bash -c '{}' >/dev/null 2>&1 & echo up", waits(mark))
}

#[tokio::test]
async fn program_rests_with_its_whole_tree_and_goes_on() {
    let bed = bed();
    for confinement in BOTH {
        let mark = mark();
        let text = format!("{}; for i in {{1..20}}; do sleep 0.05; done; echo done", daemon(&mark));
        let spec = ProgramSpec { reach: reach(confinement), timeout_ms: 2_500, ..script(&text) };
        let mut running = bed.start(spec).await;
        assert_eq!(line(&mut *running).await, "up");
        running.rest(true).await.unwrap();
        until("frozen", || is_frozen(&mark)).await;
        // Longer than its time limit, which does not count frozen time.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(is_frozen(&mark), "{confinement:?}");
        running.rest(false).await.unwrap();
        let answer = to_end(&mut *running).await;
        assert_eq!(answer, (vec!["done".to_owned()], well()), "{confinement:?}");
        assert_eq!(alive(&mark), 0, "{confinement:?}");
    }
}

#[tokio::test]
async fn frozen_program_is_stopped_with_its_whole_tree() {
    let bed = bed();
    for confinement in BOTH {
        let mark = mark();
        let text = format!("{}; {}", daemon(&mark), waits(&mark));
        let spec = ProgramSpec { reach: reach(confinement), ..script(&text) };
        let mut running = bed.start(spec).await;
        line(&mut *running).await;
        running.rest(true).await.unwrap();
        until("frozen", || is_frozen(&mark)).await;
        running.stop().await.unwrap();
        assert_eq!(alive(&mark), 0, "{confinement:?}");
    }
}

#[tokio::test]
async fn frozen_program_ends_with_its_handle() {
    let bed = bed();
    let mark = mark();
    let mut running = bed.start(script(&format!("{}; {}", daemon(&mark), waits(&mark)))).await;
    line(&mut *running).await;
    running.rest(true).await.unwrap();
    until("frozen", || is_frozen(&mark)).await;
    drop(running);
    until("gone", || alive(&mark) == 0).await;
}
