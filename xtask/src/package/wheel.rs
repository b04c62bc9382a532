//! The Python wheel: the binary as a script, so that `pip`, `pipx` and `uvx` put it on PATH.

use super::archive::{self, Entry};
use super::build::{Build, File, SUMMARY};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cargo_metadata::semver::Version;
use sha2::{Digest, Sha256};

/// The wheel with its name.
///
/// # Errors
/// When the version has no form in Python.
pub fn make(build: &Build) -> Result<File, String> {
    let version = version(&build.version)?;
    let platform = build.target.wheel(build.glibc);
    let info = format!("quintet-{version}.dist-info");
    let mut entries = vec![Entry::program(
        format!("quintet-{version}.data/scripts/quintet"),
        build.binary.clone(),
    )];
    entries.extend(build.licences(&format!("{info}/licenses/"))?);
    let about = build.file("packaging/README.md")?;
    let metadata = [metadata(&version).as_bytes(), about.as_slice()].concat();
    entries.push(Entry::file(format!("{info}/METADATA"), metadata));
    entries.push(Entry::file(format!("{info}/WHEEL"), tags(&platform)));
    let record = record(&entries, &info);
    entries.push(Entry::file(format!("{info}/RECORD"), record));
    Ok((format!("quintet-{version}-py3-none-{platform}.whl"), archive::zip(&entries)?))
}

fn metadata(version: &str) -> String {
    format!(
        "Metadata-Version: 2.4\nName: quintet\nVersion: {version}\nSummary: {SUMMARY}\n\
         License-Expression: MIT OR Apache-2.0\nLicense-File: LICENSE-APACHE\nLicense-File: \
         LICENSE-MIT\nRequires-Python: >=3.8\nDescription-Content-Type: text/markdown\n\n"
    )
}

fn tags(platform: &str) -> String {
    let lines = platform.split('.').map(|one| format!("Tag: py3-none-{one}\n"));
    format!(
        "Wheel-Version: 1.0\nGenerator: quintet-xtask\nRoot-Is-Purelib: false\n{}",
        lines.collect::<String>()
    )
}

/// Digest and size of every file; none for the list itself.
fn record(entries: &[Entry], info: &str) -> String {
    let mut lines = String::new();
    for Entry { path, bytes, .. } in entries {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(bytes));
        lines.push_str(&format!("{path},sha256={digest},{}\n", bytes.len()));
    }
    lines + &format!("{info}/RECORD,,\n")
}

/// As Python writes versions: `1.2.0rc1` for `1.2.0-rc.1`.
fn version(version: &Version) -> Result<String, String> {
    let base = format!("{}.{}.{}", version.major, version.minor, version.patch);
    let pre = version.pre.as_str();
    if pre.is_empty() && version.build.is_empty() {
        return Ok(base);
    }
    let (word, number) = pre.split_once('.').unwrap_or((pre, ""));
    let short = match word {
        "alpha" => "a",
        "beta" => "b",
        "rc" => "rc",
        _ => "",
    };
    match number.parse::<u32>() {
        Ok(number) if !short.is_empty() && version.build.is_empty() => {
            Ok(format!("{base}{short}{number}"))
        }
        _ => Err(format!(
            "version {version} has no form in Python. Use alpha.N, beta.N or rc.N behind the dash."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_version_of_a_pre_release_is_short() {
        let of = |text: &str| version(&text.parse().unwrap());
        assert_eq!(of("0.1.0"), Ok("0.1.0".to_owned()));
        assert_eq!(of("0.2.0-rc.1"), Ok("0.2.0rc1".to_owned()));
        assert_eq!(of("0.2.0-beta.12"), Ok("0.2.0b12".to_owned()));
        of("0.2.0-nightly").unwrap_err();
        of("0.2.0+1").unwrap_err();
    }
}
