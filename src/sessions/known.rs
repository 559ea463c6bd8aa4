//! Which accounts this browser has been used for: a cookie that proves nothing and spares its owners a lock-out.
//!
//! After a sign-in the browser gets a mark for that account; its attempts are counted in a lane of their own from
//! then on ([`Lane`], attacks E5 and E6). The cookie is sealed under the keyring and bound to the site: nobody reads
//! from it who uses this browser, and nobody makes one. It outlives sessions, epochs and passwords on purpose: whoever
//! has forgotten theirs comes from this very browser.

use crate::{
    keys::Keyring,
    limits::Lane,
    types::{AccountId, KnownMark, Rng, RngExt, SiteName, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

pub const COOKIE: &str = "__Host-known";
/// What browsers keep at most (RFC 6265bis §5.5). Each sign-in begins it anew.
pub const LIFE: Duration = Duration::from_secs(400 * 86_400);
/// People who share one browser, and a cookie well below 4 KiB.
const MOST: usize = 8;
const PURPOSE: &str = "known";

/// What a sign-in of an account showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Its password alone. Whoever has it need not guess it, so it gives a lane for passwords and none for factors.
    Password,
    /// An asked factor was answered as well.
    Factor,
}

/// The accounts of one browser at one site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "a")]
    account: AccountId,
    /// Digests of the names under which that account signs in.
    #[serde(rename = "n")]
    names: Vec<String>,
    #[serde(rename = "m")]
    mark: KnownMark,
    #[serde(rename = "f")]
    factor: bool,
    #[serde(rename = "t")]
    at: Timestamp,
}

impl Known {
    /// From the cookie's value. What is not ours, of another site, or too old, is nobody's.
    pub fn open(ring: &Keyring, site: &SiteName, value: Option<&str>, now: Timestamp) -> Self {
        let entries = value.and_then(|value| {
            let plain = ring.open(PURPOSE, site.as_str(), value).ok()?;
            serde_json::from_slice::<Vec<Entry>>(plain.expose()).ok()
        });
        let mut entries = entries.unwrap_or_default();
        entries.retain(|entry| now.since(entry.at) < LIFE);
        Self(entries)
    }

    /// The lane of passwords for a name as the source reads it.
    pub fn lane_of_name(&self, ring: &Keyring, site: &SiteName, canonical: &str) -> Lane {
        if self.0.is_empty() || canonical.is_empty() {
            return Lane::Common;
        }
        let name = digest(ring, site, canonical);
        Lane::of(self.0.iter().find(|entry| entry.names.contains(&name)).map(|entry| entry.mark.clone()))
    }

    /// The lane of an account's factors.
    pub fn lane_of_account(&self, account: &AccountId) -> Lane {
        let entry = self.0.iter().find(|entry| entry.factor && entry.account == *account);
        Lane::of(entry.map(|entry| entry.mark.clone()))
    }

    /// Notes a sign-in. An account keeps its mark, and what it has shown here before; of too many the one that was
    /// here longest ago goes.
    pub fn note(
        &mut self,
        (ring, rng): (&Keyring, &dyn Rng),
        site: &SiteName,
        (account, shown): (&AccountId, Shown),
        names: &[String],
        now: Timestamp,
    ) {
        let before = self.0.iter().position(|entry| entry.account == *account).map(|at| self.0.remove(at));
        let mark = before.as_ref().map_or_else(|| KnownMark::new(rng.hex(16)), |entry| entry.mark.clone());
        let factor = shown == Shown::Factor || before.is_some_and(|entry| entry.factor);
        let names = names.iter().map(|name| digest(ring, site, name)).collect();
        self.0.push(Entry { account: account.clone(), names, mark, factor, at: now });
        let over = self.0.len().saturating_sub(MOST);
        self.0.drain(..over);
    }

    pub fn seal(&self, ring: &Keyring, rng: &dyn Rng, site: &SiteName) -> String {
        // Structs of text and numbers always serialise.
        ring.seal(rng, PURPOSE, site.as_str(), &serde_json::to_vec(&self.0).unwrap_or_default())
    }
}

