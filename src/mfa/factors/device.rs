//! Trusted devices: a browser or app that somebody asked not to be asked again on. A silent signal, and never more: it
//! sets no "factor at", and no step-up, linking, enrolment or token is given for it (design §2 "MFA").
//!
//! A device holds its series and a counter, sealed under the keyring and bound to site, door and account, so that
//! nobody else's account opens with it and nothing can be read from it. Each use moves the counter on by a conditional
//! update in the database, once on all nodes, and the device gets the new secret. One that is older than the present
//! one is a copy: somebody has used the device's secret twice, and of the two one is a thief. The series dies, its
//! owner is told and asked. Only for [`GRACE`] is the secret before the present one still good, for tabs that were
//! opened together and for answers that were lost on the way; it gets the present one again and moves nothing.
//!
//! A device dies with the account's epoch (password change, sign-out everywhere, switching off), by revocation, and
//! at its end.

use crate::{
    keys::Keyring,
    types::{AccountId, DeviceId, Door, Rng, Secret, SiteName, Timestamp, Unavailable},
};
use async_trait::async_trait;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::time::Duration;
use time::{OffsetDateTime, Time, UtcOffset, macros::format_description};

/// How long the secret before the present one is good.
pub const GRACE: Duration = Duration::from_secs(60);
/// Of one account; the one that was not used for the longest time goes.
pub const MOST: usize = 20;
/// Where the LMS judges the passwords, it may change one unseen (design §2 "Leavers").
const OF_LMS_ACCOUNTS: Duration = Duration::from_secs(7 * DAY);
const DAY: u64 = 24 * 3600;
const PURPOSE: &str = "device";
/// A sealed secret is about 150 characters.
const LONGEST: usize = 400;
const COOKIE: &str = "__Host-device-";

/// How long a device is trusted (`mfa.signals` of kind `device`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub days: Days,
    /// Ends at this time of day, the last one within `days`: nobody is asked in the middle of a morning. `None`: to the
    /// second.
    pub until: Option<TimeOfDay>,
    /// Of what clock `until` speaks. It knows no summer time.
    pub utc_offset: Offset,
}

impl Default for Lifetime {
    /// As tool_mfa's: a day, and no longer than to the next 02:00.
    fn default() -> Self {
        Self { days: Days::default(), until: Some(TimeOfDay(TWO)), utc_offset: Offset::default() }
    }
}

const TWO: Time = time::macros::time!(2:00);

/// 1 to 365.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(u16);

impl Default for Days {
    fn default() -> Self {
        Self(1)
    }
}

impl<'de> Deserialize<'de> for Days {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u16::deserialize(deserializer)? {
            days @ 1..=365 => Ok(Self(days)),
            days => Err(de::Error::custom(format!("a device is trusted for 1 to 365 days, not {days}"))),
        }
    }
}

/// `02:00`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(Time);

/// `+01:00`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset(UtcOffset);

impl Default for Offset {
    fn default() -> Self {
        Self(UtcOffset::UTC)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = Time::parse(&text, format_description!("[hour]:[minute]"));
        time.map(Self).map_err(|_| de::Error::custom(format!("\"{text}\" is not a time of day such as 02:00")))
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "Z" {
            return Ok(Self(UtcOffset::UTC));
        }
        let offset = UtcOffset::parse(&text, format_description!("[offset_hour sign:mandatory]:[offset_minute]"));
        offset.map(Self).map_err(|_| de::Error::custom(format!("\"{text}\" is not an offset from UTC such as +01:00")))
    }
}

/// Who judges the account's passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primary {
    Lms,
    Other,
}

impl Lifetime {
    /// The first moment at which a device that is trusted now is not any more.
    pub fn end(&self, now: Timestamp, primary: Primary) -> Timestamp {
        let most = Duration::from_secs(DAY * u64::from(self.days.0));
        let most = if primary == Primary::Lms { most.min(OF_LMS_ACCOUNTS) } else { most };
        let end = now.plus(most);
        match self.until {
            Some(time) => last(time.0, self.utc_offset.0, end),
            None => end,
        }
    }
}

/// The last time of day that is not after `end`; within a day before it, so never before a device's first day began.
fn last(time: Time, offset: UtcOffset, end: Timestamp) -> Timestamp {
    let Ok(there) = OffsetDateTime::from_unix_timestamp(end.secs()) else { return end };
    let there = there.to_offset(offset);
    let same_day = there.replace_time(time);
    let last = if same_day > there { same_day - Duration::from_secs(DAY) } else { same_day };
    Timestamp::from_secs(last.unix_timestamp())
}

/// What the database keeps. None of it is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedDevice {
    pub id: DeviceId,
    pub account: AccountId,
    pub site: SiteName,
    pub door: Door,
    /// The account's when it was trusted.
    pub epoch: u32,
    /// How often it was used; the present secret carries the same number.
    pub counter: i64,
    /// When the counter moved last.
    pub moved: Timestamp,
    pub created: Timestamp,
    pub expires: Timestamp,
    pub last_used: Timestamp,
    /// From the User-Agent.
    pub label: String,
    /// Where it was used last.
    pub address: String,
}

