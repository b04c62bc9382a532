//! Process 1 of a sandboxed program's PID namespace: `quintet __init USER GROUP -- program args…`.
//!
//! Builds the sandbox around itself, starts the program, collects what ends, and ends when the
//! program has ended or the supervisor's side of the socket has closed. Its own end ends everything
//! in the namespace.

use super::ending::{
    End, GRACE_MS, LEFTOVER_GRACE_MS, LOOK_EVERY_MS, NOT_STARTED, stop_at_end, stop_signals,
};
use super::feed::Feed;
use super::orders::{own_control, read, tell};
use super::relay;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The hidden subcommand.
pub const SUBCOMMAND: &str = "__init";

/// Runs the program to its end, and returns its exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> i32 {
    // Whatever ends the supervisor ends this process, and with it the namespace.
    let bound = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
    let mut args = args.into_iter();
    let ids = (id(args.next()).map(Uid::from_raw), id(args.next()).map(Gid::from_raw));
    let mut args = args.skip_while(|arg| arg == "--");
    let ((Some(user), Some(group)), Some(program), Ok(mut control), Ok(())) =
        (ids, args.next(), own_control(), bound)
    else {
        return NOT_STARTED;
    };
    let Some((orders, input)) = read(&mut control) else { return NOT_STARTED };
    let Some(plan) = orders.plan else { return NOT_STARTED };
    if let Err(error) = sandbox::inner::enter(&plan, user, group) {
        let refused = matches!(error, sandbox::Error::Refused { .. });
        let word = if refused { "failed sandbox" } else { "failed" };
        tell(&mut control, &format!("{word} {error}"));
        return NOT_STARTED;
    }
    let relays = [(sandbox::RELAY_PORT, plan.relay), (sandbox::SECRETS_PORT, plan.secrets)];
    let mut listening = relays.into_iter().filter_map(|(port, socket)| Some((port, socket?)));
    if let Err(error) = listening.try_for_each(|(port, socket)| relay::listen(port, socket)) {
        tell(&mut control, &format!("failed sandbox relay: {error}"));
        return NOT_STARTED;
    }
    // An open folder of the machine would be a way round every mount.
    super::descriptors::keep();
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).process_group(0);
    match start(&mut command, &mut control) {
        Ok((mut child, signals)) => {
            let feed = Feed::begin(child.stdin.take(), input, orders.input_stays_open);
            watch(&child, control, feed, &signals)
        }
        Err(reason) => {
            tell(&mut control, &format!("failed {reason}"));
            NOT_STARTED
        }
    }
}

fn id(word: Option<OsString>) -> Option<u32> {
    word?.to_str()?.parse().ok()
}

/// In a session of its own, so that no terminal of the server's is within reach.
fn start(command: &mut Command, control: &mut File) -> Result<(Child, SigSet), String> {
    nix::unistd::setsid().map_err(|error| error.to_string())?;
    // Of the same user, the program could otherwise write into our memory.
    nix::sys::prctl::set_dumpable(false).map_err(|error| error.to_string())?;
    let child = command.spawn().map_err(|error| error.to_string())?;
    // Blocked only now: the program would have inherited the mask.
    let signals = stop_signals();
    signals.thread_block().map_err(|error| error.to_string())?;
    tell(control, &format!("started {}", child.id()));
    Ok((child, signals))
}

fn watch(child: &Child, control: File, feed: Feed, signals: &SigSet) -> i32 {
    let Ok(program) = i32::try_from(child.id()).map(Pid::from_raw) else { return NOT_STARTED };
    let Ok(watched) = control.try_clone() else { return NOT_STARTED };
    std::thread::spawn(move || stop_at_end(watched, feed, rest));
    let mut world = World { program, end: None };
    world.wait(signals);
    let end = world.end.unwrap_or(End::Signal(Signal::SIGKILL as i32));
    let mut control = control;
    tell(&mut control, &end.line());
    end.code()
}

/// Freezes everything in the namespace except this process, or lets it go on.
fn rest(rests: bool) {
    let signal = if rests { Signal::SIGSTOP } else { Signal::SIGCONT };
    let _ = kill(Pid::from_raw(-1), signal);
}

struct World {
    program: Pid,
    end: Option<End>,
}

impl World {
    /// Returns when the program has ended or is to stop, and everything had its chance to end by
    /// itself.
    fn wait(&mut self, signals: &SigSet) {
        loop {
            self.collect();
            if self.end.is_some() {
                return self.ask_all(LEFTOVER_GRACE_MS);
            }
            if !matches!(signals.wait(), Ok(Signal::SIGCHLD)) {
                return self.ask_all(GRACE_MS);
            }
        }
    }

    /// Asks everything in the namespace to end; returns when nothing is left, or the grace is over.
    fn ask_all(&mut self, grace_ms: u64) {
        let everything = Pid::from_raw(-1);
        for _ in 0..grace_ms / LOOK_EVERY_MS {
            if !self.collect() {
                return;
            }
            let _ = kill(everything, Signal::SIGTERM);
            // A stopped process hears nothing until it goes on.
            let _ = kill(everything, Signal::SIGCONT);
            std::thread::sleep(Duration::from_millis(LOOK_EVERY_MS));
        }
    }

    /// Takes every child that has ended, the program and what lost its parent; false when none is
    /// left.
    fn collect(&mut self) -> bool {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == self.program => {
                    self.end = Some(End::Code(code));
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.program => {
                    self.end = Some(End::Signal(signal as i32));
                }
                Ok(WaitStatus::StillAlive) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    }
}
