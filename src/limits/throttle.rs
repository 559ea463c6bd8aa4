//! The limits of design §2, over the port [`Counters`]. A slot is taken *before* a password or code is looked at, so
//! that five hundred parallel guesses are no more than ten (attacks E4, F2); a right one gives its slot back.

use super::{Config, Counters, Lane};
use crate::types::{AccountId, ClientAddr, SiteName, Unavailable};
use std::{sync::Arc, time::Duration};

/// A class that has forgotten its passwords; more within a window is somebody else.
const MAILS_PER_ADDRESS: i64 = 40;
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);
/// A flow lives ten minutes: somebody whose fifth letter did not come needs another factor, not a sixth letter.
const CODES_PER_FLOW: i64 = 5;
/// Four sign-ins with every letter lost, each day. Whoever knows a password can have a mailbox or phone called no
/// oftener (attack F14).
pub(super) const CODES_PER_DAY: i64 = 20;
/// Kept at one time, hence begun in a flow's life.
const FORMS_PER_ACCOUNT: i64 = 5;
const FORMS_PER_ADDRESS: i64 = 30;

pub struct Throttle {
    pub(super) counters: Arc<dyn Counters>,
    pub(super) config: Config,
}

/// Leave to look at one password.
pub struct PasswordSlot {
    /// `None` for the LMS's guest, whose password everybody knows.
    account: Option<String>,
    /// `None` in a lane of its own, which is bound as tightly as any account.
    address: Option<String>,
    /// Where the lock of a lane is noted, for whoever asks what is locked.
    note: Option<String>,
}

/// Leave to look at one answer to a factor.
pub struct FactorSlot {
    factor: String,
    generation: String,
    day: String,
    flow: String,
    note: Option<String>,
}

impl PasswordSlot {
    /// Whether it is of a browser or app that is known for the account.
    pub fn is_known(&self) -> bool {
        self.note.is_some()
    }
}

/// Leave to send one code.
pub struct CodeSlot {
    keys: [String; 3],
}

/// Which limit refused, by its key in gateway.yaml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    PasswordsPerAccount,
    PasswordsPerAddress,
    FactorsBeforeLock,
    FactorsPerFlow,
    FactorsPerDay,
    MailsPerAddress,
    /// A code went out within the last minute.
    CodesPerMinute,
    CodesPerFlow,
    CodesPerDay,
    Forms,
}

impl Limit {
    pub fn as_str(self) -> &'static str {
        match self {
            Limit::PasswordsPerAccount => "wrong_passwords_per_account",
            Limit::PasswordsPerAddress => "wrong_passwords_per_address",
            Limit::FactorsBeforeLock => "wrong_factors_before_lock",
            Limit::FactorsPerFlow => "wrong_factors_per_flow",
            Limit::FactorsPerDay => "wrong_factors_per_day",
            Limit::MailsPerAddress => "mails_per_address",
            Limit::CodesPerMinute => "codes_per_minute",
            Limit::CodesPerFlow => "codes_per_flow",
            Limit::CodesPerDay => "codes_per_day",
            Limit::Forms => "forms_kept",
        }
    }
}

/// What became of asking for leave.
pub enum Leave<T> {
    Given(T),
    /// Too many were wrong; the rest of the time it stays refused.
    Refused {
        rest: Duration,
        limit: Limit,
    },
}

/// How near a name or an address is to being refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    pub limit: Limit,
    /// Found wrong in this window.
    pub wrong: i64,
    pub most: i64,
    pub full: bool,
}

impl Throttle {
    pub fn new(counters: Arc<dyn Counters>, config: Config) -> Self {
        Self { counters, config }
    }

