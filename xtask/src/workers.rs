//! `build` and `sizes`: builds the Workers for the runtime, without tools to install by hand.
#![allow(clippy::print_stdout, reason = "chores speak to the terminal")]

use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use wasm_bindgen_cli_support::Bindgen;

/// The five, in the order of deployment.
pub const NAMES: [&str; 5] = [
    "skill-graph-loader",
    "agency-router",
    "personal-assistant",
    "webhook-aggregator",
    "monitoring-dashboard",
];
/// The Worker for tests.
pub const SUITE: &str = "suite";
const TARGET: &str = "wasm32-unknown-unknown";
/// Limit in kilobytes after gzip; Cloudflare's own is 3 MB. The assistant has a policy engine, the
/// aggregator a parser of Markdown and the tables of Unicode.
const LIMIT_KB: u64 = 700;
const ASSISTANT_LIMIT_KB: u64 = 1_400;
const AGGREGATOR_LIMIT_KB: u64 = 1_200;
const BASELINE: &str = "workers/sizes.json";

type Done = Result<(), String>;

/// Installs the compiler's target for Workers if needed.
///
/// # Errors
/// When the target can neither be found nor installed.
pub fn install_target(root: &Path) -> Done {
    let have =
        Command::new("rustup").args(["target", "list", "--installed"]).current_dir(root).output();
    if have.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(TARGET)) {
        return Ok(());
    }
    let added = Command::new("rustup").args(["target", "add", TARGET]).current_dir(root).status();
    if added.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(format!("the target {TARGET} is missing. Run `rustup target add {TARGET}`."))
    }
}

/// Builds the named Workers (default: all five and the suite) into `workers/<name>/dist`.
///
/// # Errors
/// Those of the compiler, or an unknown name.
pub fn build(root: &Path, names: &[&str]) -> Done {
    let all: Vec<&str> = NAMES.into_iter().chain([SUITE]).collect();
    let names = if names.is_empty() { all.clone() } else { names.to_vec() };
    if let Some(stranger) = names.iter().find(|name| !all.contains(name)) {
        return Err(format!("there is no Worker {stranger}. Use one of {}.", all.join(", ")));
    }
    install_target(root)?;
    // Cargo unifies features of crates built together: canonical JSON, needed by the assistant's
    // digests, would add exact floats (9 KB compressed) to every other bundle.
    let (apart, together): (Vec<&str>, Vec<&str>) =
        names.iter().partition(|name| **name == "personal-assistant");
    for group in [together, apart].iter().filter(|group| !group.is_empty()) {
        compile(root, group)?;
    }
    names.iter().try_for_each(|name| bind(root, name))
}

fn compile(root: &Path, names: &[&str]) -> Done {
    let packages: Vec<String> = names.iter().map(|name| format!("worker-{name}")).collect();
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--locked", "--profile", "wasm", "--target", TARGET]).current_dir(root);
    for package in &packages {
        cargo.args(["--package", package]);
    }
    // Every Workers runtime has SIMD. Panic messages contain source paths, so shorten them and
    // remove this machine's registry.
    if let Some(home) = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
    {
        cargo.env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
            format!(
                "-Ctarget-feature=+simd128 --remap-path-prefix={}/registry/src=",
                home.display()
            ),
        );
    }
    println!("$ cargo build --profile wasm --target {TARGET} ({})", names.join(", "));
    let built = cargo.status().map_err(|e| format!("cannot run cargo: {e}"))?;
    if !built.success() {
        return Err("the Workers do not compile".to_owned());
    }
    Ok(())
}

fn dist(root: &Path, name: &str) -> PathBuf {
    root.join("workers").join(name).join("dist")
}

/// Generates the module's JavaScript, unless it is newer than the module.
fn bind(root: &Path, name: &str) -> Done {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let module =
        target.join(TARGET).join("wasm").join(format!("worker_{}.wasm", name.replace('-', "_")));
    let out = dist(root, name);
    let age = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
    let script = out.join("index.js");
    if age(&script).zip(age(&module)).is_some_and(|(made, compiled)| made > compiled) {
        return Ok(());
    }
    let failed = |error: std::io::Error| format!("{}: {error}", out.display());
    if out.exists() {
        std::fs::remove_dir_all(&out).map_err(failed)?;
    }
    let mut bindgen = Bindgen::new();
    bindgen.input_path(&module).typescript(false).remove_name_section(true).out_name("index");
    bindgen.reset_state_function(true).force_enable_abort_handler(true);
    bindgen
        .module(true)
        .and_then(|bindgen| bindgen.generate(&out))
        .map_err(|error| format!("{name}: {error:#}"))?;
    // The runtime has no source-phase imports; there, importing a .wasm file gives a compiled
    // module.
    let text = std::fs::read_to_string(&script).map_err(failed)?;
    std::fs::write(&script, text.replace("import source ", "import ")).map_err(failed)
}

