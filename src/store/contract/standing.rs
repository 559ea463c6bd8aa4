//! What the leavers' worker builds on.

use super::{HandClock, Samples, winners};
use crate::{
    accounts::State,
    store::Stores,
    types::{AccountId, RngExt, SourceId, SystemRng},
};
use std::time::Duration;

pub async fn a_source_bars_and_readmits_and_never_overrules_an_operator(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let accounts = &stores.accounts;
    let staff = SourceId::new("staff");
    let id = samples.stored_account(stores).await.id;
    let now = async || {
        let account = accounts.account(&id).await.unwrap().unwrap();
        (account.state, account.epoch, accounts.barred_by(&id).await.unwrap())
    };
    assert_eq!(now().await, (State::Active, 0, None));
    assert!(!accounts.readmit(&id).await.unwrap(), "an active account needs no leave");

    let (store, account, source) = (accounts.clone(), id.clone(), staff.clone());
    let won = winners(move |_| {
        let (store, account, source) = (store.clone(), account.clone(), source.clone());
        async move { store.bar(&account, &source, State::Suspended).await.unwrap() }
    });
    assert_eq!(won.await, 1, "many nodes, one change");
    assert_eq!(now().await, (State::Suspended, 1, Some(staff.clone())));
    assert!(accounts.bar(&id, &staff, State::Gone).await.unwrap(), "what was suspended may be gone later");
    assert_eq!(now().await, (State::Gone, 2, Some(staff.clone())));
    assert!(accounts.readmit(&id).await.unwrap());
    assert!(!accounts.readmit(&id).await.unwrap());
    assert_eq!(now().await, (State::Active, 2, None), "what was issued before stays dead");

    accounts.set_state(&id, State::Suspended).await.unwrap();
    assert!(!accounts.bar(&id, &staff, State::Gone).await.unwrap(), "an operator's word stands");
    assert!(!accounts.readmit(&id).await.unwrap(), "whatever the source says");
    assert_eq!(now().await, (State::Suspended, 3, None));
    accounts.set_state(&id, State::Active).await.unwrap();
    assert!(accounts.bar(&id, &staff, State::Suspended).await.unwrap());
    accounts.set_state(&id, State::Suspended).await.unwrap();
    assert!(!accounts.readmit(&id).await.unwrap(), "also where the operator comes second");
    assert!(!accounts.bar(&AccountId::new("nobody"), &staff, State::Gone).await.unwrap());
}

pub async fn accounts_in_use_are_found_by_their_sessions_and_tokens(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let before = samples.now.minus(Duration::from_secs(1));
    let (session, token) = (samples.stored_account(stores).await, samples.stored_account(stores).await);
    let idle = samples.stored_account(stores).await;
    stores.sessions.put(&samples.session(Some(&session))).await.unwrap();
    stores.ledger.insert(&samples.token(&token, None)).await.unwrap();
    let by_session = async |since| stores.sessions.in_use(since, 100_000).await.unwrap();
    let by_token = async |since| stores.ledger.in_use(since, samples.now, 100_000).await.unwrap();
    assert!(by_session(before).await.contains(&session.id) && by_token(before).await.contains(&token.id));
    for found in [by_session(before).await, by_token(before).await] {
        assert!(!found.contains(&idle.id));
    }
    let later = samples.now.plus(Duration::from_secs(1));
    assert!(!by_session(later).await.contains(&session.id) && !by_token(later).await.contains(&token.id));
    stores.ledger.revoke_account(&token.id, samples.now).await.unwrap();
    stores.sessions.remove_account(&session.id).await.unwrap();
    assert!(!by_session(before).await.contains(&session.id) && !by_token(before).await.contains(&token.id));
}

pub async fn instances_keep_their_kinds(stores: &Stores) {
    let name = SourceId::new(SystemRng.hex(8));
    let kind = async || {
        let kinds = stores.accounts.kinds().await.unwrap();
        kinds.into_iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
    };
    assert_eq!(kind().await, None);
    for said in ["ldap", "ldap", "sql"] {
        stores.accounts.note_kind(&name, said).await.unwrap();
        assert_eq!(kind().await.as_deref(), Some(said));
    }
}
