//! Every story on the real binary: `QUINTET_BIN`, or the newest build.

#![allow(clippy::panic, reason = "a story that goes wrong fails its test with its own words")]

use scenarios::host::Host;
use scenarios::native::{Native, binary};
use scenarios::player::play;
use std::io::Write;

scenarios::each_story!(tell);

async fn tell(file: &str) {
    let story = scenarios::read(file).unwrap_or_else(|failure| panic!("\n{failure}\n"));
    if !story.is_for("native") {
        return remark(&format!("{file} is not for this host"));
    }
    let Some(binary) = binary() else {
        return remark(&format!(
            "SKIPPED {file}: target/debug/quintet is missing. Build it, or set QUINTET_BIN."
        ));
    };
    let mut host =
        Native::start(&binary, &story).await.unwrap_or_else(|why| panic!("\n{file}: {why}\n"));
    let played = play(&story, &mut host).await;
    host.close().await;
    if let Err(failure) = played {
        panic!("\n{failure}\n");
    }
}

/// Prints past the test harness, which hides the output of passing tests.
fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "\nscenarios, native: {text}");
}