/// What a device showed: authentic, because it was sealed here, and perhaps of yesterday.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    #[serde(rename = "d")]
    pub device: DeviceId,
    #[serde(rename = "c")]
    pub counter: i64,
}

/// What it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// The present secret: the counter is to be moved, which decides.
    Present,
    /// The one before it, within [`GRACE`]: good, and moves nothing.
    JustBefore,
    /// An older one: a copy.
    Copied,
    /// Of an epoch, a time or a database that is over.
    Over,
}

impl TrustedDevice {
    pub fn is_live(&self, epoch: u32, now: Timestamp) -> bool {
        self.epoch == epoch && now < self.expires
    }

    /// What `shown` is worth for the account's present epoch.
    pub fn worth(&self, shown: &Shown, epoch: u32, now: Timestamp) -> Worth {
        if !self.is_live(epoch, now) || shown.counter > self.counter {
            return Worth::Over;
        }
        // Both ways: a clock that stepped back must not lengthen it.
        let since = now.since(self.moved).max(self.moved.since(now));
        match self.counter.saturating_sub(shown.counter) {
            0 => Worth::Present,
            1 if since < GRACE => Worth::JustBefore,
            _ => Worth::Copied,
        }
    }

    /// The secret that the device holds at this count.
    pub fn secret(&self, ring: &Keyring, rng: &dyn Rng, counter: i64) -> Secret<String> {
        let shown = Shown { device: self.id.clone(), counter };
        // A struct of text and a number always serialises.
        let plain = serde_json::to_vec(&shown).unwrap_or_default();
        Secret::new(ring.seal(rng, PURPOSE, &place(&self.site, self.door, &self.account), &plain))
    }
}

impl Shown {
    /// `None` where it is not ours, or of another site, door or account.
    pub fn open(ring: &Keyring, site: &SiteName, door: Door, account: &AccountId, secret: &str) -> Option<Self> {
        if secret.len() > LONGEST {
            return None;
        }
        let plain = ring.open(PURPOSE, &place(site, door, account), secret).ok()?;
        serde_json::from_slice(plain.expose()).ok()
    }
}

fn place(site: &SiteName, door: Door, account: &AccountId) -> String {
    format!("{site}\n{door}\n{account}")
}

/// The cookie of an account's device. One for each account, so that two who sign in at once in one browser do not put
/// each other's counter back; its name tells nothing.
pub fn cookie_name(ring: &Keyring, account: &AccountId) -> String {
    let handle: String = ring.digest("device-cookie", account.as_str().as_bytes()).chars().take(12).collect();
    format!("{COOKIE}{handle}")
}

/// Whether a cookie is some account's.
pub fn is_cookie(name: &str) -> bool {
    name.starts_with(COOKIE)
}

/// Keeps trusted devices. One that is not there is not trusted.
#[async_trait]
pub trait DeviceStore: Send + Sync {
    /// Adds it; of more than [`MOST`] of one account the one unused for longest goes, and what has ended.
    async fn trust(&self, device: &TrustedDevice) -> Result<(), Unavailable>;
    async fn device(&self, id: &DeviceId) -> Result<Option<TrustedDevice>, Unavailable>;
    /// Last used first. Ended ones are among them.
    async fn devices(&self, account: &AccountId) -> Result<Vec<TrustedDevice>, Unavailable>;
    /// Moves the counter from `counter` to the next: true for exactly one caller, and never past the device's end.
    async fn move_on(&self, id: &DeviceId, counter: i64, at: Timestamp, address: &str) -> Result<bool, Unavailable>;
    /// True for exactly one caller, and only where it is this account's.
    async fn forget(&self, account: &AccountId, id: &DeviceId) -> Result<bool, Unavailable>;
    /// Returns how many there were.
    async fn forget_all(&self, account: &AccountId) -> Result<usize, Unavailable>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;

    /// 2026-11-21T09:30:00Z, a Saturday.
    const NOW: Timestamp = Timestamp(1_795_253_400_000);

    fn device() -> TrustedDevice {
        TrustedDevice {
            id: DeviceId::new("d"),
            account: AccountId::new("a"),
            site: SiteName::new("campus"),
            door: Door::Browser,
            epoch: 3,
            counter: 7,
            moved: NOW,
            created: NOW,
            expires: NOW.plus(Duration::from_secs(DAY)),
            last_used: NOW,
            label: String::new(),
            address: String::new(),
        }
    }

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn f9_an_older_secret_is_a_copy_and_the_one_before_only_after_a_minute() {
        let (device, shown) = (device(), |counter| Shown { device: DeviceId::new("d"), counter });
        assert_eq!(device.worth(&shown(7), 3, after(3600)), Worth::Present);
        assert_eq!(device.worth(&shown(6), 3, after(59)), Worth::JustBefore);
        assert_eq!(device.worth(&shown(6), 3, after(60)), Worth::Copied);
        assert_eq!(
            device.worth(&shown(6), 3, NOW.minus(Duration::from_secs(90))),
            Worth::Copied,
            "F3: a clock put back"
        );
        assert_eq!(device.worth(&shown(5), 3, after(1)), Worth::Copied);
        assert_eq!(device.worth(&shown(i64::MIN), 3, after(1)), Worth::Copied);
        assert_eq!(device.worth(&shown(8), 3, after(1)), Worth::Over, "the database is an older one");
    }

