//! What is refused to an account for now, and the help desk's way to end it.
//!
//! Passwords are counted by site and by the name that was typed, factors by account. An account is unlocked under
//! every name that is its own: its user name, its address, and what each site's LMS calls it.

use super::{
    api::{Admin, AdminError, Operator, done},
    reply::{AccountRow, Reply, short},
};
use crate::{
    accounts::Account,
    audit::Event,
    limits::{Limit, Locked},
    types::{FactorKind, SiteName},
};

/// The help desk's code is guessed at as a factor is.
const HELP_DESK: &str = "help_desk";

impl Admin {
    /// One line for each thing that is locked.
    pub(super) async fn locked(&self, account: &Account) -> Result<Vec<String>, AdminError> {
        let names = self.names(account).await?;
        let locked = self.chain.load_full().throttle.locked(&account.id, &names, &guessable()).await?;
        let now = self.clock.now();
        Ok(locked.iter().map(|locked| format!("{} until {}", what(locked), short(now.plus(locked.rest)))).collect())
    }

    pub(super) async fn unlock(&self, by: Operator, account: &Account) -> Result<Reply, AdminError> {
        let names = self.names(account).await?;
        let chain = self.chain.load_full();
        let locked = chain.throttle.locked(&account.id, &names, &guessable()).await?;
        chain.throttle.unlock(&account.id, &names, &guessable()).await?;
        self.note(by, Event::AccountUnlocked { account: account.id.clone() });
        let called = AccountRow::of(account).called().to_owned();
        Ok(done(match locked.is_empty() {
            true => format!("{called}: nothing was locked; what was counted as wrong is forgotten"),
            false => {
                let what: Vec<String> = locked.iter().map(what).collect();
                format!("{called} is unlocked: {}", what.join("; "))
            }
        }))
    }

    async fn names(&self, account: &Account) -> Result<Vec<(SiteName, String)>, AdminError> {
        let chain = self.chain.load_full();
        let mut names = Vec::new();
        for site in &chain.sites {
            let binding = self.accounts.binding(&site.name, &account.id).await?;
            let there = binding.and_then(|binding| binding.lms_username);
            for name in [account.username.as_deref(), account.email.as_deref(), there.as_deref()].into_iter().flatten()
            {
                let name = (site.name.clone(), site.lms.canonical_username(name));
                if !name.1.is_empty() && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }
}

fn guessable() -> Vec<&'static str> {
    FactorKind::ALL.into_iter().map(FactorKind::as_str).chain([HELP_DESK]).collect()
}

fn what(locked: &Locked) -> String {
    let by = if locked.known_only { ", in a browser or app of its own" } else { "" };
    let at = locked.site.as_ref().map(|site| format!(" at {site}")).unwrap_or_default();
    match locked.limit {
        Limit::FactorsPerDay => "all factors, for the day".to_owned(),
        Limit::FactorsBeforeLock if locked.of == HELP_DESK => format!("codes of the help desk{by}"),
        Limit::FactorsBeforeLock => format!("factor {}{by}", locked.of),
        _ => format!("passwords of {}{at}{by}", locked.of),
    }
}
