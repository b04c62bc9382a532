//! Git outside the sandbox, on folders that an agent has written.
//!
//! An agent may write any file of its work tree, so no command here runs a program that such a file
//! could name: hooks, external diffs, text conversions, signatures and file system monitors are
//! off, no transport is allowed, attributes come from the commit that the work began at, and a
//! submodule is never entered. A command that does not end is killed.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use sandbox::Identity;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Maximum time of one command.
const TIME_LIMIT: Duration = Duration::from_mins(2);
/// Maximum bytes of the output of a command without a limit of its own: names of files, mostly.
const OUTPUT_BYTES_MAX: usize = 256 << 20;
/// Maximum bytes of its errors that are kept.
const ERROR_BYTES_MAX: u64 = 1 << 20;
/// Settings of each command. `git-config(1)` names no other that runs a program for the commands
/// that we use, except the drivers that attributes choose.
const SETTINGS: [&str; 21] = [
    "protocol.allow=never",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.quotePath=false",
    "core.sshCommand=false",
    "core.askPass=false",
    "core.editor=false",
    "credential.helper=",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "log.showSignature=false",
    "diff.ignoreSubmodules=all",
    "submodule.recurse=false",
    // An agent's files choose how much there is to compare and to pack: bounds of memory.
    "core.bigFileThreshold=1m",
    "pack.threads=1",
    "pack.windowMemory=64m",
    "pack.deltaCacheSize=32m",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.writeCommitGraph=false",
];

/// A repository of the owner, as it was when the server started: its folders are never looked for
/// again, since an agent may have put a `.git` of its own in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its work tree.
    pub top: PathBuf,
    /// The git directory of this work tree.
    git_dir: PathBuf,
    /// The git directory that all its worktrees share.
    pub common: PathBuf,
    /// Of `common`.
    pub identity: Identity,
    /// The workspace below `top`.
    pub below: PathBuf,
}

/// The state of a work tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub commit: String,
    pub branch: Option<String>,
}

impl Repository {
    /// The repository that this folder, given without symbolic links, lies in.
    ///
    /// # Errors
    /// The reason as words that go on from "because": it is no work tree.
    pub fn of(folder: &Path) -> std::result::Result<Self, String> {
        let mut ask = plain(folder);
        ask.args(["rev-parse", "--path-format=absolute"]);
        ask.args(["--show-toplevel", "--absolute-git-dir", "--git-common-dir"]);
        let found = output(&mut ask).map_err(|error| format!("git could not be run ({error})"))?;
        let text = String::from_utf8_lossy(&found.stdout).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let (true, [top, git_dir, common]) = (found.status.success(), lines.as_slice()) else {
            let said = String::from_utf8_lossy(&found.stderr).into_owned();
            return Err(match said.lines().find(|line| line.contains("dubious ownership")) {
                Some(_) => "git refuses it, because another user owns it".to_owned(),
                None => "it is not in a git repository".to_owned(),
            });
        };
        let unreadable = |error| format!("its git repository cannot be read ({error})");
        let common = Path::new(common).canonicalize().map_err(unreadable)?;
        let below =
            folder.strip_prefix(top).map_err(|_| "its git repository names another work tree")?;
        Ok(Self {
            below: below.to_path_buf(),
            top: PathBuf::from(top),
            git_dir: PathBuf::from(git_dir),
            identity: Identity::of(&common).map_err(unreadable)?,
            common,
        })
    }
    /// The commit and branch of its work tree now.
    ///
    /// # Errors
    /// The reason as words that go on from "because".
    pub fn head(&self) -> std::result::Result<Head, String> {
        if Identity::of(&self.common).ok() != Some(self.identity) {
            let common = self.common.display();
            return Err(format!(
                "{common} is another folder than when the server started; restart the server"
            ));
        }
        let ask = |args: &[&str]| word(output(on(&self.top, &self.git_dir).args(args)));
        let commit = ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
            .ok_or("its git repository has no commit yet")?;
        Ok(Head { commit, branch: ask(&["symbolic-ref", "--quiet", "--short", "HEAD"]) })
    }
    /// Folders of its submodules, as its index names them, cloned or not.
    pub fn submodules(&self) -> Result<Vec<PathBuf>> {
        use std::os::unix::ffi::OsStringExt;
        let mut list = on(&self.top, &self.git_dir);
        list.args(["ls-files", "--stage", "-z"]);
        let listed = run(&mut list)?;
        let entries = listed.split(|byte| *byte == 0).filter(|entry| entry.starts_with(b"160000 "));
        let path = |entry: &[u8]| entry.splitn(2, |byte| *byte == b'\t').nth(1).map(<[u8]>::to_vec);
        let paths = entries.filter_map(path).map(std::ffi::OsString::from_vec);
        Ok(paths.map(|path| self.top.join(path)).collect())
    }
}

