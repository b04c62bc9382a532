//! `deploy`: from a checked configuration to five running Workers. Prints each step, never a
//! secret.
//!
//! Some services bind to each other, and a Worker cannot bind to a missing one. So a new Worker is
//! first deployed without its service bindings; it answers 503 until its secrets are written.
#![allow(clippy::print_stdout, reason = "chores speak to the terminal")]

use crate::secrets::Secrets;
use crate::{dev, node, workers};
use contracts::ServiceName;
use serde_json::{Map, Value};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Folder of the secrets; they can authenticate as every service.
const FOLDER: &str = ".quintet-deploy";
const DATABASE: &str = "quintet";

/// Ids of the account's resources.
#[derive(Default)]
struct Ids {
    database: String,
    /// Title → id.
    namespaces: Map<String, Value>,
}

/// Cloudflare's own command line.
struct Wrangler<'a> {
    root: &'a Path,
}

impl Wrangler<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(node::binary(self.root));
        command
            .arg(self.root.join("workers/node_modules/wrangler/bin/wrangler.js"))
            .args(args)
            .current_dir(self.root);
        command.env("WRANGLER_SEND_METRICS", "false").env("CI", "1");
        command
    }
    fn run(&self, args: &[&str]) -> Result<(), String> {
        println!("$ wrangler {}", args.join(" "));
        let done = self.command(args).stdin(Stdio::null()).status().map_err(|e| e.to_string())?;
        if done.success() {
            Ok(())
        } else {
            Err(format!("wrangler {} failed; its output is above", args.join(" ")))
        }
    }
    /// The JSON output of a list command.
    fn list(&self, args: &[&str]) -> Result<Vec<Value>, String> {
        let out = self
            .command(args)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&out.stdout);
        let json = text.find('[').and_then(|at| text.get(at..)).unwrap_or_default();
        match serde_json::from_str(json) {
            Ok(Value::Array(rows)) if out.status.success() => Ok(rows),
            _ => Err(format!(
                "wrangler {} returned no list. Set CLOUDFLARE_API_TOKEN, or run `npx wrangler \
                 login` in workers/.",
                args.join(" ")
            )),
        }
    }
    fn exists(&self, worker: &str) -> bool {
        let asked = self
            .command(&["deployments", "list", "--name", worker])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        asked.is_ok_and(|status| status.success())
    }
    fn put_secrets(&self, worker: &str, secrets: &Map<String, Value>) -> Result<(), String> {
        println!(
            "$ wrangler secret bulk --name {worker}   ({})",
            secrets.keys().cloned().collect::<Vec<_>>().join(", ")
        );
        let mut child = self
            .command(&["secret", "bulk", "--name", worker])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| e.to_string())?;
        let text = Value::Object(secrets.clone()).to_string();
        child
            .stdin
            .take()
            .ok_or("no input")?
            .write_all(text.as_bytes())
            .map_err(|e| e.to_string())?;
        let done = child.wait().map_err(|e| e.to_string())?;
        if done.success() { Ok(()) } else { Err(format!("cannot write the secrets of {worker}")) }
    }
}

/// A Worker's wrangler.toml with the account's ids, with or without its service bindings.
fn derive(text: &str, ids: &Ids, with_services: bool) -> Result<String, String> {
    let mut table: toml::Table = text.parse().map_err(|e| format!("wrangler.toml: {e}"))?;
    let rows = |table: &mut toml::Table, name: &str, fill: &mut dyn FnMut(&mut toml::Table)| {
        let list = table.get_mut(name).and_then(toml::Value::as_array_mut);
        list.into_iter().flatten().filter_map(toml::Value::as_table_mut).for_each(fill);
    };
    rows(&mut table, "d1_databases", &mut |row| {
        row.insert("database_id".to_owned(), ids.database.clone().into());
    });
    rows(&mut table, "kv_namespaces", &mut |row| {
        let title = row.get("id").and_then(toml::Value::as_str).map(title_of).unwrap_or_default();
        let id = ids.namespaces.get(&title).and_then(Value::as_str).unwrap_or_default();
        row.insert("id".to_owned(), id.to_owned().into());
    });
    if !with_services {
        table.remove("services");
    }
    toml::to_string(&table).map_err(|e| e.to_string())
}

fn title_of(placeholder: &str) -> String {
    format!("quintet-{placeholder}")
}

/// The placeholders of one kind in all wrangler.toml files.
fn named(root: &Path, list: &str, key: &str) -> Result<Vec<String>, String> {
    let mut all = Vec::new();
    for name in workers::NAMES {
        let table: toml::Table =
            read(&config_path(root, name))?.parse().map_err(|e| format!("{name}: {e}"))?;
        let rows = table.get(list).and_then(toml::Value::as_array).cloned().unwrap_or_default();
        all.extend(rows.iter().filter_map(|row| row.get(key)?.as_str().map(str::to_owned)));
    }
    all.sort();
    all.dedup();
    Ok(all)
}

