//! The limits of design §2, over the port [`Counters`]. A slot is taken *before* a password or code is looked at, so
//! that five hundred parallel guesses are no more than ten (attacks E4, F2); a right one gives its slot back.

use super::{Config, Counters};
use crate::types::{AccountId, ClientAddr, SiteName, Unavailable};
use std::{sync::Arc, time::Duration};

/// A class that has forgotten its passwords; more within a window is somebody else.
const MAILS_PER_ADDRESS: i64 = 40;
/// Kept at one time, hence begun in a flow's life.
const FORMS_PER_ACCOUNT: i64 = 5;
const FORMS_PER_ADDRESS: i64 = 30;
const DAY: Duration = Duration::from_secs(24 * 3600);

pub struct Throttle {
    counters: Arc<dyn Counters>,
    config: Config,
}

/// Leave to look at one password.
pub struct PasswordSlot {
    /// `None` for the LMS's guest, whose password everybody knows.
    account: Option<String>,
    address: String,
}

/// Leave to look at one answer to a factor.
pub struct FactorSlot {
    factor: String,
    generation: String,
    day: String,
    flow: String,
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
    ) -> Result<Leave<PasswordSlot>, Unavailable> {
        let account = format!("password/account/{site}/{canonical}");
        let slot = match self.address(client).await? {
            Leave::Given(address) => PasswordSlot { account: Some(account.clone()), address },
            Leave::Refused { rest, limit } => return Ok(Leave::Refused { rest, limit }),
        };
        let window = self.config.window();
        let refused = |rest| Ok(Leave::Refused { rest, limit: Limit::PasswordsPerAccount });
        if self.counters.value(&lock(&account)).await? > 0 {
            self.landed(&slot.address).await?;
            return refused(window);
        }
        let count = self.counters.add(&account, 1, window).await?;
        if count.value > i64::from(self.config.wrong_passwords_per_account) {
            self.landed(&slot.address).await?;
            // Not looked at, hence not counted: the slots of right passwords in flight come back by themselves.
            self.counters.add(&account, -1, window).await?;
            return refused(count.resets_in);
        }
        Ok(Leave::Given(slot))
    }

    /// For the LMS's guest, who is everybody: a class that presses the button at once is not somebody guessing.
    pub async fn guest(&self, client: ClientAddr) -> Result<Leave<PasswordSlot>, Unavailable> {
        Ok(match self.address(client).await? {
            Leave::Given(address) => Leave::Given(PasswordSlot { account: None, address }),
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
            self.landed(&address).await?;
            return Ok(Leave::Refused { rest: self.config.window(), limit: Limit::PasswordsPerAddress });
        }
        Ok(Leave::Given(address))
    }

    async fn landed(&self, address: &str) -> Result<(), Unavailable> {
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
        let account = format!("password/account/{site}/{canonical}");
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
        self.landed(&slot.address).await?;
        let Some(account) = slot.account else { return Ok(()) };
        self.counters.add(&account, -1, self.config.window()).await.map(|_| ())
    }

    pub async fn password_wrong(&self, slot: PasswordSlot) -> Result<(), Unavailable> {
        let window = self.config.window();
        self.counters.add(&slot.address, 1, window).await?;
        self.landed(&slot.address).await?;
        let Some(account) = slot.account else { return Ok(()) };
        // Of what was found wrong: the counter of slots also holds what is in flight, and what is about to be refused.
        let wrong = self.counters.add(&wrong(&account), 1, window).await?.value;
        if wrong >= i64::from(self.config.wrong_passwords_per_account) {
            self.counters.add(&lock(&account), 1, window).await?;
        }
        Ok(())
    }

    /// For one answer within a flow. `factor` is a factor's name, or another secret that can be guessed at.
    pub async fn factor(
        &self,
        account: &AccountId,
        factor: &str,
        flow: &str,
    ) -> Result<Leave<FactorSlot>, Unavailable> {
        let factor_key = format!("factor/{account}/{factor}");
        if self.counters.value(&lock(&factor_key)).await? > 0 {
            return Ok(Leave::Refused { rest: self.config.lock(), limit: Limit::FactorsBeforeLock });
        }
        // The generation changes with every lock, so that a slow guess of the last one cannot fill the next.
        let generation = self.counters.value(&format!("{factor_key}/locks")).await?;
        let slot = FactorSlot {
            generation: format!("{factor_key}/wrong/{generation}"),
            factor: factor_key,
            day: format!("factor/{account}/day"),
            flow: flow_key(flow),
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
        }
        let in_flow = self.counters.add(&wrong(&slot.flow), 1, DAY).await?.value;
        Ok(self.left(in_flow))
    }

    /// How many answers a flow has left.
    pub async fn factor_left(&self, flow: &str) -> Result<u32, Unavailable> {
        Ok(self.left(self.counters.value(&wrong(&flow_key(flow))).await?))
    }

    fn left(&self, wrong: i64) -> u32 {
        u32::try_from(i64::from(self.config.wrong_factors_per_flow).saturating_sub(wrong)).unwrap_or(0)
    }
}

