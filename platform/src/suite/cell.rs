//! Checks of named states with compare-and-set.

use crate::ports::Cell;

/// A fresh cell is empty; a store with an old version changes nothing.
pub async fn check(cell: &dyn Cell) {
    assert_eq!(cell.load("pool").await.unwrap(), (String::new(), 0));
    assert!(cell.store("pool", "one", 0).await.unwrap());
    let (text, version) = cell.load("pool").await.unwrap();
    assert_eq!(text, "one");
    assert!(!cell.store("pool", "late", 0).await.unwrap(), "an old version must not win");
    assert!(cell.store("pool", "two", version).await.unwrap());
    assert_eq!(cell.load("pool").await.unwrap().0, "two");
    assert_eq!(cell.load("other").await.unwrap().0, "");
}
