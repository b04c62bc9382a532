//! `cargo xtask`: all chores of this repository.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "chores speak to the terminal")]

use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;
use xtask::{deploy, dev, documents, fuzz, node, package, rooms, tidy, workers};

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask",
    about = "All chores of this repository.",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run everything: house rules, lints, API documentation, wasm check, tests, fuzzing,
    /// end-to-end tests
    Test {
        /// Skip fuzzing, the end-to-end tests and the built Workers
        #[arg(long)]
        quick: bool,
        /// Pass without Node or Chromium, and list the skipped tests
        #[arg(long, conflicts_with = "quick")]
        allow_missing: bool,
    },
    /// Check lints and formatting only
    Check,
    /// Build the API documentation into target/doc; a broken link fails
    Doc,
    /// Check that the services compile for wasm32-unknown-unknown
    Wasm,
    /// Test official SDKs and the browser against the native binary, and the built Workers on
    /// Cloudflare's runtime (needs Node and Chromium)
    E2e {
        /// Pass without Node or Chromium, and list the skipped tests
        #[arg(long)]
        allow_missing: bool,
    },
    /// Build the five Workers into workers/<name>/dist
    Build {
        /// Build only these
        names: Vec<String>,
    },
    /// Run the five Workers on Cloudflare's runtime and the gateway locally; storage is in
    /// .quintet-dev
    Dev(Config),
    /// Deploy to Cloudflare: check, build, create, migrate, deploy, write secrets
    Deploy {
        #[command(flatten)]
        config: Config,
        /// Check, build and bundle only; needs neither account nor network
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare the built Workers' sizes with workers/sizes.json and the limits
    Sizes {
        /// Store the sizes
        #[arg(long)]
        write: bool,
    },
    /// Make all packages of a built binary: archive, deb, npm, wheel
    Package {
        /// The built binary
        #[arg(long, value_name = "PATH")]
        binary: PathBuf,
        /// The target that it was built for, such as x86_64-unknown-linux-musl
        #[arg(long, value_name = "TRIPLE")]
        target: String,
        /// Folder of the packages
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Generate docs/errors.md and the router's complexity model
    Gen,
    /// Check the house rules: imports, circles, file heads, READMEs, lengths, names
    Tidy,
    /// Feed random input to four parsers of outside bytes; a breaking input is in fuzz/artifacts
    Fuzz {
        /// Run only this target
        #[arg(value_parser = fuzz::names())]
        target: Option<String>,
        /// Seconds for all targets together
        #[arg(long, default_value_t = FUZZ_GATE_S)]
        seconds: u64,
        /// Add the inputs that reached new code to fuzz/corpus
        #[arg(long)]
        keep: bool,
    },
    /// Modules, arrows, upward arrows and circles of each crate.
    ///
    /// A module is a source file; an arrow leads from a module to one whose items it names (tests
    /// left out, a re-export followed to the file that defines the item). An arrow is upward when
    /// it leads from a module to one of its own ancestors, the crate root included. Modules are in
    /// a circle when each needs the others.
    Rooms {
        /// Lists each arrow of this crate.
        name: Option<String>,
        /// Another working copy than this one.
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
    },
    /// Start-up time, memory, accept and answer latency of the release binary, a route, a search.
    Bench {
        /// Also measure the built Workers
        #[arg(value_parser = ["workers"])]
        what: Option<String>,
    },
}

#[derive(Args)]
struct Config {
    /// Configuration file, as for `quintet up`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Crates that must compile for Workers.
const WASM: &[&str] = &[
    "contracts",
    "platform",
    "inbox",
    "text-model",
    "model-client",
    "webhook-aggregator",
    "agency-router",
    "skill-graph-loader",
    "personal-assistant",
    "monitoring-dashboard",
    "agency-gateway",
];

/// Seconds of fuzzing in `cargo xtask test`, all targets together.
const FUZZ_GATE_S: u64 = 60;

type Done = Result<(), String>;

fn main() -> ExitCode {
    let root = root();
    let done = match Cli::parse().chore {
        Chore::Test { quick, allow_missing } => test(quick, allow_missing),
        Chore::Check => lints(),
        Chore::Doc => doc(),
        Chore::Wasm => wasm(),
        Chore::E2e { allow_missing } => e2e(allow_missing),
        Chore::Build { names } => {
            workers::build(&root, &names.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Chore::Dev(Config { config }) => dev::run(&root, config.as_deref()),
        Chore::Deploy { config, dry_run } => deploy::run(&root, config.config.as_deref(), dry_run),
        Chore::Sizes { write } => workers::sizes(&root, write),
        Chore::Package { binary, target, out } => package::run(&root, &binary, &target, &out),
        Chore::Gen => generate(),
        Chore::Tidy => tidy_all(),
        Chore::Fuzz { target, seconds, keep } => {
            let time = Duration::from_secs(seconds);
            fuzz::run(&root, &fuzz::Plan { time, target, keep })
        }
        Chore::Rooms { name, root: other } => show_rooms(name.as_deref(), &other.unwrap_or(root)),
        Chore::Bench { what } => bench(what.is_some()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

fn run(program: &str, args: &[&str]) -> Done {
    println!("$ {program} {}", args.join(" "));
    let status = Command::new(program)
        .args(args)
        .current_dir(root())
        .status()
        .map_err(|e| format!("cannot run {program}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} {} failed", args.join(" "))) }
}

fn test(quick: bool, allow_missing: bool) -> Done {
    tidy_all()?;
    lints()?;
    doc()?;
    wasm()?;
    // Build the binary first, because the stories also run on it and a missing one is an error, not
    // a skip. The same holds for the Workers if Node is available.
    run("cargo", &["build", "--package", "quintet"])?;
    let workers = !quick && tools(allow_missing)?;
    if workers {
        workers::build(&root(), &[])?;
        workers::check_sizes(&root())?;
    }
    run("cargo", &["test", "--workspace", "--all-features"])?;
    if quick {
        return Ok(());
    }
    fuzz::run(&root(), &fuzz::Plan::new(Duration::from_secs(FUZZ_GATE_S)))?;
    e2e(allow_missing)
}

fn tidy_all() -> Done {
    let problems = tidy::problems(&root());
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(format!("{} house rule(s) broken", problems.len()))
    }
}

fn show_rooms(name: Option<&str>, root: &Path) -> Done {
    let mut crates = rooms::all(root)?;
    if let Some(name) = name {
        crates.retain(|rooms| rooms.name == name);
        crates.iter().for_each(|rooms| println!("{}", rooms.list()));
    }
    print!("{}", rooms::table(&crates));
    Ok(())
}

fn lints() -> Done {
    run("cargo", &["fmt", "--all", "--check"])?;
    run(
        "cargo",
        &["clippy", "--workspace", "--all-targets", "--all-features", "--", "--deny", "warnings"],
    )
}

fn doc() -> Done {
    let arguments =
        ["doc", "--workspace", "--no-deps", "--all-features", "--document-private-items"];
    println!("$ RUSTDOCFLAGS=\"--deny warnings\" cargo {}", arguments.join(" "));
    let status = Command::new("cargo")
        .args(arguments)
        // Readers of these pages are readers of the code: private items are in them.
        .env("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private-intra-doc-links")
        .current_dir(root())
        .status()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if status.success() { Ok(()) } else { Err("the API documentation has warnings".to_owned()) }
}

fn wasm() -> Done {
    workers::install_target(&root())?;
    let mut args = vec!["check", "--target", "wasm32-unknown-unknown"];
    for package in WASM {
        args.extend(["--package", package]);
    }
    run("cargo", &args)
}

/// Whether Node's packages are installed. A missing Node is an error unless `allow_missing`.
fn tools(allow_missing: bool) -> Result<bool, String> {
    if node::install(&root())? {
        return Ok(true);
    }
    if allow_missing {
        return Ok(false);
    }
    Err(format!(
        "Node {} or newer is missing, so the Workers, the SDKs and the browser cannot be tested. \
         Install it (https://nodejs.org/en/download), or skip them with --allow-missing.",
        node::INSTALLER_MIN
    ))
}

fn e2e(allow_missing: bool) -> Done {
    // The packaged Node, because the one on PATH may be older.
    if tools(allow_missing)? {
        let mut args = vec!["e2e/run.mjs"];
        args.extend(allow_missing.then_some("--allow-missing"));
        return run(&node::binary(&root()).to_string_lossy(), &args);
    }
    println!("SKIPPED the official SDKs and the browser: Node is missing.");
    Ok(())
}

/// Writes `docs/errors.md`, and the router's complexity model from its messages.
fn generate() -> Done {
    documents::write(&root())?;
    run("cargo", &["run", "--quiet", "--package", "agency-router", "--example", "train_complexity"])
}

fn bench(workers: bool) -> Done {
    run("cargo", &["build", "--release", "--package", "quintet"])?;
    run("cargo", &["run", "--quiet", "--release", "--package", "quintet", "--example", "bench"])?;
    run(
        "cargo",
        &["run", "--quiet", "--release", "--package", "agency-router", "--example", "route_bench"],
    )?;
    run(
        "cargo",
        &[
            "test",
            "--quiet",
            "--release",
            "--package",
            "skill-graph-loader",
            "--test",
            "speed",
            "--",
            "--ignored",
            "--nocapture",
        ],
    )?;
    if workers && node::install(&root())? {
        let node = node::binary(&root());
        let node = node.to_string_lossy();
        // Runs even if the first one failed.
        let requests = run(&node, &["e2e/workers.bench.mjs"]);
        run(&node, &["e2e/workers.figures.mjs"]).and(requests)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtask_refuses_unknown_options_before_doing_anything() {
        let understood = |line: &str| {
            Cli::try_parse_from(std::iter::once("xtask").chain(line.split(' '))).is_ok()
        };
        for line in [
            "deploy --dry-run --config quintet.toml",
            "deploy",
            "sizes --write",
            "package --binary quintet --target x86_64-unknown-linux-musl --out dist",
            "test --quick",
            "test --allow-missing",
            "e2e --allow-missing",
            "build agency-router",
            "bench workers",
            "rooms",
            "rooms agency_router",
            "fuzz markdown --seconds 300 --keep",
            "dev",
        ] {
            assert!(understood(line), "{line}");
        }
        for line in [
            "deploy --dryrun",
            "deploy --config",
            "deploy dry-run",
            "sizes --wriet",
            "package --binary quintet",
            "test --quikc",
            "test --quick --allow-missing",
            "bench worker",
            "fuzz markdwon",
            "dev now",
            "depoly",
        ] {
            assert!(!understood(line), "{line}");
        }
    }
}
