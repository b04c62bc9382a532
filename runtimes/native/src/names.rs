//! Looks up the addresses of host names with the system's resolver, in threads of its own.
//!
//! A look-up cannot be cancelled: where the name servers do not answer, its thread waits for
//! minutes after the caller has given up. In a shared pool, names that an agent makes up would
//! delay everything else. So each user of names has a bound of its own, and a look-up counts
//! against it until its thread has ended.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::io::{Error, Result};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Maximum look-ups at once of one run of an agent.
const OF_A_RUN: usize = 4;
/// Maximum look-ups at once of all agents, with those of runs that have ended.
const OF_AGENTS: usize = 64;
/// Maximum look-ups at once of one HTTP client.
const OF_A_CLIENT: usize = 16;

static AGENTS: Semaphore = Semaphore::const_new(OF_AGENTS);

/// How a host and a port become addresses. It may wait as long as it likes.
type Find = fn(&str, u16) -> Result<Vec<SocketAddr>>;

/// One user of names.
#[derive(Clone)]
pub struct Names {
    find: Find,
    own: Arc<Semaphore>,
    shared: Option<&'static Semaphore>,
}

impl Names {
    /// For the names that one run of an agent asks for.
    pub fn of_run() -> Self {
        Self { shared: Some(&AGENTS), ..Self::with(system, OF_A_RUN) }
    }
    /// For the names that an HTTP client asks for.
    pub fn of_client() -> Self {
        Self::with(system, OF_A_CLIENT)
    }
    /// With another resolver and at most `max` look-ups at once.
    pub fn with(find: Find, max: usize) -> Self {
        Self { find, own: Arc::new(Semaphore::new(max)), shared: None }
    }
    /// Resolves a host name. Waits while this user is at its maximum of concurrent look-ups.
    ///
    /// # Errors
    /// When the name is not found, or no thread can be started.
    pub async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>> {
        if let Ok(address) = host.trim_matches(['[', ']']).parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let closed = |_| Error::other("no more look-ups");
        let own = self.own.clone().acquire_owned().await.map_err(closed)?;
        let shared = match self.shared {
            Some(shared) => Some(shared.acquire().await.map_err(closed)?),
            None => None,
        };
        let (answer, answered) = oneshot::channel();
        let (find, host) = (self.find, host.to_owned());
        std::thread::Builder::new().name("look-up".to_owned()).spawn(move || {
            let _counts: (OwnedSemaphorePermit, _) = (own, shared);
            // The caller may have given up.
            let _ = answer.send(find(&host, port));
        })?;
        answered.await.map_err(|_| Error::other("the look-up ended without an answer"))?
    }
}

fn system(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    (host, port).to_socket_addrs().map(Iterator::collect)
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move {
            let found = names.look_up(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio::time::timeout;

    static STARTED: AtomicUsize = AtomicUsize::new(0);

    fn never(_: &str, _: u16) -> Result<Vec<SocketAddr>> {
        STARTED.fetch_add(1, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    }

    /// A look-up whose caller gave up still counts, so that their number stays below the bound.
    #[tokio::test]
    async fn name_lookups_that_never_end_stay_below_their_bound() {
        let names = Names::with(never, 2);
        for number in 0..6 {
            let name = format!("a{number}.example");
            let asked = timeout(Duration::from_millis(50), names.look_up(&name, 443));
            assert!(asked.await.is_err());
        }
        assert_eq!(STARTED.load(Ordering::SeqCst), 2);
        let address = timeout(Duration::from_secs(5), names.look_up("[::1]", 443)).await.unwrap();
        assert_eq!(address.unwrap(), ["[::1]:443".parse().unwrap()], "an address needs no look-up");
    }

    #[tokio::test]
    async fn name_of_this_machine_is_found_like_everywhere() {
        let found = Names::of_run().look_up("localhost", 80).await.unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()) && !found.is_empty());
        assert!(Names::of_client().look_up("no-such-host.invalid", 80).await.is_err());
    }
}