/// Short, because a name that happens to share it costs nobody more than a lane.
fn digest(ring: &Keyring, site: &SiteName, canonical: &str) -> String {
    ring.digest("known-name", format!("{site}\n{canonical}").as_bytes()).chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn campus() -> SiteName {
        SiteName::new("campus")
    }

    fn ring() -> Keyring {
        Keyring::generate(&SystemRng, Timestamp(0))
    }

    fn note(known: &mut Known, ring: &Keyring, name: &str, shown: Shown, now: Timestamp) {
        let names = [name.to_owned(), format!("{name}@example.org")];
        known.note((ring, &SystemRng), &campus(), (&AccountId::new(format!("id-{name}")), shown), &names, now);
    }

    #[test]
    fn e6_a_browser_is_known_for_its_own_people_under_all_their_names() {
        let ring = ring();
        let mut known = Known::default();
        note(&mut known, &ring, "alice", Shown::Factor, NOW);
        let sealed = known.seal(&ring, &SystemRng, &campus());
        let again = Known::open(&ring, &campus(), Some(&sealed), NOW);
        assert_eq!(again, known);
        let lane = again.lane_of_name(&ring, &campus(), "alice");
        assert!(lane.is_known());
        assert_eq!(again.lane_of_name(&ring, &campus(), "alice@example.org"), lane);
        assert_eq!(again.lane_of_account(&AccountId::new("id-alice")), lane);
        for stranger in ["bob", "", "id-alice"] {
            assert_eq!(again.lane_of_name(&ring, &campus(), stranger), Lane::Common, "{stranger}");
        }
        assert_eq!(again.lane_of_account(&AccountId::new("id-bob")), Lane::Common);
    }

    #[test]
    fn a_password_alone_gives_no_lane_for_factors() {
        let ring = ring();
        let mut known = Known::default();
        note(&mut known, &ring, "alice", Shown::Password, NOW);
        let alice = AccountId::new("id-alice");
        assert!(known.lane_of_name(&ring, &campus(), "alice").is_known());
        assert!(!known.lane_of_account(&alice).is_known());
        note(&mut known, &ring, "alice", Shown::Factor, NOW);
        note(&mut known, &ring, "alice", Shown::Password, NOW);
        assert!(known.lane_of_account(&alice).is_known(), "and what was shown once stays shown");
    }

    #[test]
    fn the_mark_stays_and_of_too_many_the_oldest_goes() {
        let ring = ring();
        let mut known = Known::default();
        note(&mut known, &ring, "alice", Shown::Factor, NOW);
        let lane = known.lane_of_name(&ring, &campus(), "alice");
        for n in 0..MOST - 1 {
            note(&mut known, &ring, &format!("u{n}"), Shown::Factor, NOW);
        }
        note(&mut known, &ring, "alice", Shown::Factor, NOW);
        assert_eq!(known.lane_of_name(&ring, &campus(), "alice"), lane);
        note(&mut known, &ring, "last", Shown::Factor, NOW);
        assert!(known.lane_of_name(&ring, &campus(), "alice").is_known());
        assert!(!known.lane_of_name(&ring, &campus(), "u0").is_known());
        assert!(known.seal(&ring, &SystemRng, &campus()).len() < 3000, "a browser keeps it");
    }

    #[test]
    fn d11_what_is_forged_moved_or_old_is_nobodys() {
        let ring = ring();
        let mut known = Known::default();
        note(&mut known, &ring, "alice", Shown::Factor, NOW);
        let sealed = known.seal(&ring, &SystemRng, &campus());
        let open =
            |ring: &Keyring, site: &str, value: &str, now| Known::open(ring, &SiteName::new(site), Some(value), now);
        assert_eq!(open(&ring, "other", &sealed, NOW), Known::default());
        assert_eq!(open(&self::ring(), "campus", &sealed, NOW), Known::default());
        assert_eq!(open(&ring, "campus", &sealed[..sealed.len() - 2], NOW), Known::default());
        assert_eq!(open(&ring, "campus", "", NOW), Known::default());
        assert_eq!(open(&ring, "campus", &sealed, NOW.plus(LIFE)), Known::default());
        assert_eq!(Known::open(&ring, &campus(), None, NOW), Known::default());
    }
}