/// Git on this work tree and git directory, which no agent in the sandbox can configure.
pub fn on(top: &Path, git_dir: &Path) -> Command {
    let mut git = plain(top);
    git.env("GIT_DIR", git_dir);
    git
}

/// Git in this folder, with everything off that runs other programs.
pub(super) fn plain(folder: &Path) -> Command {
    let mut git = Command::new("git");
    let kept = ["PATH", "HOME", "LANG", "XDG_CONFIG_HOME"];
    let kept = std::env::vars_os().filter(|(name, _)| kept.iter().any(|known| name == *known));
    git.env_clear().envs(kept).current_dir(folder).stdin(Stdio::null());
    git.envs([
        ("GIT_OPTIONAL_LOCKS", "0"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_PAGER", "cat"),
    ]);
    for setting in SETTINGS {
        git.arg("-c").arg(setting);
    }
    git
}

/// The output of a command that succeeded, where there is one.
pub fn word(output: Result<Output>) -> Option<String> {
    let output = output.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Some(text).filter(|text| !text.is_empty())
}

/// Runs a command to its end; its output.
///
/// # Errors
/// With the last line of its own error.
pub fn run(command: &mut Command) -> Result<Vec<u8>> {
    run_up_to(command, OUTPUT_BYTES_MAX)
}

/// The same with a limit of the output in bytes.
///
/// # Errors
/// As [`run`] and [`output_up_to`].
pub(super) fn run_up_to(command: &mut Command, bytes_max: usize) -> Result<Vec<u8>> {
    let output = output_up_to(command, bytes_max)?;
    if output.status.success() { Ok(output.stdout) } else { Err(failure(&output)) }
}

/// The same with this standard input.
///
/// # Errors
/// As [`run`].
pub fn run_with(command: &mut Command, input: Vec<u8>) -> Result<Vec<u8>> {
    let output = end_of(fed(command, input)?, TIME_LIMIT, OUTPUT_BYTES_MAX)?;
    if output.status.success() { Ok(output.stdout) } else { Err(failure(&output)) }
}

/// Runs two commands, the first with this input, the second with the output of the first.
///
/// # Errors
/// As [`run`], of the first that failed.
pub fn run_both(first: &mut Command, input: Vec<u8>, second: &mut Command) -> Result<()> {
    let mut first = fed(first, input)?;
    let between = first.stdout.take().map_or_else(Stdio::null, Stdio::from);
    let second = started(second.stdin(between))?;
    let end = |child| end_of(child, TIME_LIMIT, OUTPUT_BYTES_MAX);
    let (second, first) = (end(second), end(first)?);
    let failed = [first, second?].into_iter().find(|output| !output.status.success());
    failed.map_or(Ok(()), |output| Err(failure(&output)))
}

/// The output of a command, also where it failed.
///
/// # Errors
/// When it cannot be started, or has not ended at the time limit, or prints too much.
pub fn output(command: &mut Command) -> Result<Output> {
    output_up_to(command, OUTPUT_BYTES_MAX)
}

/// The same with a limit of the output in bytes.
///
/// # Errors
/// As [`output`]; of the kind `FileTooLarge` where it prints more.
pub(super) fn output_up_to(command: &mut Command, bytes_max: usize) -> Result<Output> {
    end_of(started(command)?, TIME_LIMIT, bytes_max)
}

fn started(command: &mut Command) -> Result<Child> {
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

fn fed(command: &mut Command, input: Vec<u8>) -> Result<Child> {
    let mut child = started(command.stdin(Stdio::piped()))?;
    let stdin = child.stdin.take();
    // Its exit says whether it has read everything.
    std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
    Ok(child)
}

fn end_of(mut child: Child, limit: Duration, bytes_max: usize) -> Result<Output> {
    let group = i32::try_from(child.id()).map(Pid::from_raw).map_err(Error::other)?;
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let output = printed(&mut child, bytes_max)
            .and_then(|(stdout, stderr)| Ok(Output { status: child.wait()?, stdout, stderr }));
        let is_over = output.is_err();
        if is_over {
            let _ = killpg(group, Signal::SIGKILL);
        }
        // Fails when nobody waits any more.
        let _ = sender.send(output);
        if is_over {
            let _ = child.wait();
        }
    });
    ended.recv_timeout(limit).unwrap_or_else(|_| {
        let _ = killpg(group, Signal::SIGKILL);
        let text = format!("git took longer than {} s and was stopped", limit.as_secs());
        Err(Error::new(ErrorKind::TimedOut, text))
    })
}

