//! What is locked, until when, and the help desk's way to end it.

use super::{
    Limit, Throttle,
    throttle::{CODES_PER_DAY, DAY, account_key, codes_of, day, lock, name_key, noted, unlockings, wrong},
};
use crate::types::{AccountId, SiteName, Unavailable};
use std::time::Duration;

/// How long a lane's number is remembered: longer than any counter made under the one before it.
const LANES: Duration = Duration::from_secs(2 * 24 * 3600);

/// Something that is refused at present, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    pub limit: Limit,
    /// Where passwords are refused; factors are locked everywhere.
    pub site: Option<SiteName>,
    /// The name that was typed, or the factor; empty for all factors of an account.
    pub of: String,
    /// Only in one of the browsers and apps that are known for the account.
    pub known_only: bool,
    pub rest: Duration,
}

impl Throttle {
    /// Everything that is locked of these names at their sites, and of the account's factors.
    pub async fn locked(
        &self,
        account: &AccountId,
        names: &[(SiteName, String)],
        factors: &[&str],
    ) -> Result<Vec<Locked>, Unavailable> {
        let mut found = Vec::new();
        for (site, name) in names {
            let key = name_key(site, name);
            let limit = Limit::PasswordsPerAccount;
            self.find(&mut found, &key, |known_only, rest| {
                let (site, of) = (Some(site.clone()), name.clone());
                Locked { limit, site, of, known_only, rest }
            })
            .await?;
        }
        let of_account = account_key(account);
        for factor in factors {
            let limit = Limit::FactorsBeforeLock;
            self.find(&mut found, &format!("{of_account}/{factor}"), |known_only, rest| {
                let of = (*factor).to_owned();
                Locked { limit, site: None, of, known_only, rest }
            })
            .await?;
        }
        let today = self.counters.look(&day(&of_account)).await?;
        if today.value >= i64::from(self.config.wrong_factors_per_day) {
            let (limit, rest) = (Limit::FactorsPerDay, today.resets_in);
            found.push(Locked { limit, site: None, of: String::new(), known_only: false, rest });
        }
        let sent = self.counters.look(&codes_of(account)).await?;
        if sent.value >= CODES_PER_DAY {
            let (limit, rest) = (Limit::CodesPerDay, sent.resets_in);
            found.push(Locked { limit, site: None, of: String::new(), known_only: false, rest });
        }
        Ok(found)
    }

    async fn find(
        &self,
        found: &mut Vec<Locked>,
        key: &str,
        locked: impl Fn(bool, Duration) -> Locked,
    ) -> Result<(), Unavailable> {
        for (name, known_only) in [(lock(key), false), (noted(key), true)] {
            let count = self.counters.look(&name).await?;
            if count.value > 0 {
                found.push(locked(known_only, count.resets_in));
            }
        }
        Ok(())
    }

    /// Forgets what was wrong, and ends what is locked, in every lane.
    pub async fn unlock(
        &self,
        account: &AccountId,
        names: &[(SiteName, String)],
        factors: &[&str],
    ) -> Result<(), Unavailable> {
        for (site, name) in names {
            let key = name_key(site, name);
            self.forget(&[key.clone(), wrong(&key), lock(&key), noted(&key)]).await?;
            self.counters.add(&unlockings(&key), 1, LANES).await?;
        }
        let of_account = account_key(account);
        for factor in factors {
            let key = format!("{of_account}/{factor}");
            let generation = format!("{key}/wrong/{}", self.counters.value(&format!("{key}/locks")).await?);
            self.forget(&[generation.clone(), wrong(&generation), lock(&key), noted(&key)]).await?;
        }
        self.forget(&[day(&of_account), codes_of(account)]).await?;
        self.counters.add(&unlockings(&of_account), 1, LANES).await.map(|_| ())
    }

    async fn forget(&self, keys: &[String]) -> Result<(), Unavailable> {
        for key in keys {
            self.counters.clear(key).await?;
        }
        Ok(())
    }
}

const _: () = assert!(LANES.as_secs() > DAY.as_secs());
