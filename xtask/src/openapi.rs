//! The OpenAPI 3.1 document of each service, made from the types of its calls.

use contracts::calls::schema::{Body, Described, Schemas};
use contracts::calls::{Access, DOCUMENT, HEALTH};
use contracts::monitoring::Health;
use contracts::{ErrorCode, Problem, Scope, ServiceName};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The prefix of a reference to a named schema.
const COMPONENTS: &str = "#/components/schemas/";

/// The document as it is committed.
pub fn document(service: ServiceName) -> String {
    let mut text = serde_json::to_string_pretty(&value(service)).unwrap_or_default();
    text.push('\n');
    text
}

fn value(service: ServiceName) -> Value {
    let mut schemas = Schemas::default();
    let calls = contracts::calls::described(service, &mut schemas);
    schemas.reply::<Problem>();
    let health = schemas.reply::<Health>();
    let (requests, replies) = schemas.named();
    let renamed = differing(&requests, &replies);
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.row.access != Access::Internal) {
        let path = call.row.path.replace("{*", "{");
        let method = call.row.method.as_str().to_lowercase();
        paths.entry(path).or_default().insert(method, operation(service, call, &renamed));
    }
    for (path, id, summary, schema, statuses) in [
        (HEALTH, "readHealth", "Say how the service is.", json!(health), &[200, 503][..]),
        (DOCUMENT, "readDocument", "Read this document.", json!({ "type": "object" }), &[200]),
    ] {
        paths
            .entry(path.to_owned())
            .or_default()
            .insert("get".to_owned(), open(id, summary, &schema, statuses));
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": service.as_str(),
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": ".", "description": "Where this document was read." }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": format!("A token of this installation, of one of the scopes {}.", scopes()),
                },
            },
            "schemas": {},
        },
    });
    let named = merged(requests, replies, &renamed);
    let mut reached = BTreeSet::new();
    reach(&document, &named, &mut reached);
    let kept: Map<_, _> = named.into_iter().filter(|(name, _)| reached.contains(name)).collect();
    if let Some(place) = document.pointer_mut("/components/schemas") {
        *place = Value::Object(kept);
    }
    document
}

fn scopes() -> String {
    Scope::ALL.map(Scope::as_str).join(", ")
}

fn operation(service: ServiceName, call: &Described, renamed: &BTreeSet<String>) -> Value {
    let mut out = json!({
        "operationId": camel(call.row.name),
        "summary": call.doc.trim(),
        "security": security(call.row.access),
        "responses": responses(service, call),
    });
    let request = call.request.as_ref().map(|schema| input(schema.clone().to_value(), renamed));
    let mut parameters = path_parameter(call.row.path);
    if let Some(schema) = request {
        if call.row.method.has_body() {
            let mut media = json!({ "schema": schema });
            if let Some(example) = call.example {
                set(&mut media, "example", serde_json::from_str(example).unwrap_or_default());
            }
            let body = json!({ "required": true, "content": { "application/json": media } });
            set(&mut out, "requestBody", body);
        } else {
            parameters.extend(query_parameters(&schema));
        }
    }
    if !parameters.is_empty() {
        set(&mut out, "parameters", parameters.into());
    }
    out
}

/// A call that needs no token and has one form of answer.
fn open(id: &str, summary: &str, schema: &Value, statuses: &[u16]) -> Value {
    let answer = |status: &u16| {
        let description = if *status == 200 { "OK" } else { "The service cannot do its work." };
        let content = json!({ "application/json": { "schema": schema } });
        (status.to_string(), json!({ "description": description, "content": content }))
    };
    let responses: Map<String, Value> = statuses.iter().map(answer).collect();
    json!({ "operationId": id, "summary": summary, "security": [], "responses": responses })
}

fn security(access: Access) -> Value {
    match access {
        Access::Scopes(scopes) => {
            scopes.iter().map(|scope| json!({ "token": [scope.as_str()] })).collect()
        }
        Access::Open | Access::Internal => json!([]),
    }
}

fn path_parameter(path: &str) -> Vec<Value> {
    let name =
        path.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(name, _)| name);
    let parameter = |name: &str| {
        json!({
            "name": name.trim_start_matches('*'),
            "in": "path",
            "required": true,
            "schema": { "type": "string", "minLength": 1 },
        })
    };
    name.map(parameter).into_iter().collect()
}

fn query_parameters(schema: &Value) -> Vec<Value> {
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let members = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|schema| {
            schema.retain(|key, value| key != "default" || !value.is_null());
            schema.remove("description")
        });
        not_null(&mut schema);
        let mut out = json!({
            "name": name,
            "in": "query",
            "required": required.contains(&Value::from(name.as_str())),
            "schema": schema,
        });
        if let Some(description) = description {
            set(&mut out, "description", description);
        }
        out
    };
    members.into_iter().map(parameter).collect()
}

/// A query has no null: what may be null in JSON is left out.
fn not_null(schema: &mut Value) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
}

