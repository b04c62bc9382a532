//! R2: large objects by name.

use crate::{invalid, unknown};
use async_trait::async_trait;
use bytes::Bytes;
use platform::ports::objects::is_valid_name;
use platform::ports::{Objects, PortResult};
use worker::Bucket;
use worker::send::{SendFuture, SendWrapper};

/// An R2 bucket.
pub struct R2Objects(SendWrapper<Bucket>);

impl R2Objects {
    /// The bucket as the port.
    pub fn new(bucket: Bucket) -> Self {
        Self(SendWrapper::new(bucket))
    }
}

fn checked(name: &str) -> PortResult<()> {
    if is_valid_name(name) { Ok(()) } else { Err(invalid(format!("invalid object name {name:?}"))) }
}

#[async_trait]
impl Objects for R2Objects {
    async fn get(&self, name: &str) -> PortResult<Option<Bytes>> {
        checked(name)?;
        SendFuture::new(async move {
            let found = self.0.get(name).execute().await.map_err(unknown)?;
            match found.as_ref().and_then(worker::Object::body) {
                Some(body) => Ok(Some(body.bytes().await.map_err(unknown)?.into())),
                None => Ok(None),
            }
        })
        .await
    }
    async fn put(&self, name: &str, bytes: Bytes) -> PortResult<()> {
        checked(name)?;
        SendFuture::new(async move {
            let stored = self.0.put(name, bytes.to_vec()).execute().await.map_err(unknown)?;
            stored.map(|_| ()).ok_or_else(|| unknown("the bucket stored nothing"))
        })
        .await
    }
    async fn delete(&self, name: &str) -> PortResult<()> {
        checked(name)?;
        SendFuture::new(async move { self.0.delete(name).await.map_err(unknown) }).await
    }
    async fn list(&self, prefix: &str) -> PortResult<Vec<String>> {
        SendFuture::new(async move {
            let mut names = Vec::new();
            let mut cursor: Option<String> = None;
            loop {
                let mut page = self.0.list().prefix(prefix);
                if let Some(cursor) = cursor.take() {
                    page = page.cursor(cursor);
                }
                let page = page.execute().await.map_err(unknown)?;
                names.extend(page.objects().iter().map(worker::Object::key));
                match page.cursor().filter(|_| page.truncated()) {
                    Some(next) => cursor = Some(next),
                    None => break,
                }
            }
            names.sort_unstable();
            Ok(names)
        })
        .await
    }
}
