//! The limits of the edge.

use std::time::Duration;

/// How many connections there may be, and how long each may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum time for the head of a request, and for a connection between two requests.
    pub head: Duration,
    /// Maximum time for the body of a request.
    pub body: Duration,
    /// Maximum time without progress while the client does not read the response (Linux).
    pub write: Duration,
    /// Maximum connections.
    pub connections: usize,
    /// Maximum connections of one address that is not this machine's.
    pub per_address: usize,
    /// Requests in progress that only a halt may use.
    pub reserve: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            write: Duration::from_secs(30),
            connections: 512,
            per_address: 64,
            reserve: 32,
        }
    }
}

impl Limits {
    /// Leaves at least half of the process's descriptors to databases, programs and outbound
    /// requests.
    #[must_use]
    pub fn within(self, descriptors: u64) -> Self {
        let half = usize::try_from(descriptors / 2).unwrap_or(usize::MAX).max(self.reserve * 2);
        Self { connections: self.connections.min(half), ..self }
    }
}
