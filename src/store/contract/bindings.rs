//! What bindings and imports must do on every database.

use super::{HandClock, Samples};
use crate::{
    accounts::{Binding, Created, Entry, LinkedBy, Method},
    store::Stores,
    types::{AccountId, LmsUserId, RngExt, SiteName, SystemRng},
};

pub async fn bindings_are_listed_and_removed(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let site = SiteName::new(format!("site-{}", SystemRng.hex(4)));
    let mut made = Vec::new();
    for user in [3, 1, 2] {
        let account = samples.stored_account(stores).await.id;
        let binding =
            Binding { site: site.clone(), lms_user: LmsUserId(user), account, ..samples.binding(&AccountId::new("")) };
        assert_eq!(stores.accounts.bind(&binding).await.unwrap(), Created::Yes);
        made.push(binding);
    }
    made.sort_by_key(|binding| binding.lms_user);
    assert_eq!(stores.accounts.bindings(&site, None, 2).await.unwrap(), made[..2]);
    assert_eq!(stores.accounts.bindings(&site, Some(LmsUserId(2)), 2).await.unwrap(), made[2..]);
    assert_eq!(stores.accounts.bindings(&SiteName::new("elsewhere"), None, 2).await.unwrap(), []);
    let removed = &made[1];
    assert!(!stores.accounts.unbind(&SiteName::new("elsewhere"), &removed.account).await.unwrap());
    assert!(stores.accounts.unbind(&site, &removed.account).await.unwrap());
    assert!(!stores.accounts.unbind(&site, &removed.account).await.unwrap(), "once");
    assert_eq!(stores.accounts.bound_account(&site, removed.lms_user).await.unwrap(), None);
    assert_eq!(stores.accounts.bindings(&site, None, 9).await.unwrap().len(), 2, "the others stay");
    assert!(stores.accounts.account(&removed.account).await.unwrap().is_some());
}

pub async fn an_import_writes_all_or_nothing(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let site = SiteName::new(format!("site-{}", SystemRng.hex(4)));
    let old = samples.stored_account(stores).await.id;
    let new = samples.account();
    let first = samples.method(&new.id);
    let further = Method { primary: false, linked_by: LinkedBy::Import, ..samples.method(&old) };
    let bound = |account: &AccountId, user| Binding {
        site: site.clone(),
        lms_user: LmsUserId(user),
        ..samples.binding(account)
    };
    let entries = vec![
        Entry::Account(Box::new((new.clone(), first.clone()))),
        Entry::Binding(bound(&new.id, 1)),
        Entry::Method(further.clone()),
        Entry::Binding(bound(&old, 2)),
    ];
    let collisions = [
        Entry::Method(Method { account: old.clone(), ..first.clone() }),
        Entry::Binding(bound(&old, 1)),
        Entry::Binding(bound(&new.id, 3)),
    ];
    for collision in collisions {
        let all = [entries.clone(), vec![collision]].concat();
        assert_eq!(stores.accounts.import(&all).await.unwrap(), Created::Taken);
        assert_eq!(stores.accounts.account(&new.id).await.unwrap(), None);
        assert_eq!(stores.accounts.methods(&old).await.unwrap().len(), 1);
        assert_eq!(stores.accounts.bindings(&site, None, 9).await.unwrap(), []);
    }
    assert_eq!(stores.accounts.import(&entries).await.unwrap(), Created::Yes);
    assert_eq!(stores.accounts.account(&new.id).await.unwrap(), Some(new.clone()));
    assert_eq!(stores.accounts.methods(&new.id).await.unwrap(), [first]);
    assert_eq!(stores.accounts.methods(&old).await.unwrap()[1..], [further]);
    assert_eq!(stores.accounts.bindings(&site, None, 9).await.unwrap(), [bound(&new.id, 1), bound(&old, 2)]);
    assert_eq!(stores.accounts.import(&[]).await.unwrap(), Created::Yes);
}
