//! Inside a sandbox: hands connections to a loopback port on to a relay's socket, which leads
//! outside.

use std::io::copy;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Listens in a thread of its own.
pub(super) fn listen(port: u16, socket: PathBuf) -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    std::thread::Builder::new().spawn(move || {
        for stream in listener.incoming().flatten() {
            // A connection that cannot be handed on is closed, as by a proxy that is down.
            let _ = hand_on(stream, &socket);
        }
    })?;
    Ok(())
}

fn hand_on(program: TcpStream, socket: &Path) -> std::io::Result<()> {
    let (program, relay) = (Arc::new(program), Arc::new(UnixStream::connect(socket)?));
    let (out, back) = ((program.clone(), relay.clone()), (relay, program));
    std::thread::Builder::new().spawn(move || {
        let _ = copy(&mut &*out.0, &mut &*out.1);
        let _ = out.1.shutdown(Shutdown::Write);
    })?;
    std::thread::Builder::new().spawn(move || {
        let _ = copy(&mut &*back.0, &mut &*back.1);
        let _ = back.1.shutdown(Shutdown::Write);
    })?;
    Ok(())
}