fn responses(service: ServiceName, call: &Described) -> Value {
    let mut out = Map::new();
    for status in call.statuses {
        out.insert(status.to_string(), success(*status, &call.reply));
    }
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in &call.refusals {
        by_status.entry(code.status()).or_default().push(*code);
    }
    if service == ServiceName::MonitoringDashboard {
        by_status.insert(ErrorCode::Misdirected.status(), vec![ErrorCode::Misdirected]);
    }
    for (status, codes) in by_status {
        let told: Vec<_> =
            codes.iter().map(|code| format!("`{}`: {}.", code.as_str(), code.title())).collect();
        let schema = json!({ "$ref": format!("{COMPONENTS}Problem") });
        out.insert(
            status.to_string(),
            json!({
                "description": told.join(" "),
                "content": { "application/problem+json": { "schema": schema } },
            }),
        );
    }
    Value::Object(out)
}

fn success(status: u16, reply: &Body) -> Value {
    let description = match status {
        201 => "Created",
        202 => "Accepted",
        204 => "Done",
        304 => "Not modified: the caller holds this version",
        _ => "OK",
    };
    let content = match reply {
        _ if status == 304 => None,
        Body::Nothing => None,
        Body::Json(schema) => Some(json!({ "application/json": { "schema": schema } })),
        Body::Binary => Some(json!({ "application/octet-stream": {} })),
        Body::EventStream => {
            Some(json!({ "text/event-stream": { "schema": { "type": "string" } } }))
        }
    };
    match content {
        Some(content) => json!({ "description": description, "content": content }),
        None => json!({ "description": description }),
    }
}

/// Sets a member of an object.
fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
}

/// `ReadGraph` → `readGraph`.
fn camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// Names whose schema differs between requests and replies, directly or by their references.
fn differing(requests: &Map<String, Value>, replies: &Map<String, Value>) -> BTreeSet<String> {
    let both = || requests.iter().filter_map(|(name, one)| Some((name, one, replies.get(name)?)));
    let mut found: BTreeSet<String> =
        both().filter(|(_, one, other)| one != other).map(|(name, ..)| name.clone()).collect();
    loop {
        let refers = |schema: &Value| references(schema).iter().any(|name| found.contains(name));
        let more: Vec<String> = both()
            .filter(|(name, one, _)| !found.contains(*name) && refers(one))
            .map(|(name, ..)| name.clone())
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

fn merged(
    requests: Map<String, Value>,
    replies: Map<String, Value>,
    renamed: &BTreeSet<String>,
) -> Map<String, Value> {
    let inputs = requests.into_iter().map(|(name, schema)| {
        let name = if renamed.contains(&name) { format!("{name}Input") } else { name };
        (name, input(schema, renamed))
    });
    replies.into_iter().chain(inputs).collect()
}

/// A schema of a request: what differs in replies has a name of its own.
fn input(schema: Value, renamed: &BTreeSet<String>) -> Value {
    match schema {
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| match name_of_reference(&key, &value) {
                Some(name) if renamed.contains(&name) => {
                    (key, Value::from(format!("{COMPONENTS}{name}Input")))
                }
                _ => (key, input(value, renamed)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(|item| input(item, renamed)).collect(),
        other => other,
    }
}

fn name_of_reference(key: &str, value: &Value) -> Option<String> {
    let name = value.as_str().filter(|_| key == "$ref")?.strip_prefix(COMPONENTS)?;
    Some(name.to_owned())
}

/// Every name that a schema or a document refers to.
fn references(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(key, value)| match name_of_reference(key, value) {
                Some(name) => BTreeSet::from([name]),
                None => references(value),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}

fn reach(value: &Value, named: &Map<String, Value>, reached: &mut BTreeSet<String>) {
    for name in references(value) {
        if reached.insert(name.clone())
            && let Some(schema) = named.get(&name)
        {
            reach(schema, named, reached);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents() -> impl Iterator<Item = (ServiceName, Value)> {
        ServiceName::ALL.into_iter().map(|service| (service, value(service)))
    }

    #[test]
    fn every_reference_of_a_document_leads_to_a_schema() {
        for (service, document) in documents() {
            let named = document["components"]["schemas"].as_object().unwrap();
            for name in references(&document) {
                assert!(named.contains_key(&name), "{service}: {name}");
            }
        }
    }

    #[test]
    fn documents_list_no_internal_call() {
        for (service, document) in documents() {
            let paths = document["paths"].as_object().unwrap();
            assert!(paths.keys().all(|path| !path.starts_with("/internal/")), "{service}");
            assert!(paths.contains_key("/health"), "{service}");
        }
    }

    #[test]
    fn a_request_with_a_default_differs_from_its_reply() {
        let document = value(ServiceName::PersonalAssistant);
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["ApproveRequest"]["additionalProperties"], false);
        assert_eq!(schemas["Dollars"]["minimum"], 0);
    }
}
