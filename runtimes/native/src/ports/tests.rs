//! The native adapters pass the suite of the ports, and the files do what memory cannot show.

use super::cell::ProcessCell;
use super::clock::SystemClock;
use super::inbox::SqliteInbox;
use super::kv::ProcessKv;
use super::objects::FolderObjects;
use super::signal::ProcessSignal;
use super::sql::SqliteSql;
use platform::inbox::{Command, Reply};
use platform::ports::{Inbox, Sql};
use platform::suite;

#[tokio::test(flavor = "multi_thread")]
async fn the_native_adapters_pass_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    suite::sql(&SqliteSql::open(&folder.path().join("suite.db")).unwrap()).await;
    suite::inbox(&SqliteInbox::open(&folder.path().join("inbox.db")).unwrap()).await;
    suite::objects(&FolderObjects::new(folder.path().join("objects"))).await;
    suite::kv(&ProcessKv::default()).await;
    suite::cell(&ProcessCell::default()).await;
    suite::signal(&ProcessSignal::default(), &SystemClock).await;
    suite::clock(&SystemClock);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_apply_once_and_a_newer_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quintet.db");
    for _ in 0..2 {
        let sql = SqliteSql::open(&path).unwrap();
        for table in ["approvals", "personal_context", "skill_graph", "routing_decisions", "metrics"] {
            assert!(sql.query(platform::ports::Statement::new(format!("SELECT COUNT(*) FROM {table}"))).await.is_ok(), "{table}");
        }
    }
    super::sql::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    assert!(SqliteSql::open(&path).err().unwrap().to_string().contains("newer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_fails_is_rolled_back_alone() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = SqliteInbox::open(&folder.path().join("inbox.db")).unwrap();
    let shard = contracts::Shard::new("telegram.main");
    // A task of an event that is not there cannot be finished; what is committed beside it stays.
    let (stats, bad) =
        tokio::join!(inbox.send(&shard, Command::Stats { since_ms: 0, latency_since_ms: 0 }), inbox.send(&shard, Command::Task { task: "nobody".into() }));
    assert!(matches!(stats.unwrap(), Reply::Stats(_)));
    assert!(matches!(bad.unwrap(), Reply::Task(None)));
}
