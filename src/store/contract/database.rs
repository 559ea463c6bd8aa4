//! What accounts, enrolments, the ledger and audit must do on every database.

use super::{HandClock, Samples, bindings, devices, imports, local, marks, standing, winners};
use crate::{
    accounts::{ADDRESS_SETTLES, Account, Binding, Created, Learned, Mail, State, Verified, Vouched},
    keys::Sealed,
    mfa::{
        enrolment::{Claim, Enrolled, Enrolment, MOST},
        exemption::{Exemption, ExemptionKind},
    },
    outbound::mail::{Enqueued, Waiting},
    store::Stores,
    tokens::{TokenRecord, Unproven},
    types::{
        AccountId, Clock, EnrolmentId, FactorKind, LmsUserId, RngExt, SiteName, SourceId, Subject, SystemRng, TokenId,
    },
};
use std::time::Duration;

pub async fn database(stores: &Stores, clock: &HandClock) {
    accounts_come_back_as_created(stores, clock).await;
    accounts_are_unique_by_method_and_binding(stores, clock).await;
    accounts_learn_and_change_state(stores, clock).await;
    accounts_are_listed_in_order_of_creation(stores, clock).await;
    standing::a_source_bars_and_readmits_and_never_overrules_an_operator(stores, clock).await;
    standing::accounts_in_use_are_found_by_their_sessions_and_tokens(stores, clock).await;
    standing::instances_keep_their_kinds(stores).await;
    f1_f6_claims_are_won_once(stores, clock).await;
    enrolments_are_replaced_and_reset(stores, clock).await;
    devices::f9_a_device_is_moved_on_by_one_caller(stores, clock).await;
    devices::devices_are_listed_capped_and_forgotten(stores, clock).await;
    further_enrolments_are_added_renamed_suspended_and_removed(stores, clock).await;
    what_is_known_of_an_account_follows_its_sources_and_exemptions(stores, clock).await;
    tokens_are_found_while_they_live(stores, clock).await;
    j13_revocation_reaches_every_descendant(stores, clock).await;
    bindings::bindings_are_listed_and_removed(stores, clock).await;
    bindings::an_import_writes_all_or_nothing(stores, clock).await;
    imports::a_factor_is_taken_over_once_for_good(stores, clock).await;
    imports::j16_an_lmss_groups_join_the_others_and_one_that_does_not_say_makes_them_unknown(stores, clock).await;
    imports::groups_that_nobody_states_any_more_were_never_read(stores, clock).await;
    local::local_accounts_are_kept_per_instance(stores, clock).await;
    local::local_passwords_are_replaced_and_a_one_time_one_opens_once(stores, clock).await;
    marks::a_mailed_password_is_remembered_of_the_lms_s_user_bound_or_not(stores, clock).await;
    marks::a_disowned_sign_in_marks_its_account(stores, clock).await;
    audit_is_read_newest_first(stores, clock).await;
    letters_are_claimed_by_one_holder_until_the_lease_ends(stores, clock).await;
    x20_the_mail_queue_is_bounded(stores, clock).await;
}

async fn accounts_come_back_as_created(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = samples.account();
    let (method, binding) = (samples.method(&account.id), samples.binding(&account.id));
    assert_eq!(stores.accounts.create(&account, &method, Some(&binding), &[]).await.unwrap(), Created::Yes);
    let found = stores.accounts.account(&account.id).await.unwrap();
    assert_eq!(found.as_ref(), Some(&account));
    assert_eq!(stores.accounts.by_method(&method.source, &method.subject).await.unwrap(), found);
    assert_eq!(stores.accounts.methods(&account.id).await.unwrap(), std::slice::from_ref(&method));
    assert_eq!(stores.accounts.binding(&binding.site, &account.id).await.unwrap(), Some(binding.clone()));
    assert_eq!(stores.accounts.bound_account(&binding.site, binding.lms_user).await.unwrap(), Some(account.id.clone()));
    assert_eq!(stores.accounts.bound_account(&SiteName::new("other"), binding.lms_user).await.unwrap(), None);
    let name = account.username.as_deref().unwrap();
    assert_eq!(stores.accounts.by_username(name).await.unwrap(), [account]);
    let hostile = Subject::new("' OR '1'='1");
    assert_eq!(stores.accounts.by_method(&method.source, &hostile).await.unwrap(), None);
    assert_eq!(stores.accounts.account(&AccountId::new("")).await.unwrap(), None);
}