    /// For a name as the source reads it: spellings of one account share a counter (attack E3).
    pub async fn password(
        &self,
        site: &SiteName,
        canonical: &str,
        client: ClientAddr,
        lane: &Lane,
    ) -> Result<Leave<PasswordSlot>, Unavailable> {
        let common = name_key(site, canonical);
        let account = self.in_lane(&common, lane).await?;
        let slot = match lane {
            // Also past the address: behind a school's one address a stranger could fill its counter for everybody.
            Lane::Known(_) => {
                PasswordSlot { account: Some(account.clone()), address: None, note: Some(noted(&common)) }
            }
            Lane::Common => match self.address(client).await? {
                Leave::Given(address) => {
                    PasswordSlot { account: Some(account.clone()), address: Some(address), note: None }
                }
                Leave::Refused { rest, limit } => return Ok(Leave::Refused { rest, limit }),
            },
        };
        let window = self.config.window();
        let refused = |rest| Ok(Leave::Refused { rest, limit: Limit::PasswordsPerAccount });
        if self.counters.value(&lock(&account)).await? > 0 {
            self.landed(slot.address.as_deref()).await?;
            return refused(window);
        }
        let count = self.counters.add(&account, 1, window).await?;
        if count.value > i64::from(self.config.wrong_passwords_per_account) {
            self.landed(slot.address.as_deref()).await?;
            // Not looked at, hence not counted: the slots of right passwords in flight come back by themselves.
            self.counters.add(&account, -1, window).await?;
            return refused(count.resets_in);
        }
        Ok(Leave::Given(slot))
    }

    /// For the LMS's guest, who is everybody: a class that presses the button at once is not somebody guessing.
    pub async fn guest(&self, client: ClientAddr) -> Result<Leave<PasswordSlot>, Unavailable> {
        Ok(match self.address(client).await? {
            Leave::Given(address) => Leave::Given(PasswordSlot { account: None, address: Some(address), note: None }),
            Leave::Refused { rest, limit } => Leave::Refused { rest, limit },
        })
    }

    /// The address's counter, unless it is full: of wrong ones, or of twice as many in flight, which a school behind
    /// one address does not reach and a crowd of parallel guesses does (attack E4).
    async fn address(&self, client: ClientAddr) -> Result<Leave<String>, Unavailable> {
        let address = format!("password/address/{}", client.bucket());
        let most = i64::from(self.config.wrong_passwords_per_address);
        let flying = self.counters.add(&in_flight(&address), 1, self.config.window()).await?.value;
        if flying > 2 * most || self.counters.value(&address).await? >= most {
            self.landed(Some(&address)).await?;
            return Ok(Leave::Refused { rest: self.config.window(), limit: Limit::PasswordsPerAddress });
        }
        Ok(Leave::Given(address))
    }

    async fn landed(&self, address: Option<&str>) -> Result<(), Unavailable> {
        let Some(address) = address else { return Ok(()) };
        self.counters.add(&in_flight(address), -1, self.config.window()).await.map(|_| ())
    }

    /// For something that sends mail on a stranger's word, such as a password reset (entry 24).
    pub async fn mail(&self, client: ClientAddr) -> Result<Leave<()>, Unavailable> {
        let key = format!("mail/address/{}", client.bucket());
        let count = self.counters.add(&key, 1, self.config.window()).await?;
        Ok(match count.value > MAILS_PER_ADDRESS {
            true => Leave::Refused { rest: count.resets_in, limit: Limit::MailsPerAddress },
            false => Leave::Given(()),
        })
    }

    /// For a code to somebody, by mail or as a text message: one a minute and five in a flow, twenty a day for an
    /// account. A browser or app that its owner has used has twenty of its own (attack E6).
    pub async fn send_code(
        &self,
        account: &AccountId,
        flow: &str,
        lane: &Lane,
    ) -> Result<Leave<CodeSlot>, Unavailable> {
        let of_day = match lane {
            Lane::Common => codes_of(account),
            Lane::Known(mark) => format!("{}/known/{mark}", codes_of(account)),
        };
        let keys = [format!("codes/flow/{flow}/minute"), format!("codes/flow/{flow}"), of_day];
        let limits = [
            (1, MINUTE, Limit::CodesPerMinute),
            (CODES_PER_FLOW, DAY, Limit::CodesPerFlow),
            (CODES_PER_DAY, DAY, Limit::CodesPerDay),
        ];
        for (taken, (most, window, limit)) in limits.into_iter().enumerate() {
            let count = self.counters.add(&keys[taken], 1, window).await?;
            if count.value > most {
                // Nothing was sent, so nothing stays counted.
                self.give_back(&keys[..=taken].iter().map(String::as_str).collect::<Vec<_>>()).await?;
                return Ok(Leave::Refused { rest: count.resets_in, limit });
            }
        }
        Ok(Leave::Given(CodeSlot { keys }))
    }