/// Bytes of a Worker, compressed: the module alone, and with its scripts.
fn measure(root: &Path, name: &str) -> Result<(u64, u64), String> {
    let out = dist(root, name);
    let missing =
        |error: std::io::Error| format!("{}: {error}. Run `cargo xtask build`.", out.display());
    let module = std::fs::read(out.join("index_bg.wasm")).map_err(missing)?;
    let script = std::fs::read(out.join("index.js")).map_err(missing)?;
    let mut packer = GzEncoder::new(Vec::new(), Compression::new(6));
    packer.write_all(&module).and_then(|()| packer.write_all(&script)).map_err(missing)?;
    let packed = packer.finish().map_err(missing)?;
    Ok((module.len() as u64, packed.len() as u64))
}

/// Maximum growth of a bundle without review, percent.
const GROWTH_PERCENT: u64 = 3;

/// One Worker's current and stored size, compressed bytes.
struct Size {
    name: &'static str,
    raw: u64,
    packed: u64,
    stored: Option<u64>,
}

fn all_sizes(root: &Path) -> Result<Vec<Size>, String> {
    let stored: Value = std::fs::read_to_string(root.join(BASELINE))
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let size = |name| {
        measure(root, name).map(|(raw, packed)| Size {
            name,
            raw,
            packed,
            stored: stored.get(name).and_then(Value::as_u64),
        })
    };
    NAMES.into_iter().map(size).collect()
}

fn limit_kb(name: &str) -> u64 {
    match name {
        "personal-assistant" => ASSISTANT_LIMIT_KB,
        "webhook-aggregator" => AGGREGATOR_LIMIT_KB,
        _ => LIMIT_KB,
    }
}

/// Prints the sizes with the stored ones and the limits; `write` stores them.
///
/// # Errors
/// When one exceeds its limit.
pub fn sizes(root: &Path, write: bool) -> Done {
    let sizes = all_sizes(root)?;
    println!("{:<22} {:>9} {:>9} {:>9} {:>9}", "Worker", "raw KB", "gzip KB", "stored", "limit");
    for size in &sizes {
        let before = size.stored.map_or_else(|| "-".to_owned(), |bytes| (bytes / 1024).to_string());
        println!(
            "{:<22} {:>9} {:>9} {before:>9} {:>9}",
            size.name,
            size.raw / 1024,
            size.packed / 1024,
            limit_kb(size.name)
        );
    }
    if write {
        let now: Map<String, Value> =
            sizes.iter().map(|size| (size.name.to_owned(), json!(size.packed))).collect();
        let text = serde_json::to_string_pretty(&now).map_err(|e| e.to_string())?;
        std::fs::write(root.join(BASELINE), format!("{text}\n")).map_err(|e| e.to_string())?;
    }
    within_limits(&sizes)
}

fn within_limits(sizes: &[Size]) -> Done {
    let over: Vec<_> = sizes
        .iter()
        .filter(|size| size.packed > limit_kb(size.name) * 1024)
        .map(|size| size.name)
        .collect();
    if over.is_empty() { Ok(()) } else { Err(format!("over the limit: {}", over.join(", "))) }
}

/// Checks that no bundle has grown without `sizes --write`, or exceeds its limit, which no stored
/// size excuses.
///
/// # Errors
/// Names the bundles.
pub fn check_sizes(root: &Path) -> Done {
    let grown = |size: &&Size| {
        size.stored.is_none_or(|stored| size.packed * 100 > stored * (100 + GROWTH_PERCENT))
    };
    let sizes = all_sizes(root)?;
    within_limits(&sizes)?;
    let grown: Vec<_> = sizes
        .iter()
        .filter(grown)
        .map(|size| format!("{} ({} KB)", size.name, size.packed / 1024))
        .collect();
    if grown.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "grown by more than {GROWTH_PERCENT} %: {}. Find out why, or run `cargo xtask sizes \
             --write`.",
            grown.join(", ")
        ))
    }
}