async fn accounts_are_unique_by_method_and_binding(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let (first, second) = (samples.account(), samples.account());
    let (method, binding) = (samples.method(&first.id), samples.binding(&first.id));
    stores.accounts.create(&first, &method, Some(&binding), &[]).await.unwrap();
    let same_method = crate::accounts::Method { account: second.id.clone(), ..method };
    assert_eq!(stores.accounts.create(&second, &same_method, None, &[]).await.unwrap(), Created::Taken);
    let same_user = Binding { account: second.id.clone(), ..binding };
    let own_method = samples.method(&second.id);
    assert_eq!(stores.accounts.create(&second, &own_method, Some(&same_user), &[]).await.unwrap(), Created::Taken);
    assert_eq!(stores.accounts.account(&second.id).await.unwrap(), None, "all or nothing");
    assert_eq!(stores.accounts.by_method(&own_method.source, &own_method.subject).await.unwrap(), None);

    // One name brought by two sources at once is one account; by sources that share no site it is two.
    let twin = Account { username: first.username.clone(), ..samples.account() };
    let method = crate::accounts::Method { source: SourceId::new("elsewhere"), ..samples.method(&twin.id) };
    let rivals = [SourceId::new("campus-lms"), SourceId::new("elsewhere")];
    assert_eq!(stores.accounts.create(&twin, &method, None, &rivals).await.unwrap(), Created::Taken);
    assert_eq!(stores.accounts.create(&twin, &method, None, &rivals[1..]).await.unwrap(), Created::Yes);

    let (accounts, subject) = (stores.accounts.clone(), Subject::new(SystemRng.hex(8)));
    let won = winners(move |_| {
        let (accounts, subject, account) = (accounts.clone(), subject.clone(), samples.account());
        async move {
            let method = crate::accounts::Method { subject, ..samples.method(&account.id) };
            let binding = samples.binding(&account.id);
            accounts.create(&account, &method, Some(&binding), &[]).await.unwrap() == Created::Yes
        }
    });
    assert_eq!(won.await, 1, "one of many first sign-ins creates the account");
}

async fn accounts_learn_and_change_state(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = Account { username: None, username_verified: false, ..samples.account() };
    let accounts = &stores.accounts;
    accounts.create(&account, &samples.method(&account.id), None, &[]).await.unwrap();
    let after = async |name: Option<(&'static str, Verified)>, mail: Option<&'static str>| {
        let email = mail.map(|address| Mail { address, verified_by: None, at: clock.now() });
        accounts.learn(&account.id, &Learned { username: name, email, ..Learned::default() }).await.unwrap();
        accounts.account(&account.id).await.unwrap().unwrap()
    };
    let typed = after(Some(("typed", Verified::No)), None).await;
    assert_eq!((typed.username.as_deref(), typed.username_verified), (Some("typed"), false));
    let stated = after(Some(("stated", Verified::Yes)), Some("a@example.org")).await;
    assert_eq!((stated.username.as_deref(), stated.username_verified), (Some("stated"), true));
    let kept = after(Some(("typed", Verified::No)), None).await;
    assert_eq!(kept, stated, "a verified name is never replaced by an unverified one, silence changes nothing");
    let renamed = after(Some(("renamed", Verified::Yes)), None).await;
    assert_eq!(renamed.username.as_deref(), Some("renamed"));
    assert_eq!((renamed.epoch, renamed.state), (0, State::Active));
    addresses_are_replaced(stores, clock, &account.id).await;

    assert_eq!(accounts.set_state(&account.id, State::Active).await.unwrap(), Some(0));
    assert_eq!(accounts.set_state(&account.id, State::Suspended).await.unwrap(), Some(1), "raises the epoch");
    assert_eq!(accounts.set_state(&account.id, State::Active).await.unwrap(), Some(1));
    assert_eq!(accounts.set_state(&account.id, State::Gone).await.unwrap(), Some(2));
    assert_eq!(accounts.raise_epoch(&account.id).await.unwrap(), Some(3));
    assert_eq!(accounts.account(&account.id).await.unwrap().unwrap().state, State::Gone);
    let nobody = AccountId::new("nobody");
    assert_eq!(accounts.set_state(&nobody, State::Gone).await.unwrap(), None);
    assert_eq!(accounts.raise_epoch(&nobody).await.unwrap(), None);
}

async fn addresses_are_replaced(stores: &Stores, clock: &HandClock, id: &AccountId) {
    let after = async |address: &'static str| {
        let email = Some(Mail { address, verified_by: None, at: clock.now() });
        stores.accounts.learn(id, &Learned { email, ..Learned::default() }).await.unwrap();
        let account = stores.accounts.account(id).await.unwrap().unwrap();
        (account.email_before, account.email_changed)
    };
    assert_eq!(after("A@example.org").await, (None, None), "a first address, and the same again, replace none");
    let first = Some("A@example.org".to_owned());
    let changed = Some(clock.now());
    assert_eq!(after("b@example.org").await, (first.clone(), changed));
    clock.forward(Duration::from_secs(60));
    assert_eq!(after("B@example.org").await, (first.clone(), changed));
    assert_eq!(after("c@example.org").await, (first, Some(clock.now())), "the owner's stays known");
    clock.forward(ADDRESS_SETTLES);
    assert_eq!(after("d@example.org").await, (Some("c@example.org".to_owned()), Some(clock.now())));
}