    /// It could not be sent.
    pub async fn code_not_sent(&self, slot: CodeSlot) -> Result<(), Unavailable> {
        self.give_back(&slot.keys.each_ref().map(String::as_str)).await
    }

    /// Whether another form of this account may be kept over a step-up or a sign-in. Each is as large as a book, and a
    /// script on an LMS page can send as many as it likes.
    pub async fn form(
        &self,
        account: &AccountId,
        client: ClientAddr,
        window: Duration,
    ) -> Result<Leave<()>, Unavailable> {
        let places = [
            (format!("forms/account/{account}"), FORMS_PER_ACCOUNT),
            (format!("forms/address/{}", client.bucket()), FORMS_PER_ADDRESS),
        ];
        for (key, most) in places {
            let count = self.counters.add(&key, 1, window).await?;
            if count.value > most {
                return Ok(Leave::Refused { rest: count.resets_in, limit: Limit::Forms });
            }
        }
        Ok(Leave::Given(()))
    }

    /// What [`Self::password`] goes by, without counting anything.
    pub async fn look(
        &self,
        site: &SiteName,
        canonical: &str,
        client: Option<ClientAddr>,
    ) -> Result<Vec<Level>, Unavailable> {
        let account = name_key(site, canonical);
        let found = self.counters.value(&wrong(&account)).await?;
        let most = i64::from(self.config.wrong_passwords_per_account);
        let full = self.counters.value(&lock(&account)).await? > 0;
        let mut levels = vec![Level { limit: Limit::PasswordsPerAccount, wrong: found, most, full }];
        if let Some(client) = client {
            let found = self.counters.value(&format!("password/address/{}", client.bucket())).await?;
            let most = i64::from(self.config.wrong_passwords_per_address);
            levels.push(Level { limit: Limit::PasswordsPerAddress, wrong: found, most, full: found >= most });
        }
        Ok(levels)
    }

    /// Once means once, on all nodes (design R5): true for the first who asks about `what` within `window`.
    pub async fn first(&self, what: &str, window: Duration) -> Result<bool, Unavailable> {
        Ok(self.counters.add(&format!("once/{what}"), 1, window).await?.value == 1)
    }

    /// Whether somebody was first about `what`, within its window.
    pub async fn happened(&self, what: &str) -> Result<bool, Unavailable> {
        Ok(self.counters.value(&format!("once/{what}")).await? > 0)
    }

    /// A right password, or one nobody could judge: never counts.
    pub async fn password_not_wrong(&self, slot: PasswordSlot) -> Result<(), Unavailable> {
        self.landed(slot.address.as_deref()).await?;
        let Some(account) = slot.account else { return Ok(()) };
        self.counters.add(&account, -1, self.config.window()).await.map(|_| ())
    }

    pub async fn password_wrong(&self, slot: PasswordSlot) -> Result<(), Unavailable> {
        let window = self.config.window();
        if let Some(address) = &slot.address {
            self.counters.add(address, 1, window).await?;
        }
        self.landed(slot.address.as_deref()).await?;
        let Some(account) = slot.account else { return Ok(()) };
        // Of what was found wrong: the counter of slots also holds what is in flight, and what is about to be refused.
        let wrong = self.counters.add(&wrong(&account), 1, window).await?.value;
        if wrong >= i64::from(self.config.wrong_passwords_per_account) {
            self.counters.add(&lock(&account), 1, window).await?;
            self.note(slot.note, window).await?;
        }
        Ok(())
    }

