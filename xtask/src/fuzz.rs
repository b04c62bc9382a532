//! Fuzzing: each target of `fuzz/` gets random input, guided by the code it reaches, for a limited
//! time.
//!
//! The compiler's coverage counters and libFuzzer work on the stable toolchain. Only sanitizers
//! need nightly, and there is no `unsafe` code for them to check.

#![allow(clippy::print_stdout, reason = "chores speak to the terminal")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A target, and folders of the repository that are a further corpus.
struct Target {
    name: &'static str,
    inputs: &'static [&'static str],
}

const TARGETS: [Target; 4] = [
    Target { name: "front_matter", inputs: &["routing-knowledge"] },
    Target { name: "markdown", inputs: &["routing-knowledge"] },
    Target { name: "search_index", inputs: &[] },
    Target { name: "webhook", inputs: &[] },
];

/// Counts every edge and shows comparisons to the fuzzer. `cargo fuzz` sets the same.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Maximum length of an input in bytes.
const INPUT_BYTES_MAX: usize = 32 << 10;
/// Maximum time of one input in seconds; one takes milliseconds.
const INPUT_S_MAX: u32 = 10;
/// Maximum memory of the process in MiB; `fuzz/src/memory.rs` bounds a single input.
const MEMORY_MIB_MAX: u32 = 1024;

/// How long, and which targets.
pub struct Plan {
    /// Of all targets together.
    pub time: Duration,
    /// One target alone.
    pub target: Option<String>,
    /// Adds the inputs that reached new code to `fuzz/corpus/`.
    pub keep: bool,
}

impl Plan {
    /// All targets, other random numbers each time.
    pub fn new(time: Duration) -> Self {
        Self { time, target: None, keep: false }
    }
}

/// The names, for the command line.
pub fn names() -> [&'static str; 4] {
    TARGETS.map(|target| target.name)
}

/// Builds the targets and runs them one behind the other.
///
/// # Errors
/// When the build fails, or a target found an input that breaks an invariant.
pub fn run(root: &Path, plan: &Plan) -> Result<(), String> {
    let folder = build(root)?;
    let chosen: Vec<&Target> = TARGETS
        .iter()
        .filter(|target| plan.target.as_ref().is_none_or(|name| name == target.name))
        .collect();
    let seconds = plan.time.as_secs() / u64::try_from(chosen.len().max(1)).unwrap_or(1);
    chosen.into_iter().try_for_each(|target| search(root, &folder, target, seconds.max(1), plan))
}

/// Builds all targets with the coverage counters, and returns the folder of the programs.
fn build(root: &Path) -> Result<PathBuf, String> {
    let mut command = Command::new("cargo");
    command.current_dir(root).env("RUSTFLAGS", RUSTFLAGS);
    // With a target named, build scripts and macros are built without the counters.
    command.args(["build", "--package", "fuzz", "--bins", "--profile", "fuzz"]);
    command.args(["--target", "host-tuple", "--message-format", "json-render-diagnostics"]);
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if !output.status.success() {
        return Err("the fuzz targets do not build".to_owned());
    }
    let program = cargo_metadata::Message::parse_stream(output.stdout.as_slice())
        .filter_map(Result::ok)
        .find_map(|message| match message {
            cargo_metadata::Message::CompilerArtifact(artifact) => artifact.executable,
            _ => None,
        })
        .ok_or("cargo built no fuzz target")?;
    program
        .parent()
        .map(|folder| folder.as_std_path().to_owned())
        .ok_or_else(|| program.to_string())
}

/// `target/fuzz-corpus`: inputs that reached new code. The next run begins with them.
fn kept(programs: &Path) -> PathBuf {
    // Programs are in <target>/<triple>/fuzz.
    programs.ancestors().nth(2).unwrap_or(programs).join("fuzz-corpus")
}

/// Runs one target.
fn search(
    root: &Path,
    folder: &Path,
    target: &Target,
    seconds: u64,
    plan: &Plan,
) -> Result<(), String> {
    let corpus = root.join("fuzz/corpus").join(target.name);
    let found = kept(folder).join(target.name);
    let artifacts = root.join("fuzz/artifacts").join(target.name);
    for folder in [&found, &artifacts] {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    println!("$ fuzz {} ({seconds} s)", target.name);
    let program = |options: &[String]| {
        Command::new(folder.join(target.name))
            .current_dir(root)
            .args([format!("-max_len={INPUT_BYTES_MAX}"), format!("-timeout={INPUT_S_MAX}")])
            .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args(options)
            .status()
            .map_err(|error| format!("{} cannot be run: {error}", target.name))
    };
    let mut options = vec![
        format!("-max_total_time={seconds}"),
        "-print_final_stats=1".to_owned(),
        "-verbosity=0".to_owned(),
        "-print_funcs=0".to_owned(),
    ];
    options.push(found.display().to_string());
    options.push(corpus.display().to_string());
    options.extend(target.inputs.iter().map(|input| root.join(input).display().to_string()));
    if !program(&options)?.success() {
        return Err(format!(
            "{name} broke on the input in {artifacts}. Mend it and keep the input: \
             move it to fuzz/corpus/{name}/, where `cargo test -p fuzz` tries it",
            name = target.name,
            artifacts = artifacts.display(),
        ));
    }
    if plan.keep {
        let folders = [&corpus, &found].map(|folder| folder.display().to_string());
        let merge = [vec!["-merge=1".to_owned()], folders.to_vec()].concat();
        if !program(&merge)?.success() {
            return Err(format!("the new inputs of {} could not be kept", target.name));
        }
    }
    Ok(())
}
