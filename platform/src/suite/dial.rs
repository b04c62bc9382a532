//! WebSockets to the world. `echo` is the address (`ws://…`) of a server on this machine that
//!
//! * at `/echo` sends `hello`, a ping, and then every text back,
//! * at `/ends` sends `last` and closes with 4004 and the reason `no`,
//! * at `/large` sends a message above [`MESSAGE_BYTES_MAX`],
//! * at `/page` answers with a page instead of a WebSocket,
//! * at `/silent` never answers.

use crate::ports::dial::MESSAGE_BYTES_MAX;
use crate::ports::{Dial, Frame, PortErrorKind, Socket};

const PATIENCE_MS: u64 = 20_000;

async fn text(socket: &mut dyn Socket) -> String {
    loop {
        match socket.next().await {
            Frame::Text(text) => return text,
            Frame::Alive => {}
            ended @ Frame::Closed { .. } => panic!("{ended:?}"),
        }
    }
}

/// Texts cross in order, closing says its code, and time, size and safe addresses are enforced.
pub async fn check(dial: &dyn Dial, echo: &str) {
    let mut socket = dial.open(&format!("{echo}/echo"), PATIENCE_MS).await.unwrap();
    assert_eq!(text(&mut *socket).await, "hello");
    for said in ["one", "à la carte"] {
        socket.send(said.to_owned()).await.unwrap();
    }
    assert_eq!(text(&mut *socket).await, "one");
    assert_eq!(text(&mut *socket).await, "à la carte");
    socket.ping().await.unwrap();
    while socket.next().await != Frame::Alive {}
    socket.close(1000).await;

    let mut socket = dial.open(&format!("{echo}/ends"), PATIENCE_MS).await.unwrap();
    assert_eq!(text(&mut *socket).await, "last");
    let ended = Frame::Closed { code: Some(4004), reason: "no".to_owned() };
    assert_eq!(socket.next().await, ended);

    let mut socket = dial.open(&format!("{echo}/large"), PATIENCE_MS).await.unwrap();
    let ended = socket.next().await;
    assert!(matches!(ended, Frame::Closed { .. }), "above {MESSAGE_BYTES_MAX} bytes: {ended:?}");

    let refused = |url: String, timeout_ms| async move {
        dial.open(&url, timeout_ms).await.err().unwrap_or_else(|| panic!("{url} was opened"))
    };
    let page = refused(format!("{echo}/page"), PATIENCE_MS).await;
    assert_eq!(page.kind, PortErrorKind::Unavailable, "{page}");
    let late = refused(format!("{echo}/silent"), 300).await;
    assert_eq!(late.kind, PortErrorKind::Timeout, "{late}");
    for url in ["ws://example.com/", "http://127.0.0.1/", "wss://u@example.com", "no address", ""] {
        let unsafe_address = refused(url.to_owned(), PATIENCE_MS).await;
        assert_eq!(unsafe_address.kind, PortErrorKind::Invalid, "{url}: {unsafe_address}");
    }
    // Port 1 has no listener. The error must not contain the address with its ticket.
    let nobody = refused("ws://127.0.0.1:1/link?ticket=SECRET".to_owned(), PATIENCE_MS).await;
    assert_eq!(nobody.kind, PortErrorKind::Unavailable);
    assert!(!nobody.to_string().contains("SECRET"), "{nobody}");
}
