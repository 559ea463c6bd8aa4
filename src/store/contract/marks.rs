//! What is remembered of accounts' mail.

use super::{HandClock, Samples};
use crate::{
    accounts::{Binding, BoundBy, Created},
    store::Stores,
    types::{LmsUserId, RngExt, SiteName, SystemRng},
};
use std::time::Duration;

pub async fn a_mailed_password_is_remembered_of_the_lms_s_user_bound_or_not(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let marks = &stores.marks;
    let account = samples.stored_account(stores).await.id;
    let (site, other) = (SiteName::new(SystemRng.hex(4)), SiteName::new(SystemRng.hex(4)));
    let user = LmsUserId(u64::from(u32::from_be_bytes(SystemRng.array())) + 1);
    let of = async |user| marks.last_mailed_password(&account, user).await.unwrap();
    marks.password_came_by_mail(&site, user, samples.now).await.unwrap();
    assert_eq!(of(None).await, None, "that is somebody else's so far");
    assert_eq!(of(Some((&site, user))).await, Some(samples.now));
    assert_eq!(of(Some((&other, user))).await, None, "another site's user of that number is another person");
    let binding = Binding {
        site: site.clone(),
        lms_user: user,
        account: account.clone(),
        created: samples.now,
        lms_username: None,
        bound_by: BoundBy::Lms,
    };
    assert_eq!(stores.accounts.bind(&binding).await.unwrap(), Created::Yes);
    assert_eq!(of(None).await, Some(samples.now));
    assert_eq!(of(Some((&other, user))).await, Some(samples.now));
    let later = samples.now.plus(Duration::from_secs(5));
    marks.password_came_by_mail(&site, user, later).await.unwrap();
    marks.password_came_by_mail(&site, user, samples.now).await.unwrap();
    assert_eq!(of(None).await, Some(later), "a slow node's word does not turn it back");
}

pub async fn a_disowned_sign_in_marks_its_account(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let marks = &stores.marks;
    let (account, other) = (samples.stored_account(stores).await.id, samples.stored_account(stores).await.id);
    assert_eq!(marks.last_disowned(&account).await.unwrap(), None);
    let later = samples.now.plus(Duration::from_secs(5));
    marks.disowned(&account, later).await.unwrap();
    marks.disowned(&account, samples.now).await.unwrap();
    assert_eq!(marks.last_disowned(&account).await.unwrap(), Some(later));
    assert_eq!(marks.last_disowned(&other).await.unwrap(), None);
}
