//! Identifiers, one type each, so that a site's name never stands where an account's id belongs.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    };
}

text_id! {
    /// A site's `name` in gateway.yaml.
    SiteName
}
text_id! {
    /// The name of one chain instance in gateway.yaml (`campus-lms`).
    SourceId
}
text_id! {
    /// Who somebody is at one source: stable, never what was typed. With the LMS as source, the decimal user id.
    Subject
}
text_id! {
    /// An account of the gateway: 32 hex digits, random, never reused.
    AccountId
}
text_id! {
    /// One enrolment of an account: 32 hex digits, random.
    EnrolmentId
}
text_id! {
    /// A token record's public handle, for lists and revocation: 16 hex digits, worth nothing as a credential.
    TokenId
}
text_id! {
    /// A trusted device's series: 32 hex digits, random. With the keyring it makes the device's secret; alone it is
    /// worth nothing, and lists show it.
    DeviceId
}
text_id! {
    /// The mark of a browser or app that somebody has signed in with: 32 hex digits, random. It proves nothing.
    KnownMark
}
text_id! {
    /// The short name of an LMS web service, e.g. `moodle_mobile_app`.
    ServiceName
}
text_id! {
    /// One request's id, on error pages and in every log line: 16 hex digits.
    RequestId
}

/// A user id inside one LMS (Moodle's `user.id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LmsUserId(pub u64);

impl fmt::Display for LmsUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name a session is stored under: base64url of the SHA-256 of its opaque id (43 characters).
/// The id itself is only ever in the browser's cookie.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionKey(String);

impl SessionKey {
    /// Of a digest already computed; see `keys::session_key`.
    pub fn from_digest(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// What lists and `session revoke` show: enough to name one, not enough to look one up by guessing.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({}…)", self.short())
    }
}

/// A pending sign-in's handle: 32 random bytes as 43 base64url characters. A bearer secret until the flow ends.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlowId(String);

impl FlowId {
    /// `None` where the text cannot be a flow's handle; the store is not asked about it then.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 43 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        fits.then(|| Self(text.to_owned()))
    }
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowId([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_id_has_one_shape() {
        assert!(FlowId::parse(&"a".repeat(43)).is_some());
        assert!(FlowId::parse(&"a".repeat(42)).is_none());
        assert!(FlowId::parse(&format!("{}\n", "a".repeat(42))).is_none());
        assert_eq!(format!("{:?}", FlowId::parse(&"a".repeat(43)).unwrap()), "FlowId([redacted])");
    }
}
