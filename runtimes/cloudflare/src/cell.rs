//! Named serial states in Durable Objects, one object per name. The Worker that owns the object
//! derives it from [`CellObject`]; others cannot reach it.

use crate::{missing, unknown};
use async_trait::async_trait;
use platform::ports::{Cell, PortResult};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use worker::send::SendFuture;
use worker::{Env, Method, Request, RequestInit, Response, Result, State};

#[derive(Serialize, Deserialize)]
enum CellRequest {
    Load,
    Store { text: String, version: u64 },
}

/// The port: calls the objects of the binding `CELL`.
pub struct ObjectCell(pub Env);

impl ObjectCell {
    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        name: &str,
        ask: &CellRequest,
    ) -> PortResult<T> {
        SendFuture::new(async move {
            let stub = self
                .0
                .durable_object("CELL")
                .and_then(|namespace| namespace.get_by_name(name))
                .map_err(missing)?;
            let text = serde_json::to_string(ask).map_err(unknown)?;
            let mut answer = stub.fetch_with_request(post(&text)?).await.map_err(unknown)?;
            answer.json().await.map_err(unknown)
        })
        .await
    }
}

/// A request to an object; its URL is irrelevant.
pub(crate) fn post(text: &str) -> PortResult<Request> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(JsValue::from_str(text)));
    Request::new_with_init("https://object/", &init).map_err(unknown)
}

#[async_trait]
impl Cell for ObjectCell {
    async fn load(&self, name: &str) -> PortResult<(String, u64)> {
        self.ask(name, &CellRequest::Load).await
    }
    async fn store(&self, name: &str, text: &str, version: u64) -> PortResult<bool> {
        self.ask(name, &CellRequest::Store { text: text.to_owned(), version }).await
    }
}

/// The object's side: one row.
pub struct CellObject(State);

#[derive(Deserialize)]
struct Stored {
    text: String,
    version: u64,
}

impl CellObject {
    /// Uses the object's own storage.
    pub fn new(state: State) -> Self {
        Self(state)
    }
    /// Handles the port's requests. It never awaits between read and write, so compare-and-set is
    /// atomic.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn fetch(&self, mut request: Request) -> Result<Response> {
        let ask: CellRequest = request.json().await?;
        let sql = self.0.storage().sql();
        sql.exec(
            "CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY, text TEXT NOT NULL, \
            version INTEGER NOT NULL)",
            None,
        )?;
        let row = sql.exec("SELECT text, version FROM state", None)?.to_array::<Stored>()?.pop();
        let (text, version) = row.map_or_else(Default::default, |row| (row.text, row.version));
        match ask {
            CellRequest::Load => Response::from_json(&(text, version)),
            CellRequest::Store { version: at, .. } if at != version => Response::from_json(&false),
            CellRequest::Store { text, version } => {
                let next = JsValue::from_f64((version + 1) as f64);
                sql.exec_raw(
                    "INSERT OR REPLACE INTO state VALUES (1, ?1, ?2)",
                    vec![JsValue::from_str(&text), next],
                )?;
                Response::from_json(&true)
            }
        }
    }
}

/// The Durable Object of [`CellObject`], named `Cell`. It is defined in the Worker's own crate,
/// because a bundle exports only its own crate's items.
#[macro_export]
macro_rules! cell_object {
    () => {
        #[worker::durable_object]
        pub struct Cell($crate::cell::CellObject);

        impl worker::DurableObject for Cell {
            fn new(state: worker::State, _env: worker::Env) -> Self {
                Self($crate::cell::CellObject::new(state))
            }
            async fn fetch(&self, request: worker::Request) -> worker::Result<worker::Response> {
                self.0.fetch(request).await
            }
        }
    };
}
