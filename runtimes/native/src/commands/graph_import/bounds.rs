//! `quintet __bounded PROGRAM args…`: this binary started again, which limits itself and then
//! becomes the program.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The hidden subcommand.
pub const SUBCOMMAND: &str = "__bounded";
/// Exit code when the program is not on PATH, as in a shell.
pub const NOT_FOUND: i32 = 127;
/// Exit code when the program cannot be started.
const NOT_STARTED: i32 = 126;
/// Maximum bytes of the program's address space.
#[cfg(target_os = "linux")]
const MEMORY_BYTES_MAX: u64 = 2 << 30;

/// The command that starts a program within its limits.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_default());
    command.args([SUBCOMMAND, program]);
    command
}

/// Becomes the program; returns an exit code only when that fails.
pub fn main(mut args: impl Iterator<Item = OsString>) -> i32 {
    let Some(program) = args.next() else { return NOT_STARTED };
    #[cfg(target_os = "linux")]
    if bound().is_err() {
        return NOT_STARTED;
    }
    let error = Command::new(program).args(args).exec();
    if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_STARTED }
}

/// Its end comes with that of the import, also when that is interrupted or killed.
#[cfg(target_os = "linux")]
fn bound() -> nix::Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use nix::sys::signal::Signal;
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    let (_, hard) = getrlimit(Resource::RLIMIT_AS)?;
    let most = MEMORY_BYTES_MAX.min(hard);
    setrlimit(Resource::RLIMIT_AS, most, most)
}