fn flow_key(flow: &str) -> String {
    format!("factor/flow/{flow}")
}

/// Being judged at this moment.
fn in_flight(address: &str) -> String {
    format!("{address}/in-flight")
}

/// What was looked at and found wrong.
fn wrong(key: &str) -> String {
    format!("{key}/found-wrong")
}

fn lock(key: &str) -> String {
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
    use crate::limits::Count;
    use async_trait::async_trait;
    use std::{collections::HashMap, sync::Mutex};

    /// Windows that never end: enough for counting rules. The real ones pass the contract suite.
    #[derive(Default)]
    struct Plain(Mutex<HashMap<String, i64>>);

    #[async_trait]
    impl Counters for Plain {
        async fn add(&self, name: &str, by: i64, window: Duration) -> Result<Count, Unavailable> {
            let mut map = self.0.lock().unwrap();
            let value = map.entry(name.to_owned()).or_default();
            *value = (*value + by).max(0);
            Ok(Count { value: *value, resets_in: window })
        }
        async fn value(&self, name: &str) -> Result<i64, Unavailable> {
            Ok(self.0.lock().unwrap().get(name).copied().unwrap_or(0))
        }
        async fn clear(&self, name: &str) -> Result<(), Unavailable> {
            self.0.lock().unwrap().remove(name);
            Ok(())
        }
    }

    fn throttle() -> Throttle {
        Throttle::new(Arc::new(Plain::default()), Config::default())
    }

    async fn guess(throttle: &Throttle, name: &str, address: [u8; 4]) -> bool {
        let client = ClientAddr::new(address.into());
        match throttle.password(&SiteName::new("campus"), name, client).await.unwrap() {
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
            let Leave::Given(slot) = throttle.password(&SiteName::new("campus"), "alice", client).await.unwrap() else {
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
            if let Leave::Given(slot) = throttle.factor(&account, "totp", "f").await.unwrap() {
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
            let Leave::Given(slot) = throttle.factor(&account, "totp", "next").await.unwrap() else {
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
                if let Leave::Given(slot) = throttle.factor(&account, "totp", &flow.to_string()).await.unwrap() {
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
        let leave = async || throttle.factor(&account, "totp", "flow").await.unwrap();
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
            if let Leave::Given(slot) = throttle.password(&site, "alice", client).await.unwrap() {
                slots.push(slot);
            }
        }
        assert_eq!(slots.len(), 10);
        for slot in slots {
            throttle.password_not_wrong(slot).await.unwrap();
        }
        assert!(matches!(throttle.password(&site, "alice", client).await.unwrap(), Leave::Given(_)));
    }

    #[tokio::test]
    async fn a_right_code_resets_the_factor_but_not_the_day() {
        let throttle = throttle();
        let account = AccountId::new("a");
        let mut wrong = 0;
        for flow in 0..40 {
            for answer in 0..5 {
                match throttle.factor(&account, "totp", &flow.to_string()).await.unwrap() {
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
