//! The way out for a program with `network = "internet"`: an HTTP proxy at a socket that only its
//! sandbox has.
//!
//! It takes `CONNECT host:port` and requests for `http://` addresses, looks the name up itself, and
//! connects to public addresses alone: no loopback, no private network, no cloud metadata, nothing
//! of this machine and its networks. It connects to the address that it checked, so a name that
//! changes in between gains nothing.

use super::super::names::Names;
use super::addresses::is_on_the_internet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

/// Maximum bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Maximum connections of one program at once; more wait.
const CONNECTIONS_MAX: usize = 128;
const HEAD_LIMIT: Duration = Duration::from_secs(10);
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// Connects a relay to the servers that a program asks for.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) names: Names,
    /// The addresses it may connect to.
    pub(super) may: fn(IpAddr) -> bool,
}

impl Dialer {
    /// That of one run with `network = "internet"`.
    pub(super) fn to_the_internet() -> Self {
        Self { names: Names::of_run(), may: is_on_the_internet }
    }
}

/// A relay of one run; it ends when dropped.
pub(super) struct Relay {
    path: PathBuf,
    serving: JoinHandle<()>,
}

impl Relay {
    /// Listens at this path.
    pub(super) fn listen(path: &Path, dialer: Dialer) -> std::io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        Ok(Self { path: path.to_path_buf(), serving: tokio::spawn(serve(listener, dialer)) })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(listener: UnixListener, dialer: Dialer) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX || connections.try_join_next().is_some() {
            if connections.len() >= CONNECTIONS_MAX {
                let _ = connections.join_next().await;
            }
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, dialer.clone()));
            }
            // Out of descriptors: some come back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(mut program: UnixStream, dialer: Dialer) {
    let answer = match timeout(HEAD_LIMIT, head(&mut program)).await {
        Ok(Some(head)) => relay(&mut program, &head, &dialer).await,
        _ => Err((400, "The request's head is missing, too long or too slow.")),
    };
    if let Err((status, why)) = answer {
        let text = format!(
            "HTTP/1.1 {status} Refused\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{why}",
            why.len()
        );
        let _ = program.write_all(text.as_bytes()).await;
    }
}

/// A request up to and with its empty line, and whatever came with it.
struct Head {
    text: String,
    rest: Vec<u8>,
}

async fn head(program: &mut UnixStream) -> Option<Head> {
    let mut bytes = Vec::new();
    let mut buffer = [0_u8; 2 << 10];
    loop {
        let read = program.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(buffer.get(..read)?);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some(Head { text: String::from_utf8(bytes).ok()?, rest });
        }
        if bytes.len() > HEAD_BYTES_MAX {
            return None;
        }
    }
}

