//! The link in a letter. It names the sign-in it was sent for, under a seal: nobody can make one, and what stands in a
//! browser's history or a mail scanner's log tells nothing.
//!
//! Alone it passes nothing (attack J9). It does let its reader say "this was not me", for a week: people read mail on
//! Monday.

use crate::{
    keys::Keyring,
    types::{AccountId, FlowId, Rng, SiteName, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const PURPOSE: &str = "mailed-link";
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longer than any of ours; what is longer is not opened.
const LONGEST: usize = 2048;
/// Of a browser's name, in bytes.
const LONGEST_AGENT: usize = 120;

/// What the link stands for. The circumstances are told from here, because the flow is over in minutes.
#[derive(Clone, Serialize, Deserialize)]
pub struct Link {
    pub flow: FlowId,
    pub account: AccountId,
    /// Which letter of the flow it was.
    pub letter: String,
    pub sent: Timestamp,
    /// Where in the network the request came from.
    pub address: String,
    pub browser: String,
}

impl Link {
    /// For the address: base64url and dots.
    pub fn seal(&self, ring: &Keyring, rng: &dyn Rng, site: &SiteName) -> String {
        let browser = self.browser.chars().scan(0, |bytes, c| {
            *bytes += c.len_utf8();
            (*bytes <= LONGEST_AGENT).then_some(c)
        });
        let short = Self { browser: browser.collect(), ..self.clone() };
        ring.seal(rng, PURPOSE, &place(site), &serde_json::to_vec(&short).unwrap_or_default())
    }

    /// `None`: it is none of this site's, or too old.
    pub fn open(ring: &Keyring, site: &SiteName, token: &str, now: Timestamp) -> Option<Self> {
        if token.len() > LONGEST {
            return None;
        }
        let plain = ring.open(PURPOSE, &place(site), token).ok()?;
        let link: Self = serde_json::from_slice(plain.expose()).ok()?;
        (now.since(link.sent) < LIFE).then_some(link)
    }
}

fn place(site: &SiteName) -> String {
    format!("{PURPOSE}:{site}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_795_219_200_000);

    fn link(browser: &str) -> Link {
        Link {
            flow: FlowId::parse(&"f".repeat(43)).unwrap(),
            account: AccountId::new("0123456789abcdef0123456789abcdef"),
            letter: "0123456789abcdef".into(),
            sent: NOW,
            address: "2001:db8:1234:5678:9abc:def0:1234:5678".into(),
            browser: browser.into(),
        }
    }

    #[test]
    fn a_link_opens_at_its_site_within_a_week() {
        let ring = Keyring::generate(&SystemRng, NOW);
        let (site, other) = (SiteName::new("campus"), SiteName::new("library"));
        let token = link("Firefox on Linux").seal(&ring, &SystemRng, &site);
        assert_eq!(Link::open(&ring, &site, &token, NOW).unwrap().browser, "Firefox on Linux");
        assert!(Link::open(&ring, &other, &token, NOW).is_none());
        assert!(Link::open(&ring, &site, &token, NOW.plus(LIFE)).is_none());
        assert!(Link::open(&Keyring::generate(&SystemRng, NOW), &site, &token, NOW).is_none());
        assert!(!token.contains(&"f".repeat(43)), "the flow's handle is a secret of its browser");
    }

    #[test]
    fn a_long_browser_s_name_makes_no_long_address() {
        let ring = Keyring::generate(&SystemRng, NOW);
        let site = SiteName::new("campus");
        for name in ["\"\u{1}".repeat(5000), "🎓".repeat(5000), "\\".repeat(5000)] {
            let token = link(&name).seal(&ring, &SystemRng, &site);
            assert!(token.len() <= LONGEST, "{}", token.len());
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')));
            assert!(name.starts_with(&Link::open(&ring, &site, &token, NOW).unwrap().browser));
        }
    }

    proptest! {
        #[test]
        fn nothing_made_up_opens_or_panics(token: String) {
            let ring = Keyring::generate(&SystemRng, NOW);
            prop_assert!(Link::open(&ring, &SiteName::new("campus"), &token, NOW).is_none());
        }
    }
}
