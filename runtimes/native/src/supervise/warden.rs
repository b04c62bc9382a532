//! The supervisor of a sandboxed program: starts init as process 1 of a new PID namespace and waits
//! for its end.
//!
//! It stands outside: nothing inside sees or signals it. It has one thread, since none may be
//! started once it has entered the user namespace. Its last line goes out only after `waitpid` for
//! init has returned, which the kernel allows when nothing of the PID namespace is left.

#![expect(clippy::disallowed_methods, reason = "the supervisor has no ports")]

use super::ending::{GRACE_MS, NOT_STARTED};
use super::init;
use super::orders::{Orders, tell, write_part};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long init may take beyond the grace it gives the program.
const INIT_GRACE: Duration = Duration::from_millis(GRACE_MS + 1_000);

/// Sees the program to its end; its exit code.
pub(super) fn run(control: &mut File, orders: &Orders, input: &[u8], program: &[OsString]) -> i32 {
    let ids = (nix::unistd::geteuid(), nix::unistd::getegid());
    match begin(orders, input, program, ids) {
        Ok((pid, line)) => Watch { init: pid, line, held: None, stop_by: None }.see_out(control),
        Err(reason) => {
            tell(control, &format!("failed {}", advice(&reason)));
            NOT_STARTED
        }
    }
}

fn advice(reason: &str) -> String {
    format!(
        "the sandbox cannot be made here ({reason}); allow unprivileged user namespaces, or set sandbox = \"off\" for \
         this agent if it may reach everything that you can"
    )
}

fn begin(
    orders: &Orders,
    input: &[u8],
    program: &[OsString],
    (user, group): (Uid, Gid),
) -> Result<(Pid, UnixStream), String> {
    sandbox::outer::enter().map_err(|error| error.to_string())?;
    let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
    let mut command = Command::new("/proc/self/exe");
    command.arg(init::SUBCOMMAND).arg(user.to_string()).arg(group.to_string()).arg("--");
    command.args(program).stdin(Stdio::from(OwnedFd::from(theirs)));
    let child = command.spawn().map_err(|error| error.to_string())?;
    // The command holds init's end of the socket; while it lives the socket would never end.
    drop(command);
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    let mut line = File::from(OwnedFd::from(ours.try_clone().map_err(|error| error.to_string())?));
    let plan = serde_json::to_vec(orders).map_err(|error| error.to_string())?;
    // An init that is gone is noticed by its exit.
    let _ = write_part(&mut line, &plan).and_then(|()| write_part(&mut line, input));
    Ok((Pid::from_raw(pid), ours))
}

struct Watch {
    init: Pid,
    line: UnixStream,
    /// How the program ended, told when nothing of it is left.
    held: Option<String>,
    stop_by: Option<Instant>,
}

impl Watch {
    fn see_out(mut self, control: &mut File) -> i32 {
        let mut said = Vec::new();
        while let Some((from_init, from_gateway)) = self.ready(control) {
            if from_gateway && !self.hand_on(control) {
                // Init stops the program when its line ends.
                let _ = self.line.shutdown(Shutdown::Write);
                self.stop_by = Some(Instant::now() + INIT_GRACE);
            }
            if from_init && !self.hear(&mut said, control) {
                break;
            }
        }
        let code = self.collect();
        if let Some(last) = &self.held {
            tell(control, last);
        }
        code
    }

    /// Hands the gateway's words on to init; false at their end.
    fn hand_on(&mut self, control: &mut File) -> bool {
        let mut words = [0_u8; 4 << 10];
        let read = control.read(&mut words).unwrap_or(0);
        // An init that is gone is noticed by its exit.
        let _ = self.line.write_all(words.get(..read).unwrap_or_default());
        read > 0
    }

    /// Which of the two has something; none when init has used up its time.
    fn ready(&self, control: &File) -> Option<(bool, bool)> {
        let left = match self.stop_by.map(|by| by.saturating_duration_since(Instant::now())) {
            Some(Duration::ZERO) => return None,
            Some(left) => PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO),
            None => PollTimeout::NONE,
        };
        let mut watched = vec![PollFd::new(self.line.as_fd(), PollFlags::POLLIN)];
        if self.stop_by.is_none() {
            watched.push(PollFd::new(control.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut watched, left) {
            Err(nix::errno::Errno::EINTR) => Some((false, false)),
            Err(_) => None,
            Ok(_) => {
                let any = |at: usize| watched.get(at).is_some_and(|fd| fd.any().unwrap_or(true));
                Some((any(0), any(1)))
            }
        }
    }

    /// Hands init's lines on; false at their end.
    fn hear(&mut self, said: &mut Vec<u8>, control: &mut File) -> bool {
        let mut buffer = [0_u8; 4 << 10];
        let read = self.line.read(&mut buffer).unwrap_or(0);
        said.extend_from_slice(buffer.get(..read).unwrap_or_default());
        while let Some(end) = said.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = said.drain(..=end).collect();
            self.pass_on(String::from_utf8_lossy(&line).trim_end(), control);
        }
        read > 0
    }

    fn pass_on(&mut self, line: &str, control: &mut File) {
        if line.starts_with("exited ") {
            self.held = Some(line.to_owned());
        } else if line.starts_with("started ") {
            // Its number inside means nothing outside; init's end is the end of everything.
            tell(control, &format!("started {}", self.init));
        } else if let Some(reason) = line.strip_prefix("failed sandbox ") {
            tell(control, &format!("failed {}", advice(reason)));
        } else {
            tell(control, line);
        }
    }

    /// Kills what is left, and returns when the kernel has confirmed that nothing is.
    fn collect(&mut self) -> i32 {
        let _ = kill(self.init, Signal::SIGKILL);
        match waitpid(self.init, None) {
            Ok(WaitStatus::Exited(_, code)) => code,
            _ => {
                let killed = format!("exited signal {}", Signal::SIGKILL as i32);
                self.held.get_or_insert(killed);
                128 + Signal::SIGKILL as i32
            }
        }
    }
}
