//! Checks of large objects.

use crate::ports::{Objects, PortErrorKind};
use bytes::Bytes;

/// A put is atomic; names that leave the folder are refused.
pub async fn check(objects: &dyn Objects) {
    assert_eq!(objects.get("graph/a/model.bin").await.unwrap(), None);
    let bytes: Bytes = (0..=255_u8).cycle().take(300_000).collect::<Vec<_>>().into();
    objects.put("graph/a/model.bin", bytes.clone()).await.unwrap();
    assert_eq!(objects.get("graph/a/model.bin").await.unwrap(), Some(bytes));
    objects.put("graph/a/model.bin", Bytes::from_static(b"new")).await.unwrap();
    assert_eq!(objects.get("graph/a/model.bin").await.unwrap().as_deref(), Some(&b"new"[..]));
    objects.put("graph/b/empty", Bytes::new()).await.unwrap();
    objects.put("other", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(objects.list("graph/").await.unwrap(), ["graph/a/model.bin", "graph/b/empty"]);
    for name in ["../secret", "/etc/passwd", "a//b", "a/../b", "", "a b"] {
        assert_eq!(
            objects.put(name, Bytes::new()).await.unwrap_err().kind,
            PortErrorKind::Invalid,
            "{name}"
        );
        assert_eq!(objects.get(name).await.unwrap_err().kind, PortErrorKind::Invalid, "{name}");
    }
    objects.delete("other").await.unwrap();
    objects.delete("other").await.unwrap();
    assert_eq!(objects.get("other").await.unwrap(), None);
}
