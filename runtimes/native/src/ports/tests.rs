//! The native adapters pass the port suite; further tests cover what only files can show.

use super::background::TokioBackground;
use super::cell::ProcessCell;
use super::clock::SystemClock;
use super::dial::TungsteniteDial;
use super::inbox::SqliteInbox;
use super::kv::ProcessKv;
use super::objects::FolderObjects;
use super::outbound::ReqwestOutbound;
use super::signal::ProcessSignal;
use super::sql::SqliteSql;
use contracts::event::{Speaker, Stage};
use inbox::{Accept, EventOrigin, InboxExt, ListEvents, NewEvent, NewSaid};
use platform::ports::Sql;
use platform::suite;
use std::future::IntoFuture;

#[tokio::test(flavor = "multi_thread")]
async fn native_adapters_pass_the_port_suite() {
    let folder = tempfile::tempdir().unwrap();
    suite::sql(&SqliteSql::open(&folder.path().join("suite.db")).unwrap()).await;
    inbox::suite::check(&SqliteInbox::open(&folder.path().join("inbox.db")).unwrap()).await;
    suite::objects(&FolderObjects::new(folder.path().join("objects"))).await;
    suite::kv(&ProcessKv::default()).await;
    suite::cell(&ProcessCell::default()).await;
    suite::signal(&ProcessSignal::default(), &SystemClock).await;
    suite::clock(&SystemClock);
    suite::background(&TokioBackground, std::sync::Arc::new(SystemClock)).await;
    let echo = echo().await;
    suite::outbound(&ReqwestOutbound::new().unwrap(), &echo).await;
    suite::dial(&TungsteniteDial::new().unwrap(), &sockets().await).await;
}

/// The server for the suite's `outbound` checks.
async fn echo() -> String {
    use axum::body::{Body, Bytes};
    use axum::routing::any;
    let said = |method: http::Method, headers: http::HeaderMap, body: Bytes| async move {
        let given = headers.get("x-given").cloned().unwrap();
        http::Response::builder()
            .status(201)
            .header("x-method", method.as_str())
            .header("x-given", given)
            .body(Body::from(body))
            .unwrap()
    };
    let app = axum::Router::new()
        .route("/echo", any(said))
        .route("/redirect", any(|| async { (http::StatusCode::FOUND, [("location", "/echo")]) }))
        .route("/large", any(|| async { vec![b'a'; (5 << 20) + 1] }))
        .route("/parts", any(|| async { parted(true) }))
        .route("/begins", any(|| async { parted(false) }))
        .route("/silent", any(std::future::pending::<()>));
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    base
}

/// "one " at once, and "two" long after it, or never.
fn parted(ends: bool) -> http::Response<axum::body::Body> {
    use futures_util::{StreamExt, stream};
    let second = async move {
        if !ends {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        Ok::<_, std::convert::Infallible>("two")
    };
    let parts = stream::iter([Ok("one ")]).chain(stream::once(second));
    let body = axum::body::Body::from_stream(parts);
    http::Response::builder().header("x-given", "kept").body(body).unwrap()
}

/// The server for the suite's `dial` checks.
async fn sockets() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(socket(stream));
        }
    });
    base
}

