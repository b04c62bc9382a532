//! Which addresses belong to the public internet, seen from this machine.

use nix::ifaddrs::getifaddrs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Azure's own services of a virtual machine, its keys among them, at an address that looks public.
const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
/// Shorter prefixes are no network that a machine sits in: a tunnel may claim all addresses.
const PREFIX_MIN_V4: u32 = 8;
const PREFIX_MIN_V6: u32 = 32;

/// Whether an address is a public one of another network than this machine's: the machine's own
/// addresses, and those beside it, may answer here what they would not answer to the internet. No
/// when the machine's addresses cannot be read.
pub(super) fn is_on_the_internet(address: IpAddr) -> bool {
    is_public(address)
        && networks().is_some_and(|own| !own.iter().any(|network| network.holds(address)))
}

/// A network of this machine.
struct Network {
    own: IpAddr,
    mask: IpAddr,
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        address == self.own
            || match (self.own, self.mask, address) {
                (IpAddr::V4(own), IpAddr::V4(mask), IpAddr::V4(address)) => {
                    let mask = mask.to_bits();
                    mask.leading_ones() >= PREFIX_MIN_V4
                        && own.to_bits() & mask == address.to_bits() & mask
                }
                (IpAddr::V6(own), IpAddr::V6(mask), IpAddr::V6(address)) => {
                    let mask = mask.to_bits();
                    mask.leading_ones() >= PREFIX_MIN_V6
                        && own.to_bits() & mask == address.to_bits() & mask
                }
                _ => false,
            }
    }
}

/// Those of all interfaces as they are now; they change while the server runs.
fn networks() -> Option<Vec<Network>> {
    let interfaces = getifaddrs().ok()?;
    let found = interfaces.flat_map(|interface| {
        let mask = interface.netmask.as_ref().and_then(ip);
        // The other end of a tunnel is a machine of the owner's too.
        [interface.address, interface.destination].into_iter().flatten().filter_map(move |own| {
            let own = ip(&own)?;
            let single = match own {
                IpAddr::V4(_) => Ipv4Addr::BROADCAST.into(),
                IpAddr::V6(_) => Ipv6Addr::from_bits(u128::MAX).into(),
            };
            Some(Network { own, mask: mask.unwrap_or(single) })
        })
    });
    Some(found.collect())
}

fn ip(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

/// Whether an address belongs to the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By the IANA registry of special-purpose IPv4 addresses.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
        || address == AZURE;
    !special
}

/// Global unicast alone, and none of the ranges that carry an IPv4 address inside.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global = a & 0xe000 == 0x2000;
    let tunnel = a == 0x2002 || (a == 0x2001 && b < 0x0200);
    global && !tunnel && !(a == 0x2001 && b == 0x0db8) && a != 0x3fff
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn relay_reaches_public_addresses_only() {
        for public in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "100.128.0.1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "168.63.129.16",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    fn network(own: &str, mask: &str) -> Network {
        Network { own: own.parse().unwrap(), mask: mask.parse().unwrap() }
    }

    #[test]
    fn relay_refuses_the_machines_own_addresses_and_their_networks() {
        let home = network("2001:4860:1:2::5", "ffff:ffff:ffff:ffff::");
        let rented = network("93.184.216.34", "255.255.255.0");
        let holds = |network: &Network, address: &str| network.holds(address.parse().unwrap());
        assert!(holds(&home, "2001:4860:1:2::5") && holds(&home, "2001:4860:1:2::1"));
        assert!(!holds(&home, "2001:4860:1:3::1") && !holds(&home, "93.184.216.34"));
        assert!(holds(&rented, "93.184.216.34") && holds(&rented, "93.184.216.1"));
        assert!(!holds(&rented, "93.184.217.1"));
        // A tunnel that claims everything has one address here.
        let tunnel = network("93.184.216.34", "0.0.0.0");
        assert!(holds(&tunnel, "93.184.216.34") && !holds(&tunnel, "1.1.1.1"));
    }

    #[test]
    fn machines_addresses_are_read_from_its_interfaces() {
        let own = networks().unwrap();
        assert!(own.iter().any(|network| network.holds("127.3.2.1".parse().unwrap())));
        // Unless the machine is without a network, it also finds the address it speaks from.
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        if socket.connect("192.0.2.1:9").is_ok() {
            let speaks_from = socket.local_addr().unwrap().ip();
            assert!(own.iter().any(|network| network.holds(speaks_from)), "{speaks_from}");
        }
    }
}
