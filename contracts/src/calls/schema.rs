//! The parts of a call that only the OpenAPI documents need: schemas, statuses and refusals.

use super::{Binary, Call, EventStream, Listed};
use crate::ErrorCode;
use schemars::generate::{Contract, SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};
use std::any::TypeId;

/// Where the documents keep named schemas.
const COMPONENTS: &str = "/components/schemas";

/// A reply on the wire.
#[derive(Debug)]
pub enum Body {
    Nothing,
    Json(Schema),
    Binary,
    EventStream,
}

/// A call in full.
#[derive(Debug)]
pub struct Described {
    pub row: Listed,
    /// The doc comment of its type.
    pub doc: &'static str,
    pub statuses: &'static [u16],
    /// In the order of `ErrorCode::ALL`.
    pub refusals: Vec<ErrorCode>,
    /// None for a call without a request. The schema of a query is written out, that of a body may
    /// be a reference.
    pub request: Option<Schema>,
    pub reply: Body,
    /// A request that shows how it is used, as JSON.
    pub example: Option<&'static str>,
}

/// Collects the schemas of one document.
pub struct Schemas {
    requests: SchemaGenerator,
    replies: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let generator = |contract: Contract| {
            let mut settings = SchemaSettings::draft2020_12();
            settings.definitions_path = COMPONENTS.into();
            settings.meta_schema = None;
            settings.contract = contract;
            settings.into_generator()
        };
        Self { requests: generator(Contract::Deserialize), replies: generator(Contract::Serialize) }
    }
}

impl Schemas {
    /// Describes a call, and keeps the schemas that it refers to.
    pub fn describe<C>(
        &mut self,
        row: Listed,
        doc: &'static str,
        example: Option<&'static str>,
    ) -> Described
    where
        C: Call<Request: JsonSchema + 'static, Reply: JsonSchema + 'static>,
    {
        let request = C::HAS_REQUEST.then(|| {
            if C::METHOD.has_body() {
                self.requests.subschema_for::<C::Request>()
            } else {
                C::Request::json_schema(&mut self.requests)
            }
        });
        let reply = match TypeId::of::<C::Reply>() {
            id if id == TypeId::of::<()>() => Body::Nothing,
            id if id == TypeId::of::<Binary>() => Body::Binary,
            id if id == TypeId::of::<EventStream>() => Body::EventStream,
            _ => Body::Json(self.replies.subschema_for::<C::Reply>()),
        };
        let refusals = C::refusals();
        Described { row, doc, statuses: C::STATUSES, refusals, request, reply, example }
    }
    /// The schema of a reply that belongs to no call.
    pub fn reply<T: JsonSchema>(&mut self) -> Schema {
        self.replies.subschema_for::<T>()
    }
    /// The named schemas of requests and of replies.
    pub fn named(mut self) -> (Map<String, Value>, Map<String, Value>) {
        (self.requests.take_definitions(true), self.replies.take_definitions(true))
    }
}
