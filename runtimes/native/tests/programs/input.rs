//! Programs that are written to while they run.

use crate::bed::{BOTH, alive, bed, line, mark, reach, script, to_end, waits, well};
use platform::ports::{ProgramEvent, ProgramSpec};
use std::time::Duration;

#[tokio::test]
async fn program_reads_what_is_written_while_it_runs_until_its_input_ends() {
    let bed = bed();
    for confinement in BOTH {
        let text = "while read -r line; do echo \"got ${#line} ${line:0:5}\"; done; echo end";
        let (reach, stdin) = (reach(confinement), "first\n".to_owned());
        let spec = ProgramSpec { reach, stdin, input_stays_open: true, ..script(text) };
        let mut running = bed.start(spec).await;
        assert_eq!(line(&mut *running).await, "got 5 first");
        running.write("second\n".to_owned()).await.unwrap();
        assert_eq!(line(&mut *running).await, "got 6 secon");
        // Frozen, it reads nothing; then it reads all of it.
        running.rest(true).await.unwrap();
        running.write(format!("{}\n", "x".repeat(1 << 20))).await.unwrap();
        running.rest(false).await.unwrap();
        running.end_input().await.unwrap();
        let lines = vec!["got 1048576 xxxxx".to_owned(), "end".to_owned()];
        assert_eq!(to_end(&mut *running).await, (lines, well()), "{confinement:?}");
    }
}

#[tokio::test]
async fn program_that_leaves_its_input_unread_is_stopped_with_its_tree() {
    let bed = bed();
    for confinement in BOTH {
        let mark = mark();
        let text = format!("echo up; {}", waits(&mark));
        let spec =
            ProgramSpec { reach: reach(confinement), input_stays_open: true, ..script(&text) };
        let mut running = bed.start(spec).await;
        assert_eq!(line(&mut *running).await, "up");
        for _ in 0..400 {
            running.write("y".repeat(64 << 10)).await.unwrap();
        }
        let ended = tokio::time::timeout(Duration::from_secs(20), to_end(&mut *running)).await;
        let (lines, end) = ended.expect("it is stopped");
        assert_eq!((lines, matches!(end, ProgramEvent::Exited { code: None, .. })), (vec![], true));
        assert_eq!(alive(&mark), 0, "{confinement:?}");
    }
}

#[tokio::test]
async fn program_finds_its_surroundings_where_it_is_told() {
    let bed = bed();
    for confinement in BOTH {
        let spec = ProgramSpec { reach: reach(confinement), ..script("pwd") };
        let mut running = bed.start(spec).await;
        let directory = running.surroundings().directory;
        assert_eq!(line(&mut *running).await, directory, "{confinement:?}");
        assert!(running.surroundings().tool_server.is_none());
    }
}
