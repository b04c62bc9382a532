//! Loopback in a network namespace of its own is there but down; a message to the kernel turns it
//! on.

use crate::error::{Error, Result};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use std::os::fd::AsRawFd;

/// `RTM_NEWLINK` with `NLM_F_REQUEST | NLM_F_ACK` for interface 1, which loopback always is,
/// setting `IFF_UP` (rtnetlink(7)). Length, type, flags, sequence, port; family, pad, type, index,
/// flags, change.
fn request() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32);
    bytes.extend(32_u32.to_ne_bytes());
    bytes.extend(16_u16.to_ne_bytes());
    bytes.extend(5_u16.to_ne_bytes());
    bytes.extend(1_u32.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend([0, 0, 0, 0]);
    bytes.extend(1_i32.to_ne_bytes());
    bytes.extend(1_u32.to_ne_bytes());
    bytes.extend(1_u32.to_ne_bytes());
    bytes
}

/// Turns it on.
pub(crate) fn up() -> Result<()> {
    let refused = |error: nix::errno::Errno| Error::refused("loopback", error.desc());
    let kernel = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )
    .map_err(refused)?;
    let to = NetlinkAddr::new(0, 0);
    sendto(kernel.as_raw_fd(), &request(), &to, MsgFlags::empty()).map_err(refused)?;
    let mut answer = [0_u8; 64];
    recv(kernel.as_raw_fd(), &mut answer, MsgFlags::empty()).map_err(refused)?;
    // After the header of 16 bytes comes the error number, 0 for done.
    let error = answer.get(16..20).and_then(|four| four.try_into().ok()).map(i32::from_ne_bytes);
    match error {
        Some(0) => Ok(()),
        other => Err(Error::refused("loopback", format!("the kernel answered {other:?}"))),
    }
}
