//! Two concurrent publishes, and a commit with an ambiguous result.

use crate::bed::{Bed, agent};
use contracts::GraphVersion;
use platform::ports::PortErrorKind;
use skill_graph_loader::publish::digest;
use skill_graph_loader::store::{self, ObjectNames, Version};
use skill_graph_loader::{Permits, Reading, check_folder};

/// A version with only its row.
pub fn row_of(digest: &str) -> Version {
    Version {
        version: store::version_of(digest),
        digest: digest.to_owned(),
        published_at: 1,
        message: None,
        agents: 1,
        skills: 1,
        findings: 0,
        objects: ObjectNames::of(digest),
    }
}

#[tokio::test]
async fn publish_refuses_the_second_of_two_concurrent_ones() {
    let bed = Bed::new();
    let (first, second) = (row_of(&"a".repeat(64)), row_of(&"b".repeat(64)));
    store::publish(&*bed.sql, &first, None).await.unwrap();
    let error = store::publish(&*bed.sql, &second, None).await.unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Conflict);
    assert_eq!(store::current(&*bed.sql).await.unwrap(), Some(first.version.clone()));
    assert_eq!(
        store::versions(&*bed.sql).await.unwrap().len(),
        1,
        "neither row nor pointer of the second"
    );
    assert!(
        !store::point(&*bed.sql, &first.version, Some(&GraphVersion::new("stale"))).await.unwrap()
    );
}

#[tokio::test]
async fn versions_list_a_republished_version_last() {
    let bed = Bed::new();
    let (first, second) = (row_of(&"a".repeat(64)), row_of(&"b".repeat(64)));
    store::publish(&*bed.sql, &first, None).await.unwrap();
    store::publish(&*bed.sql, &second, Some(&first.version)).await.unwrap();
    store::publish(&*bed.sql, &first, Some(&second.version)).await.unwrap();
    assert_eq!(
        store::before(&*bed.sql, &first.version).await.unwrap().unwrap().version,
        second.version
    );
}

#[tokio::test]
async fn publish_succeeds_if_the_failed_commit_took_effect() {
    let bed = Bed::new();
    let files = vec![agent("a")];
    let version =
        store::version_of(&digest(&check_folder(files.clone(), Reading::default()).graph).unwrap());
    let faulty = bed.deps.clone();
    // Of the read, the batch and the read after it, only the batch fails.
    let sql = std::sync::Arc::new(BatchKeepsButFails(bed.sql.clone()));
    let deps = skill_graph_loader::Deps { sql, ..faulty };
    let published = skill_graph_loader::publish_files(
        &deps,
        files,
        Reading::default(),
        None,
        Permits::default(),
    )
    .await
    .unwrap();
    assert_eq!((published.version, published.changed), (version, true));
}

struct BatchKeepsButFails(std::sync::Arc<platform::memory::MemorySql>);

#[async_trait::async_trait]
impl platform::ports::Sql for BatchKeepsButFails {
    async fn query(
        &self,
        statement: platform::ports::Statement,
    ) -> platform::ports::PortResult<Vec<platform::ports::Row>> {
        self.0.query(statement).await
    }
    async fn batch(
        &self,
        statements: Vec<platform::ports::Statement>,
    ) -> platform::ports::PortResult<Vec<Vec<platform::ports::Row>>> {
        self.0.faults.keep_but_fail_next(1);
        self.0.batch(statements).await
    }
}