async fn accounts_are_listed_in_order_of_creation(stores: &Stores, clock: &HandClock) {
    let mut made = Vec::new();
    for _ in 0..5 {
        clock.forward(Duration::from_millis(1));
        made.push(Samples::at(clock).stored_account(stores).await.id);
    }
    let mut after = Some(made[0].clone());
    let mut seen = Vec::new();
    loop {
        let page = stores.accounts.list(after.as_ref(), 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        seen.extend(page.into_iter().map(|account| account.id));
    }
    assert_eq!(seen, made[1..], "pages neither skip nor repeat");
    assert_eq!(stores.accounts.list(None, 1).await.unwrap().len(), 1);
}

async fn f1_f6_claims_are_won_once(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = samples.stored_account(stores).await.id;
    let totp = samples.totp(&account);
    let code = SystemRng.opaque();
    assert!(stores.enrolments.enrol_first(&totp, std::slice::from_ref(&code), 0).await.unwrap());
    stores.enrolments.put_enrolment_code(&account, &code, samples.now.plus(Duration::from_secs(60))).await.unwrap();

    let now = samples.now;
    let (enrolments, id) = (stores.enrolments.clone(), totp.id.clone());
    let won = winners(move |_| {
        let (enrolments, id) = (enrolments.clone(), id.clone());
        async move { enrolments.claim_counter(&id, 11, now).await.unwrap() }
    });
    assert_eq!(won.await, 1, "F1: one step, one sign-in");
    assert!(!stores.enrolments.claim_counter(&totp.id, 9, now).await.unwrap(), "F3: never an earlier one");
    assert!(!stores.enrolments.claim_counter(&EnrolmentId::new("nobody"), 99, now).await.unwrap());

    let (enrolments, claimed, digest, now) = (stores.enrolments.clone(), account.clone(), code.clone(), samples.now);
    let won = winners(move |_| {
        let (enrolments, account, digest) = (enrolments.clone(), claimed.clone(), digest.clone());
        async move { enrolments.claim_recovery(&account, &digest, now).await.unwrap() == Claim::Won }
    });
    assert_eq!(won.await, 1, "F6: one code, one use");
    let other = samples.stored_account(stores).await.id;
    assert!(!stores.enrolments.claim_enrolment_code(&other, &code, now).await.unwrap(), "F4: nobody else's");
    let (enrolments, digest) = (stores.enrolments.clone(), code.clone());
    let won = winners(move |_| {
        let (enrolments, account, digest) = (enrolments.clone(), account.clone(), digest.clone());
        async move { enrolments.claim_enrolment_code(&account, &digest, now).await.unwrap() }
    });
    assert_eq!(won.await, 1, "one help-desk code, one enrolment");
}

async fn enrolments_are_replaced_and_reset(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = samples.stored_account(stores).await.id;
    let store = &stores.enrolments;
    let (first, second): (Enrolment, Enrolment) = (samples.totp(&account), samples.totp(&account));
    let stores_of_it = stores.enrolments.clone();
    let (racing, of) = (samples, account.clone());
    let won = winners(move |_| {
        let (store, totp) = (stores_of_it.clone(), racing.totp(&of));
        async move { store.enrol_first(&totp, &["r".into()], 0).await.unwrap() }
    });
    assert_eq!(won.await, 1, "J3: of flows that race, one enrols the first device");
    store.reset(&account).await.unwrap();
    assert!(store.enrol_first(&first, &["a".into(), "b".into(), "c".into()], 0).await.unwrap());
    assert!(!store.enrol_first(&second, &["d".into()], 0).await.unwrap(), "there is a first device");
    let enrolled = store.enrolments(&account).await.unwrap();
    assert_eq!((enrolled.all.len(), enrolled.recovery_left), (1, 3));
    assert_eq!(enrolled.kinds(), [FactorKind::Totp, FactorKind::Recovery]);
    let read = enrolled.find(&first.id).unwrap();
    assert_eq!((read.secret.as_text(), read.counter, read.proof), ("sealed-secret", 10, first.proof));
    let claim = async |code: &str| store.claim_recovery(&account, code, samples.now).await.unwrap();
    assert_eq!(claim("r").await, Claim::Unknown, "F6: the old codes are dead");
    assert_eq!((claim("b").await, claim("b").await), (Claim::Won, Claim::Used));
    assert_eq!(store.enrolments(&account).await.unwrap().recovery_left, 2);

    let soon = samples.now.plus(Duration::from_secs(60));
    store.put_enrolment_code(&account, "early", soon).await.unwrap();
    store.reset(&account).await.unwrap();
    let none = store.enrolments(&account).await.unwrap();
    assert!(none.kinds().is_empty() && none.recovery_left == 0);
    assert!(stores.accounts.account(&account).await.unwrap().unwrap().enrol_by_help_desk_only);
    assert!(!store.claim_enrolment_code(&account, "early", samples.now).await.unwrap(), "given out before the reset");
    store.put_enrolment_code(&account, "x", soon).await.unwrap();
    store.put_enrolment_code(&account, "y", soon).await.unwrap();
    assert!(!store.claim_enrolment_code(&account, "x", samples.now).await.unwrap(), "replaced");
    assert!(!store.claim_enrolment_code(&account, "y", soon).await.unwrap(), "expired");
    assert!(store.claim_enrolment_code(&account, "y", samples.now).await.unwrap());
    assert!(store.enrol_first(&samples.totp(&account), &[], 0).await.unwrap());
    assert!(!stores.accounts.account(&account).await.unwrap().unwrap().enrol_by_help_desk_only);
}

async fn further_enrolments_are_added_renamed_suspended_and_removed(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let (account, other) = (samples.stored_account(stores).await.id, samples.stored_account(stores).await.id);
    let store = &stores.enrolments;
    let key = |of: &AccountId, handle: &str| Enrolment {
        kind: FactorKind::Webauthn,
        handle: Some(handle.to_owned()),
        detail: r#"{"user":"a"}"#.into(),
        ..samples.totp(of)
    };
    let handle = SystemRng.opaque();
    let (first, of) = (key(&account, &handle), account.clone());
    let (racing, racing_handle, racing_store) = (samples, handle.clone(), stores.enrolments.clone());
    let won = winners(move |_| {
        let (store, handle) = (racing_store.clone(), racing_handle.clone());
        let key = Enrolment { handle: Some(handle), kind: FactorKind::Webauthn, ..racing.totp(&of) };
        async move { store.enrol(&key).await.unwrap() == Enrolled::Yes }
    });
    assert_eq!(won.await, 1, "F8: one credential, one enrolment");
    assert_eq!(store.enrol(&key(&other, &handle)).await.unwrap(), Enrolled::Taken, "F8: somebody else's");
    let found = store.by_handle(&handle).await.unwrap().unwrap();
    assert_eq!((found.account.clone(), found.kind, found.suspended), (account.clone(), first.kind, false));
    assert!(store.by_handle("nobody's").await.unwrap().is_none());

    assert!(!store.rename(&other, &found.id, "mine").await.unwrap() && !store.remove(&other, &found.id).await.unwrap());
    assert!(store.rename(&account, &found.id, "blue key").await.unwrap());
    assert!(store.suspend(&found.id, true).await.unwrap() && !store.suspend(&found.id, true).await.unwrap());
    store.update_secret(&found.id, &Sealed::from_text("newer")).await.unwrap();
    store.used(&found.id, samples.now).await.unwrap();
    let read = store.enrolments(&account).await.unwrap();
    let key_now = read.find(&found.id).unwrap();
    let seen = (key_now.label.as_str(), key_now.suspended, key_now.secret.as_text(), key_now.last_used);
    assert_eq!(seen, ("blue key", true, "newer", Some(samples.now)));
    assert!(read.kinds().is_empty(), "what is suspended is not asked");

    store.replace_recovery(&account, &["a".into(), "b".into()]).await.unwrap();
    store.replace_recovery(&account, &["c".into()]).await.unwrap();
    assert_eq!(store.claim_recovery(&account, "a", samples.now).await.unwrap(), Claim::Unknown, "F6: void");
    assert_eq!(store.enrolments(&account).await.unwrap().recovery_left, 1);
    assert!(store.remove(&account, &found.id).await.unwrap() && !store.remove(&account, &found.id).await.unwrap());
    assert_eq!(store.enrolments(&account).await.unwrap().recovery_left, 0, "they stand in for nothing any more");
    let by_help_desk =
        async |of: &AccountId| stores.accounts.account(of).await.unwrap().unwrap().enrol_by_help_desk_only;
    assert!(by_help_desk(&account).await, "J3: the last one is gone");
    assert!(!by_help_desk(&other).await, "nothing of it was removed");

    for _ in 0..MOST {
        assert_eq!(store.enrol(&samples.totp(&account)).await.unwrap(), Enrolled::Yes);
    }
    assert_eq!(store.enrol(&samples.totp(&account)).await.unwrap(), Enrolled::Full);
}

async fn what_is_known_of_an_account_follows_its_sources_and_exemptions(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = samples.stored_account(stores).await.id;
    let before = stores.known.known(&account).await.unwrap();
    assert_eq!((before.exempt, before.imported), (None, None));
    let until = samples.now.plus(Duration::from_secs(3600));
    let exemption = Exemption {
        account: account.clone(),
        kind: ExemptionKind::Bypass,
        until,
        reason: "phone in repair".into(),
        given_by: "uid 0".into(),
        created: samples.now,
    };
    stores.exemptions.exempt(&exemption).await.unwrap();
    assert_eq!(stores.known.known(&account).await.unwrap().exempt, Some(until), "at once, not when memory forgets");
    assert_eq!(stores.exemptions.exemptions(&account).await.unwrap(), std::slice::from_ref(&exemption));
    assert!(stores.exemptions.end_exemption(&account, ExemptionKind::Bypass).await.unwrap());
    assert!(!stores.exemptions.end_exemption(&account, ExemptionKind::Bypass).await.unwrap());
    assert_eq!(stores.known.known(&account).await.unwrap().exempt, None);

    let method = stores.accounts.methods(&account).await.unwrap().remove(0);
    let groups = ["staff".to_owned()];
    let vouched = Vouched { at: samples.now, password_mark: None, groups: Some(&groups) };
    stores.accounts.vouch(&method.source, &method.subject, &vouched).await.unwrap();
    assert_eq!(stores.known.known(&account).await.unwrap().groups.as_deref(), Some(&groups[..]), "J4: at once");
}

async fn tokens_are_found_while_they_live(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let mut account = samples.stored_account(stores).await;
    let token = TokenRecord { unproven: Some(Unproven::Stage), factor_at: None, ..samples.token(&account, None) };
    let ledger = &stores.ledger;
    ledger.insert(&token).await.unwrap();
    let found = ledger.by_digest(&token.digest).await.unwrap().unwrap();
    assert_eq!((&found.id, found.lms_user, found.unproven), (&token.id, LmsUserId(u64::MAX), Some(Unproven::Stage)));
    assert_eq!(
        (found.amr.clone(), found.device.clone(), found.factor_at),
        (token.amr.clone(), token.device.clone(), None)
    );
    assert!(ledger.by_digest("no such").await.unwrap().is_none());
    let file = SystemRng.opaque();
    ledger.set_file_key(&token.id, &file, &Sealed::from_text("sealed-key")).await.unwrap();
    let by_file = ledger.by_file_digest(&file).await.unwrap().unwrap();
    assert_eq!((&by_file.id, by_file.file_key.as_ref().unwrap().as_text()), (&token.id, "sealed-key"));
    assert!(ledger.by_digest(&token.digest).await.unwrap().unwrap().file_key.is_some(), "seen by either digest");
    ledger.touch(&token.id, samples.now.plus(Duration::from_secs(90))).await.unwrap();
    assert_eq!(ledger.of_account(&account.id).await.unwrap().len(), 1);
    assert!(ledger.list(1).await.unwrap().len() == 1);

    account.epoch = stores.accounts.raise_epoch(&account.id).await.unwrap().unwrap();
    assert!(ledger.by_digest(&token.digest).await.unwrap().is_none(), "older than the epoch");
    assert!(ledger.by_file_digest(&file).await.unwrap().is_none());
    ledger.insert(&TokenRecord { epoch: 0, ..samples.token(&account, None) }).await.expect_err("F13 for tokens");
    let fresh = samples.token(&account, None);
    ledger.insert(&fresh).await.unwrap();
    assert!(ledger.by_digest(&fresh.digest).await.unwrap().is_some());
    let short = TokenRecord { expires: clock.now().plus(Duration::from_secs(1)), ..samples.token(&account, None) };
    ledger.insert(&short).await.unwrap();
    assert!(ledger.by_digest(&short.digest).await.unwrap().is_some());
    clock.forward(Duration::from_secs(1));
    assert!(ledger.by_digest(&short.digest).await.unwrap().is_none(), "expired");
    assert_eq!(ledger.revoke_account(&account.id, clock.now()).await.unwrap(), 2, "those that had not expired");
    assert!(ledger.by_digest(&fresh.digest).await.unwrap().is_none());
}

async fn j13_revocation_reaches_every_descendant(stores: &Stores, clock: &HandClock) {
    let samples = Samples::at(clock);
    let account = samples.stored_account(stores).await;
    let mut line = vec![samples.token(&account, None)];
    for n in 0..4 {
        line.push(samples.token(&account, Some(&line[n].id)));
    }
    let aside = samples.token(&account, Some(&line[0].id));
    for token in line.iter().chain([&aside]) {
        stores.ledger.insert(token).await.unwrap();
        assert!(stores.ledger.by_digest(&token.digest).await.unwrap().is_some());
    }
    assert_eq!(stores.ledger.revoke(&line[1].id, samples.now).await.unwrap(), 4);
    assert_eq!(stores.ledger.revoke(&line[1].id, samples.now).await.unwrap(), 0, "once");
    for token in &line[1..] {
        assert!(stores.ledger.by_digest(&token.digest).await.unwrap().is_none());
    }
    for token in [&line[0], &aside] {
        assert!(stores.ledger.by_digest(&token.digest).await.unwrap().is_some(), "ancestors and siblings live");
    }
    let orphan = samples.token(&account, Some(&line[3].id));
    stores.ledger.insert(&orphan).await.expect_err("nothing is born of a revoked token");
    assert_eq!(stores.ledger.revoke(&TokenId::new("nobody"), samples.now).await.unwrap(), 0);
}

async fn audit_is_read_newest_first(stores: &Stores, clock: &HandClock) {
    let account = Samples::at(clock).account().id;
    for n in 0..3 {
        stores.audit.append(clock.now(), Some(&account), &format!("{{\"n\":{n}}}")).await.unwrap();
    }
    stores.audit.append(clock.now(), None, "{}").await.unwrap();
    assert_eq!(stores.audit.recent(Some(&account), 2).await.unwrap(), ["{\"n\":2}", "{\"n\":1}"]);
    assert_eq!(stores.audit.recent(None, 1).await.unwrap(), ["{}"]);
    let page = stores.audit.page(None, 2).await.unwrap();
    assert_eq!(page.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["{}", "{\"n\":2}"]);
    assert_eq!(page[0].at, clock.now());
    let older = stores.audit.page(Some(page[1].number), 1).await.unwrap();
    assert_eq!(older.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["{\"n\":1}"]);
}

async fn letters_are_claimed_by_one_holder_until_the_lease_ends(stores: &Stores, clock: &HandClock) {
    let queue = &stores.mail;
    let letter = |at| Waiting { id: SystemRng.hex(16), created: at, sealed: Sealed::from_text("sealed-letter") };
    let lease = Duration::from_secs(300);
    let claim = async |holder: &str, limit| {
        let now = clock.now();
        queue.claim(holder, now, now.plus(lease), limit).await.unwrap()
    };
    let first = letter(clock.now());
    assert_eq!(queue.enqueue(&first, 100).await.unwrap(), Enqueued::Yes);
    let (racing, now) = (stores.mail.clone(), clock.now());
    let won = winners(move |n| {
        let racing = racing.clone();
        async move { !racing.claim(&format!("{n}"), now, now.plus(lease), 10).await.unwrap().is_empty() }
    });
    assert_eq!(won.await, 1, "one letter, one holder");
    assert!(!queue.remove(&first.id, "somebody").await.unwrap(), "only its holder's");
    assert!(!queue.remove(&first.id, "").await.unwrap());

    clock.forward(Duration::from_millis(1));
    let second = letter(clock.now());
    assert_eq!(queue.enqueue(&second, 100).await.unwrap(), Enqueued::Yes);
    assert_eq!(queue.waiting().await.unwrap(), 2);
    clock.forward(lease);
    let held = claim("a", 10).await;
    assert_eq!(held.iter().map(|l| l.id.as_str()).collect::<Vec<_>>(), [&first.id, &second.id], "longest due first");
    assert_eq!((held[0].attempts, held[0].created, held[0].sealed.as_text()), (0, first.created, "sealed-letter"));
    assert!(claim("b", 10).await.is_empty(), "held");
    let later = clock.now().plus(Duration::from_secs(60));
    assert!(queue.postpone(&first.id, "a", later, 1).await.unwrap());
    assert!(!queue.postpone(&first.id, "a", later, 2).await.unwrap(), "let go");
    assert!(claim("b", 10).await.is_empty(), "not yet due");
    clock.forward(Duration::from_secs(60));
    let again = claim("b", 10).await;
    assert_eq!((again.len(), &again[0].id, again[0].attempts), (1, &first.id, 1));
    clock.forward(lease);
    assert_eq!(claim("c", 1).await.len(), 1, "no more than asked for");
    assert_eq!(claim("c", 10).await.len(), 1, "both holders were too slow");
    assert!(!queue.remove(&second.id, "a").await.unwrap(), "a late holder removes nothing");
    assert!(queue.remove(&second.id, "c").await.unwrap() && queue.remove(&first.id, "c").await.unwrap());
    assert!(!queue.remove(&first.id, "c").await.unwrap());
    assert_eq!(queue.waiting().await.unwrap(), 0);
}

async fn x20_the_mail_queue_is_bounded(stores: &Stores, clock: &HandClock) {
    let (queue, now) = (&stores.mail, clock.now());
    let letter = || Waiting { id: SystemRng.hex(16), created: now, sealed: Sealed::from_text("x") };
    for answer in [Enqueued::Yes, Enqueued::Yes, Enqueued::Full] {
        assert_eq!(queue.enqueue(&letter(), 2).await.unwrap(), answer);
    }
    let held = queue.claim("cleaner", now, now.plus(Duration::from_secs(60)), 10).await.unwrap();
    assert_eq!(held.len(), 2);
    assert_eq!(queue.enqueue(&letter(), 2).await.unwrap(), Enqueued::Full, "claimed ones count");
    for letter in &held {
        assert!(queue.remove(&letter.id, "cleaner").await.unwrap());
    }
    assert_eq!(queue.enqueue(&letter(), 2).await.unwrap(), Enqueued::Yes, "there is room again");
}
