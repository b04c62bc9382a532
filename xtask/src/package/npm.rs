//! The npm packages: one launcher for all platforms, one package with the binary for each.
//!
//! npm installs of the optional dependencies the one whose `os` and `cpu` fit, so nothing is
//! downloaded by a script of ours.

use super::archive::{self, Entry};
use super::build::{Build, File, SUMMARY};
use super::target::{TARGETS, Target};
use serde_json::{Map, Value, json};

/// Name of the launcher, and prefix of the platform packages.
const NAME: &str = "quintet";

/// The launcher. It is the same for every target.
///
/// # Errors
/// When a file of the repository is missing.
pub fn launcher(build: &Build) -> Result<File, String> {
    let version = build.version.to_string();
    let platforms: Map<String, Value> = TARGETS
        .iter()
        .filter(|target| target.is_released())
        .map(|target| (name(target), json!(version)))
        .collect();
    let manifest = json!({
        "name": NAME,
        "version": version,
        "description": SUMMARY,
        "license": "MIT OR Apache-2.0",
        "bin": { "quintet": "bin/quintet.js" },
        "files": ["bin"],
        "engines": { "node": ">=18" },
        "optionalDependencies": platforms,
    });
    let script = Entry::program("package/bin/quintet.js", build.file("packaging/npm/quintet.js")?);
    pack(build, NAME, &manifest, script)
}

/// The package with the binary.
///
/// # Errors
/// When a file of the repository is missing.
pub fn platform(build: &Build) -> Result<File, String> {
    let (os, cpu) = build.target.node;
    let name = name(build.target);
    let mut manifest = json!({
        "name": name,
        "version": build.version.to_string(),
        "description": format!("The binary of {NAME} for {os} {cpu}. Install {NAME} instead."),
        "license": "MIT OR Apache-2.0",
        "files": ["bin"],
        "preferUnplugged": true,
        "os": [os],
        "cpu": [cpu],
    });
    if let Some(fields) = manifest.as_object_mut().filter(|_| build.target.needs_glibc()) {
        fields.insert("libc".to_owned(), json!(["glibc"]));
    }
    pack(build, &name, &manifest, Entry::program("package/bin/quintet", build.binary.clone()))
}

/// `quintet-linux-x64`: without a scope, which would have to be registered first.
fn name(target: &Target) -> String {
    format!("{NAME}-{}-{}", target.node.0, target.node.1)
}

fn pack(build: &Build, name: &str, manifest: &Value, program: Entry) -> Result<File, String> {
    let mut entries = build.licences("package/")?;
    entries.push(Entry::file("package/package.json", format!("{manifest:#}\n")));
    entries.push(Entry::file("package/README.md", build.file("packaging/README.md")?));
    entries.push(program);
    Ok((format!("{name}-{}.tgz", build.version), archive::tar_gz(entries)?))
}
