//! The open connections: how many, of which address, and which of them wait for their client.

use super::limits::Limits;
use super::notice::Notice;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A connection in its phase for less time than this is given up last; a body not at all.
const FRESH: Duration = Duration::from_secs(1);

/// The reason for refusing a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Every connection has a request in progress.
    Full,
    /// Every connection of this address has.
    Address,
}

impl Refusal {
    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::Full => "The server has as many requests in progress as it takes at once.",
            Self::Address => {
                "Your address has as many requests in progress as it may have at once."
            }
        }
    }
}

/// The reason that a connection waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// For the head of its next request.
    Head,
    /// For the rest of a body.
    Body,
    /// For us.
    Busy,
}

/// Connections that share a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// This machine: the owner's programs, and proxies in front of the server.
    Local,
    /// An address elsewhere; for IPv6 its network, since one client has all of its addresses.
    Remote(IpAddr),
}

impl Origin {
    fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Self::Local;
        }
        match address {
            IpAddr::V4(_) => Self::Remote(address),
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self::Remote(Ipv6Addr::from_bits(network).into())
            }
        }
    }
}

struct Entry {
    origin: Origin,
    phase: Phase,
    /// Grows with every change of phase: the smallest has waited longest.
    turn: u64,
    since: Instant,
    evict: Arc<Notify>,
}

struct Table {
    limits: Limits,
    next: u64,
    open: BTreeMap<u64, Entry>,
}

/// All connections of a server. Clones share them.
#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    table: Mutex<Table>,
    full: Notice,
    address: Notice,
}

impl Connections {
    pub(super) fn new(limits: Limits) -> Self {
        let table = Table { limits, next: 0, open: BTreeMap::new() };
        Self(Arc::new(Shared {
            table: Mutex::new(table),
            full: Notice::default(),
            address: Notice::default(),
        }))
    }
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Admits a connection, if need be in the place of one that waits for its client.
    pub(super) fn admit(&self, address: IpAddr) -> Result<Slot, Refusal> {
        let origin = Origin::of(address);
        let mut table = self.lock();
        let of_address = || table.open.values().filter(|entry| entry.origin == origin).count();
        if origin != Origin::Local && of_address() >= table.limits.per_address {
            let (most, made) = (table.limits.per_address, table.make_room(Some(origin)));
            self.0.address.tell(|| {
                format!("{address} has {most} connections, so its slowest are closed or its newest refused")
            });
            if !made {
                return Err(Refusal::Address);
            }
        }
        if table.open.len() >= table.limits.connections {
            let (most, made) = (table.limits.connections, table.make_room(None));
            self.0.full.tell(|| {
                format!(
                    "there are {most} connections, so the slowest are closed or the newest refused"
                )
            });
            if !made {
                return Err(Refusal::Full);
            }
        }
        let (id, evict) = (table.turn(), Arc::new(Notify::new()));
        let entry = Entry {
            origin,
            phase: Phase::Head,
            turn: id,
            since: Instant::now(),
            evict: evict.clone(),
        };
        table.open.insert(id, entry);
        Ok(Slot { connections: self.clone(), id, evict })
    }
    /// Closes up to so many connections that wait for their client.
    pub(super) fn free(&self, count: usize) {
        let mut table = self.lock();
        for _ in 0..count {
            if !table.make_room(None) {
                return;
            }
        }
    }
}

impl Table {
    fn turn(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
    /// Evicts the connection that has kept us waiting longest. A head that has just begun is the
    /// last choice, whatever the others wait in, so that slow bodies do not push new clients out.
    fn make_room(&mut self, origin: Option<Origin>) -> bool {
        let now = Instant::now();
        let is_fresh = |entry: &Entry| now.duration_since(entry.since) < FRESH;
        let is_slow = |entry: &Entry| match entry.phase {
            Phase::Head => true,
            Phase::Body => !is_fresh(entry),
            Phase::Busy => false,
        };
        let slowest = self
            .open
            .iter()
            .filter(|(_, entry)| origin.is_none_or(|origin| entry.origin == origin))
            .filter(|(_, entry)| is_slow(entry))
            .min_by_key(|(_, entry)| (is_fresh(entry), entry.turn))
            .map(|(id, _)| *id);
        let evicted = slowest.and_then(|id| self.open.remove(&id));
        if let Some(entry) = &evicted {
            entry.evict.notify_one();
        }
        evicted.is_some()
    }
    fn busy(&self) -> usize {
        self.open.values().filter(|entry| entry.phase == Phase::Busy).count()
    }
}

/// The place of one connection, free again when it is dropped.
pub(super) struct Slot {
    connections: Connections,
    id: u64,
    evict: Arc<Notify>,
}

impl Slot {
    /// Waits until the connection must make room.
    pub(super) async fn evicted(&self) {
        self.evict.notified().await;
    }
    /// Records the phase of the connection. False when it has been evicted.
    pub(super) fn enter(&self, phase: Phase) -> bool {
        let mut table = self.connections.lock();
        let turn = table.turn();
        let entry = table.open.get_mut(&self.id);
        let is_kept = entry.is_some();
        if let Some(entry) = entry {
            (entry.phase, entry.turn, entry.since) = (phase, turn, Instant::now());
        }
        is_kept
    }
    /// Whether no request is in progress.
    pub(super) fn is_waiting(&self) -> bool {
        let table = self.connections.lock();
        table.open.get(&self.id).is_none_or(|entry| entry.phase == Phase::Head)
    }
    /// Whether one more request may begin: the last ones are for halts.
    pub(super) fn has_room(&self, is_halt: bool) -> bool {
        let table = self.connections.lock();
        is_halt || table.busy() < table.limits.connections.saturating_sub(table.limits.reserve)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.lock().open.remove(&self.id);
    }
}
