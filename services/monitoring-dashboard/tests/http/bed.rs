//! The dashboard on memory ports, with a browser that stores its cookie.

use super::world::{self, World};
use axum::Router;
use axum::body::Body;
use fakes::Neighbours;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use monitoring_dashboard::chats::Chats;
use monitoring_dashboard::{Config, Deps, HostSettings};
use platform::edge::{Auth, ClientNetwork, Principal, Scope};
use platform::memory::{
    ManualClock, MemoryCalls, MemoryCell, MemoryKv, MemoryObjects, MemorySignal, MemorySql,
    Switchboard, TokioBackground,
};
use platform::secret::Secret;
use std::sync::Arc;
use tower::ServiceExt;

pub const BASE: &str = "/monitoring-dashboard";
pub const OPERATOR: &str = "operator-token";
const HOST: &str = "127.0.0.1:8787";
const MIGRATIONS: [&str; 2] = [
    include_str!("../../../../migrations/0004_monitoring_dashboard.sql"),
    include_str!("../../../../migrations/0009_page_key.sql"),
];

pub struct Bed {
    pub deps: Deps,
    pub clock: Arc<ManualClock>,
    pub world: Arc<World>,
    pub fakes: Neighbours,
    pub sql: Arc<MemorySql>,
    pub cell: Arc<MemoryCell>,
    router: Router,
}

/// A whole response.
pub struct Page {
    pub status: StatusCode,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Page {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    pub fn location(&self) -> &str {
        self.header("location")
    }
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap()
    }
    /// The cookie that was set, as `name=value`.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap().to_owned()
    }
    /// The token of the form that posts to this path and contains `mark`.
    pub fn token(&self, action: &str, mark: &str) -> String {
        let forms =
            self.text.split("<form").skip(1).map(|form| form.split("</form>").next().unwrap());
        let form = forms
            .filter(|form| form.contains(&format!("action=\"{BASE}{action}\"")))
            .find(|form| form.contains(mark));
        let form =
            form.unwrap_or_else(|| panic!("no form for {action} with {mark} in {}", self.text));
        form.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }
}

pub fn tokens() -> Auth {
    tokens_with(OPERATOR)
}

fn tokens_with(operator: &str) -> Auth {
    let scope = |token: &str, scope| (Secret::new(token), Principal::Scope(scope));
    let dashboard = (
        Secret::new("dashboard-secret"),
        Principal::Service(contracts::ServiceName::MonitoringDashboard),
    );
    Auth::new([
        scope(operator, Scope::Operator),
        scope("viewer-token", Scope::Viewer),
        scope("agent-token", Scope::Agent),
        dashboard,
    ])
}

impl Bed {
    pub fn new() -> Self {
        Self::with_chats(None)
    }
    /// The same where chats can be connected.
    pub fn with_chats(chats: Option<Arc<dyn Chats>>) -> Self {
        let clock = Arc::new(ManualClock::default());
        let world = World::at(clock.clone());
        let switchboard = Switchboard::default();
        let auth = tokens();
        let fakes = world.neighbours(&switchboard, &auth);
        let place = HostSettings {
            base_path: BASE.into(),
            listen: vec![HOST.into()],
            ..HostSettings::default()
        };
        let sql = Arc::new(MemorySql::with_migrations(&MIGRATIONS));
        let cell = Arc::new(MemoryCell::default());
        let deps = Deps {
            sql: sql.clone(),
            kv: Arc::new(MemoryKv::new(clock.clone())),
            objects: Arc::new(MemoryObjects::default()),
            calls: Arc::new(MemoryCalls::new(Secret::new("dashboard-secret"), switchboard)),
            clock: clock.clone(),
            cell: cell.clone(),
            signal: Arc::new(MemorySignal::new(clock.clone())),
            background: Arc::new(TokioBackground),
            auth,
            config: Arc::new(Config::at(place)),
            chats,
        };
        let router = Router::new().nest(BASE, monitoring_dashboard::router(deps.clone()));
        Self { deps, clock, world, fakes, sql, cell, router }
    }
    /// The same dashboard after a restart with another operator token.
    pub fn with_operator(&self, token: &str) -> Self {
        let mut deps = self.deps.clone();
        deps.auth = tokens_with(token);
        Self {
            router: Router::new().nest(BASE, monitoring_dashboard::router(deps.clone())),
            deps,
            clock: self.clock.clone(),
            world: self.world.clone(),
            fakes: self.fakes.clone(),
            sql: self.sql.clone(),
            cell: self.cell.clone(),
        }
    }
    /// The requests of the dashboard that were to change something: path and body.
    pub fn changed(&self) -> Vec<(String, serde_json::Value)> {
        world::changed(&self.fakes)
    }
    /// Sends a request with exactly these headers.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Page {
        let mut request = Request::builder().method(method).uri(format!("{BASE}{path}"));
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header(header::HOST, HOST);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        // The address that a runtime would find.
        let from = headers.iter().find(|(name, _)| *name == "from-address");
        if let Some((_, address)) = from {
            request.extensions_mut().insert(ClientNetwork::of(address.parse().unwrap()));
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, text }
    }
    pub async fn get(&self, path: &str, cookie: &str) -> Page {
        self.send("GET", path, &[("cookie", cookie)], "").await
    }
    pub async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Page {
        self.post_with(path, cookie, fields, &[]).await
    }
    pub async fn post_with(
        &self,
        path: &str,
        cookie: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Page {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let mut all =
            vec![("cookie", cookie), ("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send("POST", path, &all, &body).await
    }
    /// Calls the API with a token.
    pub async fn api(&self, path: &str, token: &str) -> Page {
        self.send("GET", path, &[("authorization", &format!("Bearer {token}"))], "").await
    }
    /// Signs in with a new link; returns the cookie.
    pub async fn sign_in(&self) -> String {
        let link = monitoring_dashboard::sign_in_link(&self.deps).await.unwrap();
        let page = self.get(link.strip_prefix(BASE).unwrap(), "").await;
        assert_eq!(page.status, 303, "{}", page.text);
        page.cookie()
    }
}