    #[test]
    fn f9_a_device_dies_with_its_epoch_and_its_time() {
        let (device, shown) = (device(), Shown { device: DeviceId::new("d"), counter: 7 });
        assert_eq!(device.worth(&shown, 4, NOW), Worth::Over);
        assert_eq!(device.worth(&shown, 3, after(DAY - 1)), Worth::Present);
        assert_eq!(device.worth(&shown, 3, after(DAY)), Worth::Over);
        let old = Shown { counter: 1, ..shown };
        assert_eq!(device.worth(&old, 4, NOW), Worth::Over, "what is over raises no alarm");
    }

    #[test]
    fn f9_a_secret_opens_at_its_site_door_and_account_alone() {
        let ring = Keyring::generate(&SystemRng, Timestamp(0));
        let device = device();
        let secret = device.secret(&ring, &SystemRng, 7);
        let open = |ring: &Keyring, site: &str, door, account: &str, secret: &str| {
            Shown::open(ring, &SiteName::new(site), door, &AccountId::new(account), secret)
        };
        let shown = open(&ring, "campus", Door::Browser, "a", secret.expose()).unwrap();
        assert_eq!((shown.device.as_str(), shown.counter), ("d", 7));
        assert_eq!(open(&ring, "other", Door::Browser, "a", secret.expose()), None);
        assert_eq!(open(&ring, "campus", Door::App, "a", secret.expose()), None);
        assert_eq!(open(&ring, "campus", Door::Browser, "b", secret.expose()), None);
        let other = Keyring::generate(&SystemRng, Timestamp(0));
        assert_eq!(open(&other, "campus", Door::Browser, "a", secret.expose()), None);
        for bent in ["", "v1.x.y", &secret.expose()[1..], &"A".repeat(1 << 20)] {
            assert_eq!(open(&ring, "campus", Door::Browser, "a", bent), None);
        }
        assert!(secret.expose().len() < LONGEST);
    }

    /// As `mfa.signals` has it.
    fn lifetime(options: &str) -> Lifetime {
        let yaml = format!("{{ name: d, kind: device{options} }}");
        serde_yaml::from_str::<crate::mfa::config::Signal>(&yaml).unwrap().lifetime()
    }

    #[test]
    fn a_device_is_trusted_to_a_time_of_day_within_its_days() {
        let end = |options: &str| lifetime(options).end(NOW, Primary::Other).to_string();
        assert_eq!(lifetime(""), Lifetime::default());
        assert_eq!(end(""), "2026-11-22T02:00:00Z");
        assert_eq!(end(", days: 30"), "2026-12-21T09:30:00Z");
        assert_eq!(end(", days: 30, until: '02:00'"), "2026-12-21T02:00:00Z");
        assert_eq!(end(", until: '02:00', utc_offset: '+01:00'"), "2026-11-22T01:00:00Z");
        assert_eq!(
            end(", until: '02:00', utc_offset: '-09:30'"),
            "2026-11-21T11:30:00Z",
            "two in the night comes sooner"
        );
        assert_eq!(end(", until: '09:30'"), "2026-11-22T09:30:00Z");
        assert_eq!(end(", until: '09:31'"), "2026-11-21T09:31:00Z");
        for bad in ["until: '25:00'", "until: 2am", "utc_offset: Berlin", "days: 0", "days: 366", "hours: 1"] {
            let yaml = format!("{{ name: d, kind: device, {bad} }}");
            assert!(serde_yaml::from_str::<crate::mfa::config::Signal>(&yaml).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_lms_s_own_accounts_are_trusted_for_a_week_at_most() {
        assert_eq!(lifetime(", days: 90").end(NOW, Primary::Lms), after(7 * DAY));
        assert_eq!(lifetime(", days: 90").end(NOW, Primary::Other), after(90 * DAY));
        assert_eq!(lifetime(", days: 2").end(NOW, Primary::Lms), after(2 * DAY));
    }

    #[test]
    fn a_cookie_s_name_tells_nothing_and_is_the_account_s_own() {
        let ring = Keyring::generate(&SystemRng, Timestamp(0));
        let name = |account: &str| cookie_name(&ring, &AccountId::new(account));
        assert!(is_cookie(&name("a")) && name("a") == name("a") && name("a") != name("b"));
        assert!(name("a").bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
    }
}