    /// For one answer within a flow. `factor` is a factor's name, or another secret that can be guessed at.
    pub async fn factor(
        &self,
        account: &AccountId,
        factor: &str,
        flow: &str,
        lane: &Lane,
    ) -> Result<Leave<FactorSlot>, Unavailable> {
        let of_account = self.in_lane(&account_key(account), lane).await?;
        let factor_key = format!("{of_account}/{factor}");
        if self.counters.value(&lock(&factor_key)).await? > 0 {
            return Ok(Leave::Refused { rest: self.config.lock(), limit: Limit::FactorsBeforeLock });
        }
        // The generation changes with every lock, so that a slow guess of the last one cannot fill the next.
        let generation = self.counters.value(&format!("{factor_key}/locks")).await?;
        let slot = FactorSlot {
            generation: format!("{factor_key}/wrong/{generation}"),
            factor: factor_key,
            day: day(&of_account),
            flow: flow_key(flow),
            note: matches!(lane, Lane::Known(_)).then(|| noted(&format!("{}/{factor}", account_key(account)))),
        };
        let limits = [
            (&slot.flow, self.config.wrong_factors_per_flow, Limit::FactorsPerFlow),
            (&slot.day, self.config.wrong_factors_per_day, Limit::FactorsPerDay),
            (&slot.generation, self.config.wrong_factors_before_lock, Limit::FactorsBeforeLock),
        ];
        for (taken, (key, most, limit)) in limits.into_iter().enumerate() {
            let count = self.counters.add(key, 1, DAY).await?;
            if count.value > i64::from(most) {
                // Nothing was looked at, so nothing stays counted (attack F1: one code sent fifty times).
                let keys: Vec<&str> = limits[..=taken].iter().map(|(key, ..)| key.as_str()).collect();
                self.give_back(&keys).await?;
                let locked = key == &slot.generation;
                return Ok(Leave::Refused { rest: if locked { self.config.lock() } else { count.resets_in }, limit });
            }
        }
        Ok(Leave::Given(slot))
    }

    async fn give_back(&self, keys: &[&str]) -> Result<(), Unavailable> {
        for key in keys {
            self.counters.add(key, -1, DAY).await?;
        }
        Ok(())
    }

    /// A right answer resets the factor's counter; the day's keeps what was wrong before.
    pub async fn factor_right(&self, slot: FactorSlot) -> Result<(), Unavailable> {
        self.counters.clear(&slot.generation).await?;
        self.counters.clear(&wrong(&slot.generation)).await?;
        self.counters.add(&slot.day, -1, DAY).await.map(|_| ())
    }

    /// Neither right nor wrong, such as a code that was right once before: gives the slot back.
    pub async fn factor_not_wrong(&self, slot: FactorSlot) -> Result<(), Unavailable> {
        self.give_back(&[&slot.generation, &slot.day, &slot.flow]).await
    }

    /// Returns how many answers the flow has left. Only what was found wrong is subtracted: an answer in flight
    /// beside it may be the right one.
    pub async fn factor_wrong(&self, slot: FactorSlot) -> Result<u32, Unavailable> {
        let of_factor = self.counters.add(&wrong(&slot.generation), 1, DAY).await?.value;
        if of_factor >= i64::from(self.config.wrong_factors_before_lock) {
            self.counters.add(&lock(&slot.factor), 1, self.config.lock()).await?;
            self.counters.add(&format!("{}/locks", slot.factor), 1, DAY).await?;
            self.note(slot.note, self.config.lock()).await?;
        }
        let in_flow = self.counters.add(&wrong(&slot.flow), 1, DAY).await?.value;
        Ok(self.left(in_flow))
    }

    /// How many answers a flow has left.
    pub async fn factor_left(&self, flow: &str) -> Result<u32, Unavailable> {
        Ok(self.left(self.counters.value(&wrong(&flow_key(flow))).await?))
    }

    /// The counters of one lane of a name or account. They begin anew with every unlocking, because nobody can list
    /// the lanes there are.
    async fn in_lane(&self, common: &str, lane: &Lane) -> Result<String, Unavailable> {
        Ok(match lane {
            Lane::Common => common.to_owned(),
            Lane::Known(mark) => {
                format!("{common}/known/{}/{mark}", self.counters.value(&unlockings(common)).await?)
            }
        })
    }

    async fn note(&self, note: Option<String>, window: Duration) -> Result<(), Unavailable> {
        match note {
            Some(note) => self.counters.add(&note, 1, window).await.map(|_| ()),
            None => Ok(()),
        }
    }

    fn left(&self, wrong: i64) -> u32 {
        u32::try_from(i64::from(self.config.wrong_factors_per_flow).saturating_sub(wrong)).unwrap_or(0)
    }
}

pub(super) fn name_key(site: &SiteName, canonical: &str) -> String {
    format!("password/account/{site}/{canonical}")
}

pub(super) fn account_key(account: &AccountId) -> String {
    format!("factor/{account}")
}

