//! Objects in a map.

use super::Faults;
use crate::ports::{Objects, PortError, PortErrorKind, PortResult, objects::is_valid_name};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Objects of this process.
#[derive(Default)]
pub struct MemoryObjects {
    objects: Mutex<BTreeMap<String, Bytes>>,
    pub faults: Faults,
}

fn valid(name: &str) -> PortResult<()> {
    if is_valid_name(name) {
        Ok(())
    } else {
        Err(PortError::clean(PortErrorKind::Invalid, format!("bad object name {name}")))
    }
}

#[async_trait]
impl Objects for MemoryObjects {
    async fn get(&self, name: &str) -> PortResult<Option<Bytes>> {
        valid(name)?;
        self.faults.around(|| Ok(self.objects.lock().unwrap().get(name).cloned()))
    }
    async fn put(&self, name: &str, bytes: Bytes) -> PortResult<()> {
        valid(name)?;
        self.faults.around(|| {
            self.objects.lock().unwrap().insert(name.to_owned(), bytes);
            Ok(())
        })
    }
    async fn delete(&self, name: &str) -> PortResult<()> {
        valid(name)?;
        self.faults.around(|| {
            self.objects.lock().unwrap().remove(name);
            Ok(())
        })
    }
    async fn list(&self, prefix: &str) -> PortResult<Vec<String>> {
        self.faults.around(|| {
            Ok(self
                .objects
                .lock()
                .unwrap()
                .keys()
                .filter(|name| name.starts_with(prefix))
                .cloned()
                .collect())
        })
    }
}
