//! What a site's LMS says of somebody's groups, read for the rules that are meant for some people only.
//!
//! Asked at every sign-in, within a deadline, and for accounts in use about as often as their sources are. What is not
//! answered in time is unreadable, which the policy takes strictly (attack J16), and is asked again a minute later.

use super::Hall;
use crate::{
    accounts::{AccountStore, LmsGroupStore, Reading},
    lms::groups::GroupsError,
    types::{AccountId, Clock, LmsUserId, Unavailable},
};
use std::{sync::Arc, time::Duration};

/// Somebody waits for it at sign-in.
const DEADLINE: Duration = Duration::from_secs(3);
/// How old a reading of an account in use may grow, as with the sources' (design §2 "Leavers").
const RECHECK: Duration = Duration::from_secs(900);

/// What is needed to read and to note it.
#[derive(Clone)]
pub struct GroupReader {
    pub accounts: Arc<dyn AccountStore>,
    pub groups: Arc<dyn LmsGroupStore>,
    pub clock: Arc<dyn Clock>,
}

impl GroupReader {
    /// Asks the site's LMS about an account, where it is asked at all, and notes the answer or the lack of one.
    pub async fn read(&self, hall: &Hall, account: &AccountId) -> Result<(), Unavailable> {
        let Some(reader) = &hall.groups else { return Ok(()) };
        let Some(user) = self.lms_user(hall, account).await? else {
            // Nobody knows yet who they are there: the LMS may have had them, and their groups, for years.
            self.groups.note_groups(&hall.site.name, account, Reading::Unreadable, self.clock.now()).await?;
            return Ok(());
        };
        let read = tokio::time::timeout(DEADLINE, reader.of(user)).await;
        let read = read.unwrap_or_else(|_| Err(GroupsError::Database(format!("no answer within {DEADLINE:?}"))));
        let reading = match &read {
            Ok(groups) => Reading::Groups(groups),
            Err(_) => Reading::Unreadable,
        };
        let news = self.groups.note_groups(&hall.site.name, account, reading, self.clock.now()).await?;
        if let (Err(error), true) = (read, news) {
            tracing::warn!(site = %hall.site.name, %account, %error, "the LMS does not say which groups somebody is in; the strictest rule that could be meant for them applies");
        }
        Ok(())
    }

    /// The same for an account in use, where its last reading has grown old or failed. Whoever is nobody at that site is
    /// asked about when they come to it: else one site would make all the others strict with those who never do.
    pub async fn read_if_due(&self, hall: &Hall, account: &AccountId) -> Result<(), Unavailable> {
        if hall.groups.is_none() {
            return Ok(());
        }
        let last = self.groups.last_reading(&hall.site.name, account).await?;
        let due = last.is_none_or(|last| !last.readable || self.clock.now().since(last.at) >= RECHECK);
        // Who has never signed in at this site is nobody there, and stays so until they do.
        if due && self.lms_user(hall, account).await?.is_some() { self.read(hall, account).await } else { Ok(()) }
    }

    /// By the binding or, before there is one, by the method of the site's LMS as a source.
    async fn lms_user(&self, hall: &Hall, account: &AccountId) -> Result<Option<LmsUserId>, Unavailable> {
        if let Some(binding) = self.accounts.binding(&hall.site.name, account).await? {
            return Ok(Some(binding.lms_user));
        }
        let own = |name: &_| hall.instances.iter().any(|i| i.name == *name && i.kind.name == "lms");
        let methods = self.accounts.methods(account).await?;
        let subject = methods.iter().find(|method| own(&method.source)).map(|method| method.subject.as_str());
        Ok(subject.and_then(|subject| subject.parse().ok()).map(LmsUserId))
    }
}
