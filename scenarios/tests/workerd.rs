//! Every story on Cloudflare's own runtime: the built Workers, with a gateway that joins from
//! outside.

#![allow(clippy::panic, reason = "a story that goes wrong fails its test with its own words")]

use scenarios::host::Host;
use scenarios::player::play;
use scenarios::workerd::{Workerd, parts};
use std::io::Write;
use tokio::sync::Semaphore;

scenarios::each_story!(tell);

/// Maximum concurrent runtimes: each takes a gigabyte and a processor.
static ROOM: Semaphore = Semaphore::const_new(2);

async fn tell(file: &str) {
    let story = scenarios::read(file).unwrap_or_else(|failure| panic!("\n{failure}\n"));
    if !story.is_for("workerd") {
        return remark(&format!("{file} is not for this host"));
    }
    let parts = match parts() {
        Ok(parts) => parts,
        Err(missing) => return remark(&format!("SKIPPED {file}: {missing}")),
    };
    let _room = ROOM.acquire().await;
    let mut host =
        Workerd::start(&parts, &story).await.unwrap_or_else(|why| panic!("\n{file}: {why}\n"));
    let played = play(&story, &mut host).await;
    host.close().await;
    if let Err(failure) = played {
        panic!("\n{failure}\n");
    }
}

/// Prints past the test harness, which hides the output of passing tests.
fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "\nscenarios, workerd: {text}");
}
