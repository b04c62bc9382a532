//! The edge against clients that are slow, silent or many, with short limits.

use super::{Limits, serve};
use axum::Router;
use axum::body::Body;
use axum::routing::{any, get, post};
use bytes::Bytes;
use futures_util::stream;
use platform::edge::read_body;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);
const HALT: &str = "/personal-assistant/api/halt";
const LIMITS: Limits = Limits {
    head: Duration::from_millis(400),
    body: Duration::from_millis(400),
    write: Duration::from_secs(5),
    connections: 24,
    per_address: 24,
    reserve: 4,
};

struct Bed {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    /// Ends every request to `/held`.
    release: watch::Sender<bool>,
    /// Requests to `/held` that have begun.
    begun: watch::Receiver<usize>,
    serving: JoinHandle<()>,
}

impl Bed {
    async fn new(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let (release, released) = watch::channel(false);
        let (begin, begun) = watch::channel(0);
        let held = move || {
            let mut released = released.clone();
            begin.send_modify(|count| *count += 1);
            async move {
                let _ = released.wait_for(|done| *done).await;
                "late"
            }
        };
        let app = Router::new()
            .route("/hello", any(|| async { "hello" }))
            .route("/body", post(async |request| read_body(request, 1 << 20).await))
            .route("/held", get(held))
            .route("/events", get(events))
            .route(HALT, post(|| async { "halted" }));
        let serving = tokio::spawn(serve(listener, app, limits, stopped));
        Self { address, stop, release, begun, serving }
    }
    /// A connection on which this was sent.
    async fn sent(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
    /// So many requests to `/held`, all in progress.
    async fn held(&self, count: usize) -> Vec<TcpStream> {
        let mut held = Vec::new();
        for _ in 0..count {
            held.push(
                self.sent("GET /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await,
            );
        }
        let mut begun = self.begun.clone();
        timeout(PATIENCE, begun.wait_for(|begun| *begun == count)).await.unwrap().unwrap();
        held
    }
    async fn ask(&self, head: &str) -> String {
        rest(self.sent(&format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await)
            .await
    }
}

/// An event every 100 ms for longer than any limit, as server-sent events are.
async fn events() -> Body {
    Body::from_stream(stream::unfold(0, |count| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        (count < 12)
            .then(|| (Ok::<_, std::io::Error>(Bytes::from(format!("event {count}\n"))), count + 1))
    }))
}

/// Reads until the server closes the connection, or resets it.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _ = read.expect("the server keeps the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn edge_answers_while_many_connections_never_finish_a_request() {
    let bed = Bed::new(LIMITS).await;
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(bed.sent("POST /hello HTTP/1.1\r\nHost: x\r\n").await);
        if silent.len() % 50 == 0 {
            assert!(bed.ask("GET /hello").await.ends_with("hello"), "after {}", silent.len());
        }
    }
    assert!(bed.ask("GET /hello").await.starts_with("HTTP/1.1 200"));
    for stream in silent {
        rest(stream).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edge_closes_a_connection_that_sends_nothing_or_nothing_more() {
    let bed = Bed::new(LIMITS).await;
    assert_eq!(rest(bed.sent("").await).await, "");
    let kept = rest(bed.sent("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n").await).await;
    assert!(kept.ends_with("hello"), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_drips_is_ended_at_the_deadline() {
    let bed = Bed::new(LIMITS).await;
    let stream = bed.sent("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n").await;
    let (mut from, mut to) = stream.into_split();
    let dripping = tokio::spawn(async move {
        while to.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = [0; 512];
    let count = timeout(PATIENCE, from.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("connection: close"), "{answer}");
    timeout(PATIENCE, dripping).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_make_room_for_a_new_request() {
    let bed = Bed::new(Limits { body: PATIENCE, ..LIMITS }).await;
    let mut slow = Vec::new();
    for _ in 0..LIMITS.connections {
        slow.push(bed.sent("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab").await);
    }
    let first = tokio::time::Instant::now();
    while !bed.ask("GET /hello").await.ends_with("hello") {
        assert!(first.elapsed() < PATIENCE / 2, "slow bodies keep their places");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_poll_and_event_stream_outlive_the_time_limits() {
    let bed = Bed::new(LIMITS).await;
    let poll = bed.held(1).await.remove(0);
    let events = bed.ask("GET /events").await;
    assert!(events.contains("event 11"), "{events}");
    bed.release.send(true).unwrap();
    assert!(rest(poll).await.ends_with("late"));
}

#[tokio::test(flavor = "multi_thread")]
async fn halt_is_answered_when_every_other_request_is_refused() {
    let bed = Bed::new(LIMITS).await;
    let held = bed.held(LIMITS.connections - LIMITS.reserve).await;
    let refused = bed.ask("GET /hello").await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(
        refused.contains("retry-after: 5") && refused.contains("connection: close"),
        "{refused}"
    );
    let halted = bed.ask(&format!("POST {HALT}")).await;
    assert!(halted.ends_with("halted"), "{halted}");
    bed.release.send(true).unwrap();
    for stream in held {
        assert!(rest(stream).await.ends_with("late"), "what has begun goes on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_connection_is_refused_when_all_are_in_use() {
    let bed = Bed::new(Limits { reserve: 0, ..LIMITS }).await;
    let held = bed.held(LIMITS.connections).await;
    let refused = bed.ask("GET /hello").await;
    for part in [
        "HTTP/1.1 503",
        "retry-after: 5",
        "connection: close",
        "application/problem+json",
        "unavailable",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    bed.release.send(true).unwrap();
    for stream in held {
        assert!(rest(stream).await.ends_with("late"));
    }
    assert!(bed.ask("GET /hello").await.ends_with("hello"), "there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_with_two_hosts_is_400() {
    let bed = Bed::new(LIMITS).await;
    let answer = rest(bed.sent("GET /hello HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("Host"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_finishes_open_requests_and_closes_the_rest() {
    let bed = Bed::new(Limits { head: PATIENCE, ..LIMITS }).await;
    let silent = bed.sent("GET /hello HTTP/1.1\r\n").await;
    let open = bed.held(1).await.remove(0);
    bed.stop.send(true).unwrap();
    assert_eq!(rest(silent).await, "");
    bed.release.send(true).unwrap();
    assert!(rest(open).await.ends_with("late"));
    timeout(PATIENCE, bed.serving).await.unwrap().unwrap();
}

mod places {
    use super::super::connections::{Connections, Phase, Refusal};
    use super::LIMITS;
    use crate::edge::Limits;
    use std::net::IpAddr;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn address_elsewhere_has_a_limit_of_its_own() {
        let connections = Connections::new(Limits { per_address: 2, ..LIMITS });
        let busy = |address| {
            let slot = connections.admit(ip(address))?;
            slot.enter(Phase::Busy);
            Ok::<_, Refusal>(slot)
        };
        let kept = [busy("2001:db8::1"), busy("2001:db8::2")];
        assert_eq!(kept.iter().filter(|slot| slot.is_ok()).count(), 2);
        assert_eq!(busy("2001:db8::3").err(), Some(Refusal::Address), "the same network");
        assert!(busy("2001:db8:0:1::3").is_ok());
        let near: Vec<_> = (0..9).map(|_| busy("127.0.0.1")).collect();
        assert!(near.iter().all(Result::is_ok), "this machine has no limit of its own");
        assert!(busy("::ffff:127.0.0.1").is_ok());
    }

    #[tokio::test]
    async fn connection_that_has_waited_longest_makes_room() {
        let connections = Connections::new(Limits { connections: 3, ..LIMITS });
        let admit = || connections.admit(ip("127.0.0.1"));
        let (busy, old, young) = (admit().unwrap(), admit().unwrap(), admit().unwrap());
        busy.enter(Phase::Busy);
        let newest = admit().unwrap();
        old.evicted().await;
        young.enter(Phase::Busy);
        newest.enter(Phase::Busy);
        assert_eq!(admit().err(), Some(Refusal::Full));
        drop(busy);
        assert!(admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn slow_bodies_do_not_push_a_new_client_out() {
        let connections = Connections::new(Limits { connections: 2, ..LIMITS });
        let admit = || connections.admit(ip("127.0.0.1"));
        let body = admit().unwrap();
        body.enter(Phase::Body);
        tokio::time::advance(std::time::Duration::from_secs(2)).await;
        let client = admit().unwrap();
        let _newest = admit().unwrap();
        let soon = std::time::Duration::from_millis(1);
        assert!(tokio::time::timeout(soon, body.evicted()).await.is_ok());
        let gone = tokio::time::timeout(soon, client.evicted()).await;
        assert!(gone.is_err(), "its head is on the way");
    }
}