pub(super) fn day(of_account: &str) -> String {
    format!("{of_account}/day")
}

/// How often the lanes of a name or account were unlocked.
pub(super) fn unlockings(common: &str) -> String {
    format!("{common}/unlockings")
}

/// That some lane of it is locked.
pub(super) fn noted(common: &str) -> String {
    format!("{common}/known-locked")
}

pub(super) fn codes_of(account: &AccountId) -> String {
    format!("codes/account/{account}")
}

fn flow_key(flow: &str) -> String {
    format!("factor/flow/{flow}")
}

/// Being judged at this moment.
fn in_flight(address: &str) -> String {
    format!("{address}/in-flight")
}

/// What was looked at and found wrong.
pub(super) fn wrong(key: &str) -> String {
    format!("{key}/found-wrong")
}

pub(super) fn lock(key: &str) -> String {
    format!("{key}/lock")
}

impl Config {
    fn window(&self) -> Duration {
        Duration::from_secs(self.window_minutes.saturating_mul(60))
    }
    fn lock(&self) -> Duration {
        Duration::from_secs(self.lock_minutes.saturating_mul(60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::lane_tests::Plain;

    fn throttle() -> Throttle {
        Throttle::new(Arc::new(Plain::default()), Config::default())
    }

    async fn guess(throttle: &Throttle, name: &str, address: [u8; 4]) -> bool {
        let client = ClientAddr::new(address.into());
        match throttle.password(&SiteName::new("campus"), name, client, &Lane::Common).await.unwrap() {
            Leave::Given(slot) => {
                throttle.password_wrong(slot).await.unwrap();
                true
            }
            Leave::Refused { .. } => false,
        }
    }

    #[tokio::test]
    async fn e4_ten_wrong_passwords_an_account_and_a_hundred_an_address() {
        let throttle = throttle();
        let mut looked_at = 0;
        for i in 0..30 {
            looked_at += usize::from(guess(&throttle, "alice", [192, 0, 2, i]).await);
        }
        assert_eq!(looked_at, 10);
        let mut sprayed = 0;
        for i in 0..300 {
            sprayed += usize::from(guess(&throttle, &format!("u{i}"), [198, 51, 100, 1]).await);
        }
        assert_eq!(sprayed, 100);
    }

    #[tokio::test]
    async fn a_right_password_never_counts() {
        let throttle = throttle();
        for _ in 0..50 {
            let client = ClientAddr::new([192, 0, 2, 1].into());
            let Leave::Given(slot) =
                throttle.password(&SiteName::new("campus"), "alice", client, &Lane::Common).await.unwrap()
            else {
                panic!("refused")
            };
            throttle.password_not_wrong(slot).await.unwrap();
        }
    }

    #[tokio::test]
    async fn f1_what_is_refused_unseen_is_not_counted() {
        let throttle = throttle();
        let account = AccountId::new("a");
        let mut slots = Vec::new();
        for _ in 0..50 {
            if let Leave::Given(slot) = throttle.factor(&account, "totp", "f", &Lane::Common).await.unwrap() {
                slots.push(slot);
            }
        }
        assert_eq!(slots.len(), 5);
        let right = slots.pop().unwrap();
        for wrong in slots {
            assert!(throttle.factor_wrong(wrong).await.unwrap() > 0, "the fifth may be the right one");
        }
        throttle.factor_right(right).await.unwrap();
        for _ in 0..40 {
            let Leave::Given(slot) = throttle.factor(&account, "totp", "next", &Lane::Common).await.unwrap() else {
                panic!("refused")
            };
            throttle.factor_not_wrong(slot).await.unwrap();
        }
    }

    #[tokio::test]
    async fn f2_five_wrong_codes_end_a_flow_and_ten_lock_the_factor() {
        let throttle = throttle();
        let account = AccountId::new("a");
        let mut looked_at = 0;
        for flow in 0..20 {
            for _ in 0..8 {
                if let Leave::Given(slot) =
                    throttle.factor(&account, "totp", &flow.to_string(), &Lane::Common).await.unwrap()
                {
                    looked_at += 1;
                    throttle.factor_wrong(slot).await.unwrap();
                }
            }
        }
        assert_eq!(looked_at, 10);
    }

    #[tokio::test]
    async fn f1_what_was_not_looked_at_is_not_counted() {
        let throttle = throttle();
        let account = AccountId::new("a");
        let leave = async || throttle.factor(&account, "totp", "flow", &Lane::Common).await.unwrap();
        let mut slots = Vec::new();
        for _ in 0..50 {
            match leave().await {
                Leave::Given(slot) => slots.push(slot),
                Leave::Refused { limit, .. } => assert_eq!(limit, Limit::FactorsPerFlow),
            }
        }
        assert_eq!((slots.len(), throttle.factor_left("flow").await.unwrap()), (5, 5), "none was found wrong");
        for slot in slots {
            throttle.factor_not_wrong(slot).await.unwrap();
        }
        assert_eq!(throttle.factor_left("flow").await.unwrap(), 5);
        let client = ClientAddr::new([192, 0, 2, 1].into());
        let site = SiteName::new("campus");
        let mut slots = Vec::new();
        for _ in 0..50 {
            if let Leave::Given(slot) = throttle.password(&site, "alice", client, &Lane::Common).await.unwrap() {
                slots.push(slot);
            }
        }
        assert_eq!(slots.len(), 10);
        for slot in slots {
            throttle.password_not_wrong(slot).await.unwrap();
        }
        assert!(matches!(throttle.password(&site, "alice", client, &Lane::Common).await.unwrap(), Leave::Given(_)));
    }

    #[tokio::test]
    async fn f14_codes_go_out_one_a_minute_five_a_flow_and_twenty_a_day() {
        let counters = Arc::new(Plain::default());
        let throttle = Throttle::new(counters.clone(), Config::default());
        let (account, other) = (AccountId::new("a"), AccountId::new("b"));
        let mut refusals = Vec::new();
        let mut sent = 0;
        for flow in 0..6 {
            for _ in 0..7 {
                for _ in 0..2 {
                    match throttle.send_code(&account, &flow.to_string(), &Lane::Common).await.unwrap() {
                        Leave::Given(_) => sent += 1,
                        Leave::Refused { limit, .. } => refusals.push(limit),
                    }
                }
                // A minute later.
                counters.clear(&format!("codes/flow/{flow}/minute")).await.unwrap();
            }
        }
        assert_eq!(sent, 20);
        for limit in [Limit::CodesPerMinute, Limit::CodesPerFlow, Limit::CodesPerDay] {
            assert!(refusals.contains(&limit), "{limit:?}");
        }
        assert!(matches!(throttle.send_code(&other, "another", &Lane::Common).await.unwrap(), Leave::Given(_)));
    }

    #[tokio::test]
    async fn f14_of_fifty_at_once_one_code_goes_out_and_what_could_not_be_sent_is_not_counted() {
        let throttle = throttle();
        let account = AccountId::new("a");
        let asked = (0..50).map(|_| throttle.send_code(&account, "flow", &Lane::Common));
        let leaves = futures_util::future::join_all(asked).await;
        let mut given: Vec<CodeSlot> = leaves
            .into_iter()
            .filter_map(|leave| match leave.unwrap() {
                Leave::Given(slot) => Some(slot),
                Leave::Refused { .. } => None,
            })
            .collect();
        assert_eq!(given.len(), 1);
        throttle.code_not_sent(given.remove(0)).await.unwrap();
        for _ in 0..40 {
            match throttle.send_code(&account, "flow", &Lane::Common).await.unwrap() {
                Leave::Given(slot) => throttle.code_not_sent(slot).await.unwrap(),
                Leave::Refused { limit, .. } => panic!("{limit:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_right_code_resets_the_factor_but_not_the_day() {
        let throttle = throttle();
        let account = AccountId::new("a");
        let mut wrong = 0;
        for flow in 0..40 {
            for answer in 0..5 {
                match throttle.factor(&account, "totp", &flow.to_string(), &Lane::Common).await.unwrap() {
                    Leave::Given(slot) if answer == 4 => throttle.factor_right(slot).await.unwrap(),
                    Leave::Given(slot) => {
                        wrong += 1;
                        throttle.factor_wrong(slot).await.unwrap();
                    }
                    Leave::Refused { .. } => {}
                }
            }
        }
        assert_eq!(wrong, 30);
    }
}
