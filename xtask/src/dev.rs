//! `dev`: the five Workers on Cloudflare's own runtime and the gateway, on this machine, by one command.
#![allow(clippy::print_stdout, reason = "chores speak to the terminal")]

use crate::secrets::{SCOPES, Secrets, write_private};
use crate::{node, workers};
use contracts::ServiceName;
use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const LISTEN: &str = "127.0.0.1:8787";
const DASHBOARD_PORT: u16 = 8788;
/// Everything that is kept between runs; remove it to begin anew.
const FOLDER: &str = ".quintet-dev";

/// Ends its process when dropped, however this one ends in words.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Each service's part of a configuration file, checked by the program itself.
///
/// # Errors
/// When it is wrong; the program has said what.
pub fn parts(root: &Path, config: Option<&Path>) -> Result<Map<String, Value>, String> {
    let Some(config) = config else { return Ok(Map::new()) };
    let out = Command::new(quintet(root)).args(["__parts", "--config"]).arg(config).stderr(Stdio::inherit()).output().map_err(|e| e.to_string())?;
    if !out.status.success() {
        return Err("the configuration is wrong; nothing was started".to_owned());
    }
    serde_json::from_slice(&out.stdout).map_err(|e| e.to_string())
}

fn quintet(root: &Path) -> PathBuf {
    root.join("target/debug/quintet")
}

/// Builds the program that the other chores ask.
///
/// # Errors
/// When it does not compile.
pub fn build_quintet(root: &Path) -> Result<(), String> {
    let done = Command::new("cargo").args(["build", "--package", "quintet"]).current_dir(root).status();
    if done.is_ok_and(|status| status.success()) { Ok(()) } else { Err("the program does not compile".to_owned()) }
}

/// Runs until Ctrl-C.
///
/// # Errors
/// When something cannot be built or started.
pub fn run(root: &Path, config: Option<&Path>) -> Result<(), String> {
    if !node::install(root)? {
        return Err(format!("Node {} or newer is needed to install Cloudflare's runtime: https://nodejs.org/en/download", node::INSTALLER_MIN));
    }
    workers::build(root, &workers::NAMES)?;
    build_quintet(root)?;
    let parts = parts(root, config)?;
    let folder = root.join(FOLDER);
    let secrets = Secrets::keep(&folder.join("secrets.json"))?;
    let (_serving, ready) = serve(root, &folder, &secrets, &parts)?;
    let front = ready.get("front").and_then(Value::as_str).unwrap_or_default().to_owned();
    let quintet = |args: &[&str]| {
        let mut command = Command::new(quintet(root));
        command.args(args).arg("--data").arg(folder.join("gateway"));
        for scope in SCOPES {
            command.env(format!("QUINTET_{}_TOKEN", scope.to_ascii_uppercase()), secrets.token(scope));
        }
        command
    };
    let published = quintet(&["--server", &front, "graph", "publish"]).arg(root.join("routing-knowledge")).stdin(Stdio::null()).status();
    if !published.is_ok_and(|status| status.success()) {
        return Err("the default graph could not be published".to_owned());
    }
    let token = folder.join("operator-token");
    write_private(&token, &secrets.token("operator")).map_err(|e| e.to_string())?;
    let mut gateway = quintet(&["gateway", "--control", &front]);
    if let Some(config) = config {
        gateway.arg("--config").arg(config);
    }
    let mut gateway = Running(gateway.spawn().map_err(|e| e.to_string())?);
    println!(
        "\nThe five Workers are up.\n\n  Dashboard  http://127.0.0.1:{DASHBOARD_PORT}/dashboard\n             sign in with the token of {}",
        token.display()
    );
    println!("  Services   {front}/<service>/…\n  Storage    {}\n  Stop       Ctrl-C\n", folder.display());
    gateway.0.wait().map(|_| ()).map_err(|e| e.to_string())
}

fn serve(root: &Path, folder: &Path, secrets: &Secrets, parts: &Map<String, Value>) -> Result<(Running, Value), String> {
    let empty = Value::Object(Map::new());
    let mut bindings = Map::new();
    for service in ServiceName::ALL.into_iter().filter(|service| workers::NAMES.contains(&service.as_str())) {
        let mut own = secrets.of(service, parts.get(service.as_str()).unwrap_or(&empty));
        // Cookies for this machine's plain http.
        own.insert("QUINTET_PLAIN_HTTP".to_owned(), "1".into());
        bindings.insert(service.to_string(), Value::Object(own));
    }
    let ports = json!({ "monitoring-dashboard": DASHBOARD_PORT });
    let options = json!({ "listen": LISTEN, "state": folder.join("state"), "bindings": bindings, "ports": ports, "timers": true });
    let path = folder.join("options.json");
    write_private(&path, &options.to_string()).map_err(|e| e.to_string())?;
    let mut child = Command::new(node::binary(root))
        .arg(root.join("workers/serve.mjs"))
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("node cannot be run: {e}"))?;
    let stdout = child.stdout.take().ok_or("no output")?;
    let running = Running(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).map_err(|e| e.to_string())?;
    let ready = serde_json::from_str(&line).map_err(|_| format!("the Workers did not come up; is {LISTEN} or port {DASHBOARD_PORT} taken?"))?;
    Ok((running, ready))
}
