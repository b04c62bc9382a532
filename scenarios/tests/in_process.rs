//! Every story on the six services in this process.

#![allow(clippy::panic, reason = "a story that goes wrong fails its test with its own words")]

use scenarios::host::Host;
use scenarios::in_process::InProcess;
use scenarios::player::play;

scenarios::each_story!(tell);

async fn tell(file: &str) {
    let story = scenarios::read(file).unwrap_or_else(|failure| panic!("\n{failure}\n"));
    if !story.is_for("in-process") {
        return;
    }
    let mut host = InProcess::start(&story).await;
    let played = play(&story, &mut host).await;
    host.close().await;
    if let Err(failure) = played {
        panic!("\n{failure}\n");
    }
}
