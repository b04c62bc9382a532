//! Checks of a cache, limited to the guarantees of both hosts.

use crate::ports::{Kv, PortErrorKind};

/// A stored value is found (on hosts without stale reads), a deleted one is not, and a too short
/// time to live is refused.
pub async fn check(kv: &dyn Kv) {
    assert_eq!(kv.get("a").await.unwrap(), None);
    kv.put("a", "1", 60).await.unwrap();
    assert_eq!(kv.get("a").await.unwrap().as_deref(), Some("1"));
    kv.put("a", "ü2", 3600).await.unwrap();
    assert_eq!(kv.get("a").await.unwrap().as_deref(), Some("ü2"));
    assert_eq!(kv.put("b", "1", 59).await.unwrap_err().kind, PortErrorKind::Invalid);
    kv.delete("a").await.unwrap();
    kv.delete("a").await.unwrap();
    assert_eq!(kv.get("a").await.unwrap(), None);
}
