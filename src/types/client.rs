//! The address a request is attributed to, after PROXY protocol and trusted proxies have been judged.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, net::IpAddr, str::FromStr};

/// A client's address in canonical form (an IPv4-mapped IPv6 address is its IPv4 address).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientAddr(IpAddr);

impl ClientAddr {
    pub fn new(ip: IpAddr) -> Self {
        Self(ip.to_canonical())
    }
    pub fn ip(self) -> IpAddr {
        self.0
    }
    /// What limits count by: the address, or its /64 for IPv6, because one subscriber holds a whole /64.
    pub fn bucket(self) -> String {
        match self.0 {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => {
                let s = ip.segments();
                format!("{:x}:{:x}:{:x}:{:x}::/64", s[0], s[1], s[2], s[3])
            }
        }
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A range of addresses, `10.0.0.0/8` or `2001:db8::/32` (RFC 4632); an address alone is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

/// Why a text is not a range of addresses. Shown to the operator as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    #[error("\"{0}\" is not an address or a range such as 10.0.0.0/8 or 2001:db8::/32")]
    Form(String),
    #[error("\"{given}\" has bits set after its prefix; the range is written {meant}")]
    HostBits { given: String, meant: String },
}

impl Cidr {
    pub fn contains(self, client: ClientAddr) -> bool {
        match (self.network, client.ip()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => masked_v4(ip.to_bits(), self.prefix) == net.to_bits(),
            (IpAddr::V6(net), IpAddr::V6(ip)) => masked_v6(ip.to_bits(), self.prefix) == net.to_bits(),
            _ => false,
        }
    }
    /// Whether every address of `other` is one of this range's.
    pub fn covers(self, other: Cidr) -> bool {
        let own_prefix = self.prefix <= other.prefix;
        own_prefix && self.contains(ClientAddr::new(other.network))
    }
    /// Does it hold every address there is? Trusting such a range trusts whoever connects.
    pub fn is_everybody(self) -> bool {
        self.prefix == 0
    }
}

fn masked_v4(bits: u32, prefix: u8) -> u32 {
    bits & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn masked_v6(bits: u128, prefix: u8) -> u128 {
    bits & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let form = || CidrError::Form(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| form())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        if prefix > longest {
            return Err(form());
        }
        let network = match address {
            IpAddr::V4(ip) => IpAddr::V4(masked_v4(ip.to_bits(), prefix).into()),
            IpAddr::V6(ip) => IpAddr::V6(masked_v6(ip.to_bits(), prefix).into()),
        };
        let range = Self { network, prefix };
        // 10.1.2.3/8 is nearly always a mistyped 10.1.2.3/32, which would trust 16 million addresses more.
        if network == address {
            Ok(range)
        } else {
            Err(CidrError::HostBits { given: text.to_owned(), meant: range.to_string() })
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_own_and_no_others() {
        let holds =
            |range: &str, ip: &str| range.parse::<Cidr>().unwrap().contains(ClientAddr::new(ip.parse().unwrap()));
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("2001:db8::/32", "2001:db8:9::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.1.1"), "an IPv4-mapped address is its IPv4 address");
    }

    #[test]
    fn a_range_that_could_be_meant_otherwise_is_refused() {
        assert_eq!(
            "10.1.2.3/8".parse::<Cidr>().unwrap_err(),
            CidrError::HostBits { given: "10.1.2.3/8".into(), meant: "10.0.0.0/8".into() }
        );
        for text in ["", "10.0.0.0/33", "10.0.0", "lan", "10.0.0.0/-1", "::/129"] {
            assert!(matches!(text.parse::<Cidr>(), Err(CidrError::Form(_))), "{text}");
        }
    }

    #[test]
    fn ipv6_counts_by_its_64() {
        let of = |text: &str| ClientAddr::new(text.parse().unwrap()).bucket();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
