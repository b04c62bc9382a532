//! Checks of the shared database.

use crate::ports::{PortErrorKind, Sql, SqlExt};
use crate::sql;
use serde::Deserialize;

#[derive(Debug, PartialEq, Deserialize)]
struct Row {
    id: String,
    n: Option<i64>,
    x: Option<f64>,
}

/// Values round-trip; a batch is atomic; constraint violations are conflicts; features missing in
/// D1 are not used.
pub async fn check(sql: &dyn Sql) {
    sql.query(sql!("CREATE TABLE suite (id TEXT PRIMARY KEY, n INTEGER, x REAL)")).await.unwrap();
    let big = (1_i64 << 53) - 1;
    sql.query(sql!("INSERT INTO suite VALUES (?1, ?2, ?3)", "a ü '", big, 0.5)).await.unwrap();
    sql.query(sql!("INSERT INTO suite VALUES (?1, ?2, ?3)", "b", None::<i64>, None::<f64>))
        .await
        .unwrap();
    let rows: Vec<Row> = sql.all(sql!("SELECT id, n, x FROM suite ORDER BY id")).await.unwrap();
    assert_eq!(
        rows,
        [
            Row { id: "a ü '".into(), n: Some(big), x: Some(0.5) },
            Row { id: "b".into(), n: None, x: None }
        ]
    );

    let conflict = sql.query(sql!("INSERT INTO suite VALUES ('b', 1, 1)")).await.unwrap_err();
    assert_eq!(conflict.kind, PortErrorKind::Conflict);
    let half = vec![
        sql!("INSERT INTO suite VALUES ('c', 1, 1)"),
        sql!("INSERT INTO suite VALUES ('b', 1, 1)"),
    ];
    assert_eq!(sql.batch(half).await.unwrap_err().kind, PortErrorKind::Conflict);
    assert_eq!(
        sql.one::<Row>(sql!("SELECT * FROM suite WHERE id = 'c'")).await.unwrap(),
        None,
        "a batch that failed left something"
    );

    let both = sql
        .batch(vec![
            sql!("UPDATE suite SET n = 7 WHERE id = ?1 RETURNING n", "b"),
            sql!("SELECT n FROM suite WHERE id = 'b'"),
        ])
        .await
        .unwrap();
    assert_eq!((both[0][0]["n"].as_i64(), both[1][0]["n"].as_i64()), (Some(7), Some(7)));
    let list = sql.query(sql!("SELECT value FROM json_each(?1)", r#"["x","y"]"#)).await.unwrap();
    assert_eq!(list.len(), 2);
    assert!(sql.query(sql!("SELECT nonsense FROM nowhere")).await.is_err());
}
