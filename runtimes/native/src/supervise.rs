//! The supervisor of one agent's program: `quintet __supervise -- program args…`, the same binary
//! started again.
//!
//! It runs between the gateway and the program, because only a parent can know all processes that a
//! program started. As a child subreaper (Linux) it inherits double-forked processes and those that
//! called setsid, so the whole tree stays below it and is found in `/proc`. It ends when the
//! program has ended or it is told to stop, and leaves no process.
//!
//! Where the orders hold a plan, the program runs in a sandbox and `warden.rs` takes over; the rest
//! of this file is for a program whose owner said `sandbox = "off"`, and for systems without
//! namespaces.
//!
//! | descriptor | is |
//! | --- | --- |
//! | 0 | a socket to the gateway: in come the orders and the program's standard input (`orders.rs`), then a word for each freeze, thaw and further input (`ending.rs`); its end means stop. Out go `started PID`, `failed REASON`, `exited code N` or `exited signal N`, one a line |
//! | 1, 2 | the program's own, handed on |
//!
//! The socket closes when the gateway's process ends for any reason. `PR_SET_PDEATHSIG` would not
//! do: it fires when the starting *thread* ends, and threads of an async runtime come and go.

pub mod descriptors;
mod ending;
mod feed;
mod hide;
#[cfg(target_os = "linux")]
pub mod init;
pub mod orders;
pub mod processes;
#[cfg(target_os = "linux")]
mod relay;
#[cfg(target_os = "linux")]
mod warden;

use ending::{
    End, GRACE_MS, LEFTOVER_GRACE_MS, LOOK_EVERY_MS, NOT_STARTED, stop_at_end, stop_signals,
};
use feed::Feed;
use orders::{own_control, tell};

pub use ending::{END_OF_INPUT, FREEZE, INPUT, THAW};

use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The hidden subcommand.
pub const SUBCOMMAND: &str = "__supervise";

/// Runs the program of `-- program args…` (what follows the subcommand) to its end, and returns its
/// exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> i32 {
    let args: Vec<_> = args.into_iter().skip_while(|arg| arg == "--").collect();
    let (Some((program, rest)), Ok(mut control)) = (args.split_first(), own_control()) else {
        return NOT_STARTED;
    };
    let Some((orders, input)) = orders::read(&mut control) else { return NOT_STARTED };
    #[cfg(target_os = "linux")]
    if orders.plan.is_some() {
        return warden::run(&mut control, &orders, &input, &args);
    }
    #[cfg(not(target_os = "linux"))]
    if orders.plan.is_some() {
        tell(
            &mut control,
            "failed this system has no sandbox for agents; set sandbox = \"off\" for this agent if it may reach \
             everything that you can",
        );
        return NOT_STARTED;
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
        tell(&mut control, &format!("failed no subreaper: {error}"));
        return NOT_STARTED;
    }
    if let Err(reason) = hide::hide(&orders.hidden) {
        tell(
            &mut control,
            &format!(
                "failed the data directory with its tokens cannot be hidden from it here ({reason}); allow unprivileged \
                 user namespaces, run the gateway alone as another user, or set data_directory = \"visible\" for this \
                 agent"
            ),
        );
        return NOT_STARTED;
    }
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::piped()).process_group(0);
    descriptors::keep();
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            tell(&mut control, &format!("failed {error}"));
            return NOT_STARTED;
        }
    };
    // Blocked only now: the program would have inherited the mask. A signal before this moment
    // simply ends us.
    let signals = stop_signals();
    if signals.thread_block().is_err() {
        return abandon(&mut child);
    }
    let Ok(pid) = i32::try_from(child.id()).map(Pid::from_raw) else { return abandon(&mut child) };
    tell(&mut control, &format!("started {pid}"));
    let feed = Feed::begin(child.stdin.take(), input, orders.input_stays_open);
    match control.try_clone() {
        Ok(watched) => std::thread::spawn(move || {
            stop_at_end(watched, feed, |rests| freeze_or_thaw(pid, rests));
        }),
        Err(_) => return abandon(&mut child),
    };
    let end = supervise(pid, &signals);
    tell(&mut control, &end.line());
    end.code()
}

/// Kills the program after an impossible error: nothing may run unsupervised.
fn abandon(child: &mut std::process::Child) -> i32 {
    let _ = child.kill();
    let _ = child.wait();
    NOT_STARTED
}

/// Waits for the program's end or a stop signal, then stops the remaining tree.
fn supervise(program: Pid, signals: &SigSet) -> End {
    let mut end = None;
    loop {
        reap(program, &mut end);
        if end.is_some() {
            end_tree(program, LEFTOVER_GRACE_MS, &mut end);
            break;
        }
        match signals.wait() {
            Ok(Signal::SIGCHLD) => {}
            Ok(_) | Err(_) => {
                end_tree(program, GRACE_MS, &mut end);
                break;
            }
        }
    }
    end.unwrap_or(End::Signal(Signal::SIGKILL as i32))
}

/// Reaps every ended child; records how the program ended.
fn reap(program: Pid, end: &mut Option<End>) {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == program => *end = Some(End::Code(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => {
                *end = Some(End::Signal(signal as i32));
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Sends SIGTERM to the tree, kills the rest after the grace, and returns when nothing is left.
fn end_tree(program: Pid, grace_ms: u64, end: &mut Option<End>) {
    let mut asked = BTreeSet::new();
    for _ in 0..grace_ms / LOOK_EVERY_MS {
        reap(program, end);
        let left = below_us(program, end.is_some());
        if left.is_empty() {
            return;
        }
        for pid in left.into_iter().filter(|pid| asked.insert(*pid)) {
            let _ = kill(pid, Signal::SIGTERM);
            // A stopped process handles signals only after SIGCONT.
            let _ = kill(pid, Signal::SIGCONT);
        }
        std::thread::sleep(Duration::from_millis(LOOK_EVERY_MS));
    }
    loop {
        freeze(program, end.is_some());
        for pid in below_us(program, end.is_some()) {
            let _ = kill(pid, Signal::SIGKILL);
        }
        if !cfg!(target_os = "linux") {
            let _ = killpg(program, Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(LOOK_EVERY_MS));
        reap(program, end);
        if below_us(program, end.is_some()).is_empty() {
            return;
        }
    }
}

/// Stops processes until no new one appears, so that none can start another between listing and
/// killing.
fn freeze(program: Pid, ended: bool) {
    let mut frozen = BTreeSet::new();
    loop {
        let fresh: Vec<_> =
            below_us(program, ended).into_iter().filter(|pid| frozen.insert(*pid)).collect();
        if fresh.is_empty() {
            return;
        }
        for pid in fresh {
            let _ = kill(pid, Signal::SIGSTOP);
        }
    }
}

/// Freezes everything of the program, or lets it go on.
fn freeze_or_thaw(program: Pid, rests: bool) {
    if rests {
        return freeze(program, false);
    }
    for pid in below_us(program, false) {
        let _ = kill(pid, Signal::SIGCONT);
    }
}

/// Every process below this one. Without `/proc` only the program is known; its group is killed
/// with it.
fn below_us(program: Pid, ended: bool) -> BTreeSet<Pid> {
    let Some(parents) = processes::parents() else {
        return if ended { BTreeSet::new() } else { BTreeSet::from([program]) };
    };
    processes::below_in(&parents, Pid::this())
}
