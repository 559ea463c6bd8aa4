//! What accounts of the source `local` must do on every database.

use super::{HandClock, Samples, winners};
use crate::{
    chain::local::{Inserted, LocalAccount, NewPassword, SPENT, new_subject},
    store::Stores,
    types::{Clock, RngExt, Secret, SourceId, Subject, SystemRng},
};
use std::time::Duration;

impl Samples {
    pub fn local(&self, source: &SourceId) -> LocalAccount {
        LocalAccount {
            source: source.clone(),
            id: new_subject(&SystemRng),
            username: format!("user-{}", SystemRng.hex(4)),
            hash: Secret::new(format!("hash-{}", SystemRng.hex(8))),
            first_name: Some("Zoë".into()),
            last_name: None,
            name: Some("Zoë ' \" \\".into()),
            email: None,
            created: self.now,
            password_changed: self.now,
            must_change: false,
            one_time: false,
        }
    }
}

pub async fn local_accounts_are_kept_per_instance(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let (staff, other) = (SourceId::new(SystemRng.hex(4)), SourceId::new(SystemRng.hex(4)));
    let store = &stores.locals;
    let account = samples.local(&staff);
    assert_eq!(store.insert(std::slice::from_ref(&account)).await.unwrap(), Inserted::All);
    let found = store.by_username(&staff, &account.username).await.unwrap().unwrap();
    assert_eq!((&found.id, found.hash.expose()), (&account.id, account.hash.expose()));
    assert_eq!((&found.name, &found.last_name, found.created), (&account.name, &None, account.created));
    assert!(store.by_id(&staff, &account.id).await.unwrap().is_some());
    assert!(store.by_username(&other, &account.username).await.unwrap().is_none(), "instances are apart");
    assert!(store.by_username(&staff, "' OR '1'='1").await.unwrap().is_none());
    assert!(store.by_id(&other, &account.id).await.unwrap().is_none());

    let namesake = LocalAccount { username: account.username.clone(), ..samples.local(&staff) };
    let batch = [samples.local(&staff), namesake.clone()];
    assert_eq!(store.insert(&batch).await.unwrap(), Inserted::Taken);
    assert!(store.by_username(&staff, &batch[0].username).await.unwrap().is_none(), "all or nothing");
    let elsewhere = LocalAccount { source: other.clone(), ..namesake };
    assert_eq!(store.insert(&[elsewhere]).await.unwrap(), Inserted::All, "the same name in another instance");

    let more = [samples.local(&staff), samples.local(&staff)];
    store.insert(&more).await.unwrap();
    let mut names: Vec<String> = more.iter().chain([&account]).map(|account| account.username.clone()).collect();
    names.sort();
    let mut listed = Vec::new();
    while let Some(next) = store.list(&staff, listed.last().map(String::as_str), 1).await.unwrap().pop() {
        listed.push(next.username);
    }
    assert_eq!(listed, names, "pages neither skip nor repeat");

    assert!(store.remove(&staff, &account.id).await.unwrap());
    assert!(!store.remove(&staff, &account.id).await.unwrap());
    assert!(store.by_id(&staff, &account.id).await.unwrap().is_none());
}

pub async fn local_passwords_are_replaced_and_a_one_time_one_opens_once(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let source = SourceId::new(SystemRng.hex(4));
    let account = samples.local(&source);
    let store = &stores.locals;
    store.insert(std::slice::from_ref(&account)).await.unwrap();
    let old = account.hash.expose();
    assert!(!store.rehash(&source, &account.id, "another", "new").await.unwrap(), "no longer the stored one");
    assert!(store.rehash(&source, &account.id, old, "new").await.unwrap());
    let rehashed = store.by_id(&source, &account.id).await.unwrap().unwrap();
    assert_eq!((rehashed.hash.expose().as_str(), rehashed.password_changed), ("new", account.password_changed));
    assert!(!store.spend(&source, &account.id, "new").await.unwrap(), "an ordinary password is not used up");

    clock.forward(Duration::from_secs(1));
    let new = NewPassword { hash: Secret::new("once".into()), at: clock.now(), must_change: true, one_time: true };
    assert!(store.set_password(&source, &account.id, &new).await.unwrap());
    assert!(!store.set_password(&source, &Subject::new("nobody"), &new).await.unwrap());
    let set = store.by_id(&source, &account.id).await.unwrap().unwrap();
    assert_eq!((set.must_change, set.one_time, set.password_changed), (true, true, clock.now()));
    assert!(!store.rehash(&source, &account.id, "once", "twice").await.unwrap(), "a one-time password stays as it is");
    assert!(!store.spend(&source, &account.id, "new").await.unwrap(), "replaced");

    let (spending, id, of) = (stores.locals.clone(), account.id.clone(), source.clone());
    let won = winners(move |_| {
        let (store, id, source) = (spending.clone(), id.clone(), of.clone());
        async move { store.spend(&source, &id, "once").await.unwrap() }
    });
    assert_eq!(won.await, 1, "one password, one sign-in");
    let spent = store.by_id(&source, &account.id).await.unwrap().unwrap();
    assert_eq!((spent.hash.expose().as_str(), spent.one_time), (SPENT, false));
    assert_eq!(spent.password_changed, set.password_changed, "the session it opened lives on");
}