async fn socket(stream: tokio::net::TcpStream) {
    use futures_util::{SinkExt, StreamExt};
    use platform::ports::dial::MESSAGE_BYTES_MAX;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;
    let mut head = [0; 64];
    let read = stream.peek(&mut head).await.unwrap_or(0);
    if head[..read].starts_with(b"GET /silent") {
        return std::future::pending().await;
    }
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the callback of the library")]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        request.uri().path().clone_into(&mut path);
        if path == "/page" {
            Err(ErrorResponse::new(Some("a page".to_owned())))
        } else {
            Ok(response)
        }
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, look).await else { return };
    let _ = match path.as_str() {
        "/large" => socket.send(Message::text("a".repeat(MESSAGE_BYTES_MAX + 1))).await,
        "/ends" => {
            let _ = socket.send(Message::text("last")).await;
            socket.close(Some(CloseFrame { code: 4004.into(), reason: "no".into() })).await
        }
        _ => {
            let _ = socket.send(Message::text("hello")).await;
            let _ = socket.send(Message::Ping(axum::body::Bytes::new())).await;
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() {
                    let _ = socket.send(message).await;
                }
            }
            Ok(())
        }
    };
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_applies_migrations_once_and_refuses_a_newer_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quintet.db");
    for _ in 0..2 {
        let sql = SqliteSql::open(&path).unwrap();
        for table in
            ["approvals", "personal_context", "skill_graph", "routing_decisions", "metrics"]
        {
            assert!(
                sql.query(platform::ports::Statement::new(format!("SELECT COUNT(*) FROM {table}")))
                    .await
                    .is_ok(),
                "{table}"
            );
        }
    }
    super::sql::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    assert!(SqliteSql::open(&path).err().unwrap().to_string().contains("newer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_migration_keeps_the_graph_versions_of_an_old_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quintet.db");
    let before = super::sql::open(&path).unwrap();
    for migration in [
        include_str!("../../../../migrations/0001_personal_assistant.sql"),
        include_str!("../../../../migrations/0002_agency_router.sql"),
        include_str!("../../../../migrations/0003_skill_graph_loader.sql"),
        include_str!("../../../../migrations/0004_monitoring_dashboard.sql"),
    ] {
        before.execute_batch(migration).unwrap();
    }
    for (seq, version) in ["aaaa", "bbbb"].iter().enumerate() {
        let row = format!(
            "('{version}', '{version}', 'ready', {seq}, 0, NULL, 1, 1, 0, '{{\"graph\":\"g\",\"model\":\"m\",\"index\":\"i\"}}')"
        );
        before.execute_batch(&format!("INSERT INTO skill_graph VALUES {row}")).unwrap();
    }
    before.pragma_update(None, "user_version", 4).unwrap();
    drop(before);
    let sql = SqliteSql::open(&path).unwrap();
    let row = skill_graph_loader::store::before(&sql, &"bbbb".into()).await.unwrap();
    assert_eq!(row.map(|row| row.version), Some("aaaa".into()));
    assert_eq!(skill_graph_loader::store::versions(&sql).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn inbox_rolls_back_a_failing_command_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inbox.db");
    let inbox = SqliteInbox::open(&path).unwrap();
    let shard = contracts::Shard::new("telegram.main");
    // Without the transcript's table an event of a conversation fails after its insert.
    super::sql::open(&path).unwrap().execute_batch("ALTER TABLE said RENAME TO hidden").unwrap();
    let (failed, kept) = tokio::join!(
        inbox.ask(&shard, Accept { event: event("failed", true), claim_ms: None }),
        inbox.ask(&shard, Accept { event: event("kept", false), claim_ms: None })
    );
    assert!(failed.is_err());
    assert!(!kept.unwrap().duplicate);
    let list =
        ListEvents { state: None, channel: None, conversation: None, before: None, limit: 10 };
    let events = inbox.ask(&shard, list).await.unwrap();
    assert_eq!(events.iter().map(|event| event.dedupe_key.as_str()).collect::<Vec<_>>(), ["kept"]);
}

fn event(key: &str, spoken: bool) -> NewEvent {
    let line = NewSaid {
        id: key.into(),
        conversation: "c".into(),
        speaker: Speaker::User,
        agent: None,
        text: "text".into(),
        settled: true,
    };
    NewEvent {
        channel: "telegram".into(),
        endpoint: "main".into(),
        dedupe_key: key.into(),
        semantic_key: None,
        conversation: "c".into(),
        control: false,
        sender: None,
        text: "text".into(),
        origin: EventOrigin::default(),
        raw: None,
        state: Stage::Received,
        reason: None,
        limits: vec![],
        limit_notice: None,
        overheard: false,
        is_stop_word: false,
        waits_notice: None,
        moved: None,
        edits: None,
        unrecorded_over_limit: false,
        said: if spoken { vec![line] } else { vec![] },
    }
}