type Refusal = (u16, &'static str);

async fn relay(program: &mut UnixStream, head: &Head, dialer: &Dialer) -> Result<(), Refusal> {
    let request = Request::of(&head.text).ok_or((400, "Only CONNECT and http:// are relayed."))?;
    let mut server = timeout(CONNECT_LIMIT, connect(&request.authority, dialer))
        .await
        .map_err(|_| (504, "The server did not answer."))??;
    let first = match &request.forwarded {
        Some(text) => {
            let sent = server.write_all(text.as_bytes()).await;
            sent.and(Ok(())).map_err(|_| (502, "The server closed the connection."))
        }
        None => program
            .write_all(b"HTTP/1.1 200 Connected\r\n\r\n")
            .await
            .map_err(|_| (502, "The program closed the connection.")),
    };
    first?;
    server.write_all(&head.rest).await.map_err(|_| (502, "The server closed the connection."))?;
    let _ = copy_bidirectional(program, &mut server).await;
    Ok(())
}

async fn connect(authority: &str, dialer: &Dialer) -> Result<TcpStream, Refusal> {
    let not_found = (502, "The name was not found.");
    let (host, port) = authority.rsplit_once(':').ok_or(not_found)?;
    let port = port.parse().map_err(|_| not_found)?;
    let found = dialer.names.look_up(host, port).await.map_err(|_| not_found)?;
    let may = |address: &SocketAddr| (dialer.may)(address.ip());
    let public: Vec<SocketAddr> = found.into_iter().filter(may).collect();
    if public.is_empty() {
        return Err((
            403,
            "This agent reaches public addresses of other networks only (network = \"internet\").",
        ));
    }
    TcpStream::connect(public.as_slice()).await.map_err(|_| (502, "The server is not reachable."))
}

#[derive(Debug, PartialEq)]
struct Request {
    /// Host and port.
    authority: String,
    /// The head to send on; none for CONNECT.
    forwarded: Option<String>,
}

impl Request {
    fn of(head: &str) -> Option<Self> {
        let (line, headers) = head.split_once("\r\n")?;
        let mut words = line.split(' ');
        let (method, target, version) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || !version.starts_with("HTTP/1.") {
            return None;
        }
        if method == "CONNECT" {
            return Some(Self { authority: with_port(target)?, forwarded: None });
        }
        let rest = target.strip_prefix("http://")?;
        let slash = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(slash);
        let authority = if authority.rsplit(']').next()?.contains(':') {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let path = if path.is_empty() { "/" } else { path };
        // One request a connection: the next one may be for another server.
        let kept = headers.split("\r\n").filter(|header| {
            let name = header.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
            !header.is_empty() && !matches!(name.as_str(), "connection" | "proxy-connection")
        });
        let kept: String = kept.map(|header| format!("{header}\r\n")).collect();
        let forwarded = format!("{method} {path} {version}\r\n{kept}connection: close\r\n\r\n");
        Some(Self { authority: with_port(&authority)?, forwarded: Some(forwarded) })
    }
}

/// Host and port, when both are there and nobody hides a user in it.
fn with_port(authority: &str) -> Option<String> {
    let (host, port) = authority.rsplit_once(':')?;
    let sound = !host.is_empty() && !host.contains('@') && port.parse::<u16>().is_ok_and(|p| p > 0);
    sound.then(|| authority.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn relay_request_is_connect_or_http() {
        let connect = Request::of("CONNECT example.org:443 HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        assert_eq!(connect, Request { authority: "example.org:443".to_owned(), forwarded: None });
        let get = "GET http://example.org/a?b HTTP/1.1\r\nHost: example.org\r\nProxy-Connection: keep-alive\r\n\r\n";
        let get = Request::of(get).unwrap();
        assert_eq!(get.authority, "example.org:80");
        assert_eq!(
            get.forwarded.unwrap(),
            "GET /a?b HTTP/1.1\r\nHost: example.org\r\nconnection: close\r\n\r\n"
        );
        for odd in [
            "GET / HTTP/1.1\r\n\r\n",
            "CONNECT example.org HTTP/1.1\r\n\r\n",
            "CONNECT u@example.org:443 HTTP/1.1\r\n\r\n",
            "CONNECT example.org:0 HTTP/1.1\r\n\r\n",
            "GET https://example.org/ HTTP/1.1\r\n\r\n",
            "CONNECT a:1 HTTP/2\r\n\r\n",
        ] {
            assert_eq!(Request::of(odd), None, "{odd}");
        }
    }

    async fn asked(may: fn(IpAddr) -> bool, request: &str) -> String {
        asked_by(Dialer { names: Names::of_run(), may }, request).await
    }

    async fn asked_by(dialer: Dialer, request: &str) -> String {
        let place = tempfile::tempdir().unwrap();
        let relay = Relay::listen(&place.path().join("s"), dialer).unwrap();
        let mut stream = UnixStream::connect(&relay.path).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn relay_refuses_loopback_and_passes_on_to_an_allowed_server() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let request = format!("GET http://localhost:{port}/x HTTP/1.1\r\nhost: h\r\n\r\n");
        assert!(asked(is_on_the_internet, &request).await.starts_with("HTTP/1.1 403"));
        let answering = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut head = [0_u8; 1024];
            let read = stream.read(&mut head).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhere").await.unwrap();
            String::from_utf8(head[..read].to_vec()).unwrap()
        });
        assert!(asked(|_| true, &request).await.ends_with("here"));
        assert!(answering.await.unwrap().starts_with("GET /x HTTP/1.1\r\nhost: h\r\n"));
    }

    /// The pool that SQLite once shared with the look-ups had eight threads. Here it has one.
    #[test]
    fn agent_whose_names_never_resolve_holds_up_nobody() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let never = |_: &str, _: u16| loop {
            std::thread::park();
        };
        runtime.block_on(async {
            let place = tempfile::tempdir().unwrap();
            let dialer = Dialer { names: Names::with(never, 4), may: is_on_the_internet };
            let relay = Relay::listen(&place.path().join("s"), dialer).unwrap();
            let mut held = Vec::new();
            for number in 0..140 {
                let mut stream = UnixStream::connect(&relay.path).await.unwrap();
                let request = format!("CONNECT a{number}.slow.example:443 HTTP/1.1\r\n\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                held.push(stream);
            }
            let soon = Duration::from_secs(5);
            let others = timeout(soon, tokio::task::spawn_blocking(|| "here")).await;
            assert_eq!(others.unwrap().unwrap(), "here");
            // Another agent's names are found meanwhile.
            let request = "CONNECT localhost:9 HTTP/1.1\r\n\r\n";
            let answer = timeout(soon, asked(is_on_the_internet, request)).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        });
        runtime.shutdown_background();
    }
}
