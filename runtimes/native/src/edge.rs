//! The HTTP edge of a native server: accepts connections, bounds how many there are and how long
//! each may take, and hands their requests to a router.
//!
//! A client that owes bytes is the first to go: when the connections run out, the oldest one
//! without a complete request is closed for the newest. Only when every connection has a request in
//! progress is the newest refused, with 503. A part of the requests is reserved for halts.

mod connections;
mod exchange;
mod limits;
mod notice;
mod refuse;
#[cfg(test)]
mod tests;

use crate::stop::until;
use axum::Router;
use connections::{Connections, Slot};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
pub use limits::Limits;
use notice::Notice;
use refuse::Refuser;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections that the system keeps for us until we accept them. One beyond that waits a second or
/// more to try again, so a burst must fit.
const BACKLOG: u32 = 4096;
/// Maximum bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Maximum header lines of a request.
const HEADERS_MAX: usize = 100;
/// Pause after a failed accept, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections closed to free descriptors when an accept fails.
const FREED_AT_ONCE: usize = 8;

/// Listens on the address.
///
/// # Errors
/// Those of the operating system, such as for an address in use.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves the router until it is stopped and the open requests have ended.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    stopped: watch::Receiver<bool>,
) {
    let connections = Connections::new(limits);
    let (refuser, starved) = (Refuser::default(), Notice::default());
    let mut tasks = JoinSet::new();
    let mut stop = pin!(until(stopped.clone()));
    loop {
        tokio::select! {
            biased;
            () = stop.as_mut() => break,
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match connections.admit(peer.ip()) {
                    Ok(slot) => {
                        tasks.spawn(keep(stream, peer, app.clone(), slot, limits, stopped.clone()));
                    }
                    Err(refusal) => refuser.refuse(stream, refusal),
                },
                Err(error) if is_of_one_client(error.kind()) => {}
                Err(error) => {
                    starved.tell(|| format!("no connection can be accepted: {error}"));
                    connections.free(FREED_AT_ONCE);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// A client that went away before its connection was accepted.
fn is_of_one_client(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
    )
}

/// Keeps one connection to its end, its eviction or the stop.
async fn keep(
    stream: TcpStream,
    peer: SocketAddr,
    app: Router,
    slot: Slot,
    limits: Limits,
    stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    bound_writes(&stream, limits.write);
    let slot = Arc::new(slot);
    let service = {
        let slot = slot.clone();
        service_fn(move |request| {
            exchange::answer(app.clone(), slot.clone(), peer, limits.body, request)
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // First, so that no request begins on a connection whose place is another's.
        biased;
        () = slot.evicted() => return,
        _ = connection.as_mut() => return,
        () = until(stopped) => {}
    }
    // Without a request in progress there is nothing to wait for.
    if slot.is_waiting() {
        return;
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Has the system end the connection if the client does not take our bytes for this long.
fn bound_writes(stream: &TcpStream, limit: Duration) {
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
        let _ = setsockopt(
            stream,
            TcpUserTimeout,
            &u32::try_from(limit.as_millis()).unwrap_or(u32::MAX),
        );
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, limit);
}
