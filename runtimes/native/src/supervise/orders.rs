//! The traffic of the control sockets, to the supervisor and from it to init: orders as JSON, then
//! the program's input, each after its length in 8 bytes (little-endian). Back come lines of text.

use sandbox::{Plan, Protected};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

/// How one program is to be run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Orders {
    /// None: without a sandbox, because the owner said so.
    pub plan: Option<Plan>,
    /// Folders to cover for a program without a sandbox.
    pub hidden: Vec<Protected>,
    /// The program's standard input stays open for more.
    pub input_stays_open: bool,
}

/// Reads one part; none when the other side is gone.
pub(super) fn read_part(control: &mut File) -> Option<Vec<u8>> {
    let mut length = [0_u8; 8];
    control.read_exact(&mut length).ok()?;
    let mut part = vec![0; usize::try_from(u64::from_le_bytes(length)).ok()?];
    control.read_exact(&mut part).ok()?;
    Some(part)
}

/// Writes one part.
pub(super) fn write_part(control: &mut File, part: &[u8]) -> std::io::Result<()> {
    control.write_all(&u64::try_from(part.len()).unwrap_or(0).to_le_bytes())?;
    control.write_all(part)
}

/// Reads both parts.
pub(super) fn read(control: &mut File) -> Option<(Orders, Vec<u8>)> {
    let orders = serde_json::from_slice(&read_part(control)?).ok()?;
    Some((orders, read_part(control)?))
}

/// The socket of descriptor 0, as a file of its own.
pub(super) fn own_control() -> std::io::Result<File> {
    std::io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// Sends a line.
pub(super) fn tell(control: &mut File, line: &str) {
    // The other side may be gone; its end is noticed elsewhere.
    let _ = writeln!(control, "{}", line.replace('\n', " "));
}