/// Its output and its errors, as soon as both have ended or there is too much.
fn printed(child: &mut Child, bytes_max: usize) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut errors = child.stderr.take();
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(errors) = &mut errors {
            let _ = errors.by_ref().take(ERROR_BYTES_MAX).read_to_end(&mut said);
            let _ = std::io::copy(errors, &mut std::io::sink());
        }
        said
    });
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let more = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        stdout.take(more).read_to_end(&mut output)?;
    }
    if output.len() > bytes_max {
        return Err(too_long(bytes_max));
    }
    Ok((output, said.join().unwrap_or_default()))
}

pub(super) fn too_long(bytes_max: usize) -> Error {
    Error::new(ErrorKind::FileTooLarge, format!("git printed more than {bytes_max} bytes"))
}

/// The hash in a file, if it is a regular file with nothing else in it. An agent may have put a
/// pipe or a link in its place.
pub(super) fn hash_in(file: &Path) -> Option<String> {
    let file = sandbox::open::open_file(file).ok().flatten()?;
    let mut text = String::new();
    file.take(200).read_to_string(&mut text).ok()?;
    let hash = text.trim_end();
    let is_hash = matches!(hash.len(), 40 | 64) && hash.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| hash.to_owned())
}

fn failure(output: &Output) -> Error {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("--attr-source") {
        return Error::other("git is too old: install git 2.41 or newer");
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("git failed");
    Error::other(last.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn git_command_uses_no_transport_and_runs_no_program_of_the_configuration() {
        let place = tempfile::tempdir().unwrap();
        let trap = place.path().join("trap");
        run(plain(place.path()).args(["init", "--quiet"])).unwrap();
        let touch = format!("touch {}", trap.display());
        for key in ["core.sshCommand", "core.fsmonitor", "remote.x.uploadpack", "core.askPass"] {
            run(plain(place.path()).args(["config", key, &touch])).unwrap();
        }
        let own = place.path().display().to_string();
        for url in [format!("ext::{touch}"), own, "ssh://localhost/x".to_owned()] {
            let error = run(plain(place.path()).args(["ls-remote", &url])).unwrap_err().to_string();
            let asked = output(plain(place.path()).args(["ls-remote", &url])).unwrap();
            let said = String::from_utf8_lossy(&asked.stderr).into_owned();
            assert!(said.contains("not allowed"), "{url}: {error}: {said}");
        }
        run(plain(place.path()).args(["status"])).unwrap();
        assert!(!trap.exists());
    }

    #[test]
    fn git_command_that_does_not_end_is_killed_with_all_it_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & echo $!; sleep 1000"]);
        let child = started(&mut command).unwrap();
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let error = end_of(child, Duration::from_millis(50), 100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        while killpg(group, None).is_ok() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn git_command_that_prints_too_much_is_killed_with_all_it_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & yes"]);
        let child = started(&mut command).unwrap();
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let error = end_of(child, Duration::from_mins(1), 1_000).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        while killpg(group, None).is_ok() {
            std::thread::yield_now();
        }
        let exact = output_up_to(Command::new("sh").args(["-c", "printf 1234"]), 4).unwrap();
        assert_eq!(exact.stdout, b"1234");
    }
}