fn config_path(root: &Path, name: &str) -> PathBuf {
    root.join("workers").join(name).join("wrangler.toml")
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Deploys. A dry run checks, builds and bundles, and needs neither account nor network.
///
/// # Errors
/// The first failing step; earlier steps remain, and another run continues there.
pub fn run(root: &Path, config: Option<&Path>, dry: bool) -> Result<(), String> {
    if !dry && config.is_none() {
        // The configuration is always written whole: without a file, a running deployment would
        // lose its endpoints and limits.
        return Err(
            "--config FILE is missing. The deployment gets exactly that configuration (use \
            an empty file for none)."
                .to_owned(),
        );
    }
    if !node::install(root)? {
        return Err(format!(
            "Cloudflare's command line needs Node {} or newer. Install it: \
             https://nodejs.org/en/download",
            node::INSTALLER_MIN
        ));
    }
    dev::build_quintet(root)?;
    let parts = dev::parts(root, config)?;
    workers::build(root, &workers::NAMES)?;
    let wrangler = Wrangler { root };
    if dry {
        for name in workers::NAMES {
            let (out, config) = (root.join("target/deploy").join(name), config_path(root, name));
            wrangler.run(&[
                "deploy",
                "--dry-run",
                "--outdir",
                &out.display().to_string(),
                "--config",
                &config.display().to_string(),
            ])?;
        }
        println!(
            "\nDry run: nothing was created, deployed or written. Without --dry-run the steps above run, and these secrets are written:"
        );
        let secrets = Secrets::keep(&root.join("target/deploy/secrets.json"))?;
        for service in ServiceName::ALL
            .into_iter()
            .filter(|service| workers::NAMES.contains(&service.as_str()))
        {
            println!(
                "  {service}: {}",
                secrets.of(service, &Value::Null).keys().cloned().collect::<Vec<_>>().join(", ")
            );
        }
        say_who_reaches_it(config, &parts);
        return Ok(());
    }
    let ids = create_missing(root, &wrangler)?;
    deploy_all(root, &wrangler, &ids)?;
    write_secrets(root, &wrangler, &parts)?;
    say_who_reaches_it(config, &parts);
    Ok(())
}

/// The endpoints of a configuration, as `telegram.main`, in its order.
fn endpoints(parts: &Map<String, Value>) -> Vec<String> {
    let all = parts
        .get(ServiceName::WebhookAggregator.as_str())
        .and_then(|part| part.get("endpoints"))
        .and_then(Value::as_object);
    let of = |(channel, named): (&String, &Value)| {
        named
            .as_object()
            .map(|named| named.keys().map(|name| format!("{channel}.{name}")).collect::<Vec<_>>())
    };
    all.into_iter().flatten().filter_map(of).flatten().collect()
}

/// Names the endpoints; a deployment without any probably misses the option.
fn say_who_reaches_it(config: Option<&Path>, parts: &Map<String, Value>) {
    let endpoints = endpoints(parts);
    let from = config
        .map_or_else(|| "no --config was given".to_owned(), |path| path.display().to_string());
    if endpoints.is_empty() {
        println!(
            "\nNo endpoint is configured ({from}), so no chat can reach this deployment. Add [endpoints.telegram.main] or another and pass --config FILE."
        );
    } else {
        println!(
            "\nEndpoints of {from}, with their secrets in QUINTET_CONFIG of webhook-aggregator: {}",
            endpoints.join(", ")
        );
    }
}

/// Creates the resources of the bindings that the account lacks.
fn create_missing(root: &Path, wrangler: &Wrangler<'_>) -> Result<Ids, String> {
    let text = |row: &Value, key: &str| {
        row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let find = || {
        wrangler.list(&["d1", "list", "--json"]).map(|rows| {
            rows.iter().find(|row| text(row, "name") == DATABASE).map(|row| text(row, "uuid"))
        })
    };
    let database = match find()? {
        Some(id) => id,
        None => {
            wrangler.run(&["d1", "create", DATABASE])?;
            find()?.ok_or("the database was created but is not listed")?
        }
    };
    let titles: Vec<String> =
        named(root, "kv_namespaces", "id")?.iter().map(|name| title_of(name)).collect();
    let listed = || -> Result<Map<String, Value>, String> {
        let rows = wrangler.list(&["kv", "namespace", "list"])?;
        Ok(rows.iter().map(|row| (text(row, "title"), text(row, "id").into())).collect())
    };
    let mut namespaces = listed()?;
    for title in titles.iter().filter(|title| !namespaces.contains_key(*title)) {
        wrangler.run(&["kv", "namespace", "create", title])?;
    }
    if titles.iter().any(|title| !namespaces.contains_key(title)) {
        namespaces = listed()?;
    }
    for bucket in named(root, "r2_buckets", "bucket_name")? {
        let known = wrangler
            .command(&["r2", "bucket", "info", &bucket])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !known.is_ok_and(|status| status.success()) {
            wrangler.run(&["r2", "bucket", "create", &bucket])?;
        }
    }
    Ok(Ids { database, namespaces })
}

fn deploy_all(root: &Path, wrangler: &Wrangler<'_>, ids: &Ids) -> Result<(), String> {
    let write = |name: &str, with_services: bool| -> Result<String, String> {
        let path = root.join("workers").join(name).join("wrangler.deploy.toml");
        std::fs::write(&path, derive(&read(&config_path(root, name))?, ids, with_services)?)
            .map_err(|e| e.to_string())?;
        Ok(path.display().to_string())
    };
    let any = write("personal-assistant", true)?;
    wrangler.run(&["d1", "migrations", "apply", DATABASE, "--remote", "--config", &any])?;
    for name in workers::NAMES.into_iter().filter(|name| !wrangler.exists(name)) {
        wrangler.run(&["deploy", "--config", &write(name, false)?])?;
    }
    workers::NAMES
        .into_iter()
        .try_for_each(|name| wrangler.run(&["deploy", "--config", &write(name, true)?]))
}

/// Generates tokens and keys at the first deployment and keeps them; writes the configuration each
/// time.
fn write_secrets(
    root: &Path,
    wrangler: &Wrangler<'_>,
    parts: &Map<String, Value>,
) -> Result<(), String> {
    let path = root.join(FOLDER).join("secrets.json");
    let secrets = Secrets::keep(&path)?;
    let empty = Value::Object(Map::new());
    for service in
        ServiceName::ALL.into_iter().filter(|service| workers::NAMES.contains(&service.as_str()))
    {
        wrangler.put_secrets(
            service.as_str(),
            &secrets.of(service, parts.get(service.as_str()).unwrap_or(&empty)),
        )?;
    }
    println!("\nDeployed. The tokens are in {} (readable by you alone; keep it):", path.display());
    println!(
        "  publish a graph   QUINTET_OPERATOR_TOKEN=… quintet --server https://<your domain> graph \
         publish routing-knowledge"
    );
    println!(
        "  run agents        QUINTET_GATEWAY_TOKEN=… QUINTET_AGENT_TOKEN=… quintet gateway --control https://<your \
         domain>"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
    }

    #[test]
    fn deploy_fills_in_ids_and_can_omit_service_bindings() {
        let ids = Ids {
            database: "d1-id".to_owned(),
            namespaces: Map::from_iter([("quintet-graph-cache".to_owned(), "kv-id".into())]),
        };
        let text = read(&config_path(&root(), "skill-graph-loader")).unwrap();
        let whole: toml::Table = derive(&text, &ids, true).unwrap().parse().unwrap();
        assert_eq!(whole["d1_databases"][0]["database_id"].as_str(), Some("d1-id"));
        assert_eq!(whole["kv_namespaces"][0]["id"].as_str(), Some("kv-id"));
        assert!(whole.contains_key("services"));
        let first: toml::Table = derive(&text, &ids, false).unwrap().parse().unwrap();
        assert!(!first.contains_key("services") && first.contains_key("d1_databases"));
    }

    #[test]
    fn deploy_names_the_endpoints_of_a_configuration() {
        let of =
            |config: Value| endpoints(&Map::from_iter([("webhook-aggregator".to_owned(), config)]));
        assert_eq!(
            of(
                serde_json::json!({ "endpoints": { "slack": { "T1": {} }, "telegram": { "main": {}, "second": {} } } })
            ),
            ["slack.T1", "telegram.main", "telegram.second"]
        );
        assert_eq!(of(serde_json::json!({})), Vec::<String>::new());
        assert_eq!(endpoints(&Map::new()), Vec::<String>::new());
    }

    #[test]
    fn worker_bindings_match_the_services_it_may_call() {
        for name in workers::NAMES {
            let table: toml::Table = read(&config_path(&root(), name)).unwrap().parse().unwrap();
            let rows =
                table.get("services").and_then(toml::Value::as_array).cloned().unwrap_or_default();
            let mut bound: Vec<String> =
                rows.iter().map(|row| row["service"].as_str().unwrap().to_owned()).collect();
            let mut allowed: Vec<String> = contracts::calls::allowed()
                .filter(|(caller, _)| caller.as_str() == name)
                .map(|(_, call)| call.callee.to_string())
                .collect();
            bound.sort();
            allowed.sort();
            allowed.dedup();
            assert_eq!(bound, allowed, "{name}");
            for row in &rows {
                assert_eq!(
                    row["binding"].as_str().unwrap().to_lowercase().replace('_', "-"),
                    row["service"].as_str().unwrap()
                );
            }
        }
    }
}
