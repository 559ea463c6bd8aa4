//! Trusted browsers (attack F9), and browsers that are known to those who use them (attacks E5, E6, F2).

use super::*;
use crate::servers::Smtp;
use vestibule::{
    admin::{DeviceCommand, DeviceRow, DeviceTarget, read_keyring},
    config::Config,
    mfa::factors::device::Shown,
    types::{AccountId, Clock, Door, SiteName},
};

const DAY: Duration = Duration::from_secs(86_400);
/// Past the minute in which the secret before the present one is good, and past a code's step.
const LATER: Duration = Duration::from_secs(90);

/// Trusted browsers are enough alone, for six days.
pub fn trusting(config: &mut Config) {
    let signals = "[ { name: trusted-browser, kind: device, days: 6 } ]";
    config.mfa.signals = serde_yaml::from_str(signals).expect("signals");
}

fn secret_of(browser: &Browser) -> Option<(String, String)> {
    browser.cookies.iter().find(|(name, _)| name.starts_with("__Host-device-")).map(|(n, v)| (n.clone(), v.clone()))
}

const ADDRESS: &str = "ann@example.test";

/// The LMS's own form states no address; these accounts get one.
async fn give_address(world: &World) {
    let pool = sqlx::AnyPool::connect(&world.config.store.database).await.expect("the database");
    sqlx::query("UPDATE accounts SET email = $1").bind(ADDRESS).execute(&pool).await.expect("an address");
    pool.close().await;
}

/// Answers the challenge and says that this browser is one's own.
async fn answer_and_trust(browser: &mut Browser, code: &str) -> Answer {
    let csrf = browser.csrf("/vestibule/challenge").await;
    let fields = [("csrf", &*csrf), ("factor", "totp"), ("code", code), ("trust", "yes")];
    browser.post("/vestibule/challenge", &fields).await
}

/// Somebody whose browser is trusted, signed out of it again: its jar holds the device's secret and what it is known by.
async fn trusted(world: &World, username: &str) -> (Browser, Authenticator) {
    let (_, phone) = signed_in(world, username).await;
    let mut browser = challenged(world, username).await;
    let answer = answer_and_trust(&mut browser, &phone.code(world.clock.now())).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let set: Vec<&str> = answer.headers.get_all(header::SET_COOKIE).iter().map(|v| v.to_str().unwrap()).collect();
    let line = set.iter().find(|line| line.starts_with("__Host-device-")).expect("a device cookie");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=518400"] {
        assert!(line.contains(attribute), "{attribute} in {line}");
    }
    let known = set.iter().find(|line| line.starts_with("__Host-known=")).expect("what it is known by");
    assert!(known.contains("HttpOnly") && known.contains("Secure") && known.contains("Max-Age=34560000"), "{known}");
    forget_session(&mut browser);
    world.advance(LATER);
    (browser, phone)
}

/// As after closing the browser: what lasts stays.
fn forget_session(browser: &mut Browser) {
    browser.cookies.retain(|name, _| name.starts_with("__Host-device-") || name == "__Host-known");
}

/// Where the password alone leads.
async fn led_to(browser: &mut Browser, username: &str) -> String {
    let answer = browser.sign_in(username, PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    answer.location().to_owned()
}

async fn is_asked(browser: &mut Browser, username: &str) -> bool {
    led_to(browser, username).await == "/vestibule/challenge"
}

async fn devices(world: &World, user: &str) -> Vec<DeviceRow> {
    match administer(world, Command::Device(DeviceCommand::List(User { user: user.into() }))).await {
        Reply::Devices(rows) => rows,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_a_trusted_browser_is_not_asked_again_and_gets_a_new_secret_with_each_use() {
    let world = World::with(trusting).await;
    let (mut browser, _) = trusted(&world, "student1").await;
    let mut secrets = vec![secret_of(&browser).unwrap()];
    for _ in 0..3 {
        assert!(!is_asked(&mut browser, "student1").await);
        assert!(is_in(&mut browser).await);
        secrets.push(secret_of(&browser).unwrap());
        forget_session(&mut browser);
        world.advance(LATER);
    }
    assert!(secrets.windows(2).all(|two| two[0].0 == two[1].0 && two[0].1 != two[1].1), "one name, another secret");
    let row = devices(&world, "student1").await.remove(0);
    assert_eq!((row.site.as_str(), row.door.as_str(), row.address.as_str()), ("campus", "browser", "127.0.0.1"));
    assert!(row.last_used > row.trusted, "{row:?}");
    let sheet = account(&world, "student1").await;
    assert_eq!(sheet.devices.len(), 1);
    assert!(
        sheet.sessions.iter().any(|session| session.factors.is_empty()),
        "it is no factor, and sets no time of one"
    );
    let through = world.audited("let_through").await;
    assert!(through.iter().all(|line| line["reason"] == "signals: trusted-browser"), "{through:?}");
    assert_eq!(through.len(), 3);
    assert_eq!(world.audited("device_trusted").await.len(), 1);
    assert!(!world.has_audited("device_copied"));
    let seen = world.campus.requests();
    let told = seen.iter().flat_map(|seen| seen.header("cookie"));
    assert!(told.into_iter().all(|line| !line.contains("__Host-")), "the LMS sees neither cookie");
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_a_copied_secret_ends_the_series_and_what_was_opened_by_it_and_its_owner_is_told() {
    let smtp = Smtp::plain();
    let mail = format!("{{ server: {:?}, from: sign-in@example.org }}", smtp.url());
    let world = World::with(|config| {
        trusting(config);
        config.outbound.mail = Some(serde_yaml::from_str(&mail).expect("mail"));
    })
    .await;
    for thief_first in [true, false] {
        let username = if thief_first { "student1" } else { "student2" };
        let (mut owner, phone) = trusted(&world, username).await;
        give_address(&world).await;
        let mut thief = twin(&world, &owner);
        let (first, second) = if thief_first { (&mut thief, &mut owner) } else { (&mut owner, &mut thief) };
        assert!(!is_asked(first, username).await, "nobody can know yet");
        assert!(is_in(first).await);
        world.advance(LATER);
        assert!(is_asked(second, username).await, "two have used one secret");
        assert!(!is_in(first).await, "and of the two nobody knows which is whose");
        assert!(is_asked(first, username).await);
        assert!(devices(&world, username).await.is_empty());
        assert!(is_asked(second, username).await);
        owner.answer(&phone.code(world.clock.now())).await;
        assert!(is_in(&mut owner).await, "whose factor is at hand goes on");
        world.advance(LATER);
    }
    let copied = world.audited("device_copied").await;
    assert_eq!(copied.len(), 2, "told once each: {copied:?}");
    let told = || smtp.letters().iter().filter(|letter| letter["to"][0] == ADDRESS).count();
    until("a letter for each", async || told() == 2).await;
    let text = smtp.letters()[0]["text"].as_str().unwrap_or_default().to_owned();
    assert!(text.contains("127.0.0.1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_fifty_tabs_at_once_are_no_thieves_and_one_secret_follows() {
    let world = World::with(|config| {
        trusting(config);
        // So many at once are passwords being guessed, by the ordinary figure.
        config.limits.wrong_passwords_per_account = 100;
    })
    .await;
    let (mut browser, _) = trusted(&world, "student1").await;
    let jar = &browser.cookies;
    let tab = async |_| {
        let mut tab = Browser::at(&world);
        tab.cookies = jar.clone();
        assert!(!is_asked(&mut tab, "student1").await && is_in(&mut tab).await);
        tab
    };
    let tabs = futures_util::future::join_all((0..50).map(tab)).await;
    assert!(!world.has_audited("device_copied"));
    let ring = read_keyring(&world.config.keys.file).unwrap();
    let (site, of) = (SiteName::new("campus"), AccountId::new(account(&world, "student1").await.account.id));
    let count = |tab: &Browser| {
        let (_, secret) = secret_of(tab).unwrap();
        Shown::open(&ring, &site, Door::Browser, &of, &secret).unwrap().counter
    };
    let counts: Vec<i64> = tabs.iter().map(count).collect();
    assert_eq!(counts, [1; 50]);
    // Whichever answer came last is in the one jar of that browser: they all hold the present secret.
    world.advance(LATER);
    for last in [&tabs[0], &tabs[49]] {
        browser.cookies = last.cookies.clone();
        forget_session(&mut browser);
        // The second one within the minute of the first one's use: a tab that was slow.
        assert!(!is_asked(&mut browser, "student1").await && is_in(&mut browser).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_an_answer_that_was_lost_on_the_way_costs_nobody_the_trust() {
    let world = World::with(trusting).await;
    let (mut browser, _) = trusted(&world, "student1").await;
    let before = browser.cookies.clone();
    assert!(!is_asked(&mut browser, "student1").await);
    browser.cookies = before;
    world.advance(Duration::from_secs(20));
    assert!(!is_asked(&mut browser, "student1").await, "tried again");
    forget_session(&mut browser);
    world.advance(DAY);
    assert!(!is_asked(&mut browser, "student1").await);
    assert!(!world.has_audited("device_copied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_a_secret_is_worth_nothing_for_others_after_revocation_or_a_new_epoch_and_past_its_end() {
    let world = World::with(trusting).await;
    let (browser, _) = trusted(&world, "student1").await;
    let (other, phone2) = trusted(&world, "student2").await;
    let (name, value) = secret_of(&browser).unwrap();
    let (foreign, _) = secret_of(&other).unwrap();
    let mut moved = Browser::at(&world);
    moved.cookies.extend([(foreign, value.clone()), (name.clone(), value.clone())]);
    assert!(is_asked(&mut moved, "student2").await, "another account's");
    for bent in [&value[1..], &value[..value.len() - 1], "", "x"] {
        let mut bad = Browser::at(&world);
        bad.cookies.insert(name.clone(), bent.to_owned());
        assert!(is_asked(&mut bad, "student1").await, "{bent}");
    }
    assert!(!world.has_audited("device_copied"), "what opens nothing accuses nobody");

    // Revoked; what it opened ends with it.
    let mut mine = twin(&world, &browser);
    assert!(!is_asked(&mut mine, "student1").await && is_in(&mut mine).await);
    let id = devices(&world, "student1").await.remove(0).id;
    let revoke = DeviceTarget { user: "student1".into(), id: Some(id) };
    administer(&world, Command::Device(DeviceCommand::Revoke(revoke))).await;
    assert!(!is_in(&mut mine).await);
    assert!(is_asked(&mut mine, "student1").await);

    // The epoch: switched off and on again.
    let mut theirs = twin(&world, &other);
    disable(&world, "student2").await;
    enable(&world, "student2").await;
    assert!(is_asked(&mut theirs, "student2").await);
    world.advance(LATER);
    let answer = answer_and_trust(&mut theirs, &phone2.code(world.clock.now())).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    forget_session(&mut theirs);
    world.advance(6 * DAY - LATER);
    assert!(!is_asked(&mut twin(&world, &theirs), "student2").await, "to the end of its days");
    world.advance(LATER);
    assert!(is_asked(&mut theirs, "student2").await, "and not beyond");
    assert!(!world.has_audited("device_copied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_a_session_on_a_device_ends_with_the_device_and_a_password_change_ends_both() {
    let world = World::with(trusting).await;
    let (mut browser, _) = trusted(&world, "student1").await;
    assert!(!is_asked(&mut browser, "student1").await && is_in(&mut browser).await);
    let copy = twin(&world, &browser);
    let fields = [("password", PASSWORD), ("newpassword1", "Neu.12345"), ("newpassword2", "Neu.12345")];
    let page = browser.get("/login/change_password.php").await.text();
    let sesskey = between(&page, "name=\"sesskey\" value=\"", "\"");
    let form = [("sesskey", &*sesskey), ("_qf__login_change_password_form", "1"), ("id", "1")];
    let answer = browser.post("/login/change_password.php", &[&form[..], &fields[..]].concat()).await;
    assert!(answer.status.is_success(), "{} {}", answer.status, answer.text());
    until("the change is known", async || world.has_audited("epoch_raised")).await;
    let mut copy = copy;
    forget_session(&mut copy);
    let answer = copy.sign_in("student1", "Neu.12345").await;
    assert_eq!(answer.location(), "/vestibule/challenge", "a password change ends trust: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_trust_is_offered_only_where_it_counts_and_only_after_a_factor() {
    let world = World::start().await;
    let (_, phone) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    assert!(!browser.get("/vestibule/challenge").await.text().contains("name=\"trust\""), "the rule counts no device");
    answer_and_trust(&mut browser, &phone.code(world.clock.now())).await;
    assert!(is_in(&mut browser).await && secret_of(&browser).is_none());

    let world = World::with(trusting).await;
    let (_, phone) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    let page = browser.get("/vestibule/challenge").await.text();
    assert!(page.contains("name=\"trust\"") && !page.contains("checked"), "unticked: {page}");
    assert_eq!(answer_and_trust(&mut browser, &wrong_code(&world, &phone)).await.status, 422);
    assert!(secret_of(&browser).is_none(), "not for a wrong one");
    browser.answer(&phone.code(world.clock.now())).await;
    assert!(is_in(&mut browser).await);
    assert!(secret_of(&browser).is_none(), "what was said with a wrong one is not remembered");
}

/// Ten wrong passwords of somebody who knows the name alone.
async fn fill(world: &World, username: &str) {
    for _ in 0..12 {
        Browser::at(world).sign_in(username, "wrong").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn e6_e2_whoever_fills_a_counter_locks_out_strangers_and_not_the_owner_s_browser() {
    let world = World::start().await;
    let (mut browser, phone) = signed_in(&world, "student1").await;
    forget_session(&mut browser);
    fill(&world, "student1").await;
    let locked = Browser::at(&world).sign_in("student1", PASSWORD).await;
    let wrong = Browser::at(&world).sign_in("student2", "wrong").await;
    assert_eq!((locked.status, locked.location()), (wrong.status, wrong.location()), "the ordinary refusal");
    let sheet = account(&world, "student1").await;
    assert!(sheet.locked.iter().any(|line| line.starts_with("passwords of student1 at campus until")), "{sheet:?}");

    let mut mine = twin(&world, &browser);
    assert!(is_asked(&mut mine, "student1").await, "the owner's own browser is asked for the code");
    mine.answer(&phone.code(world.clock.now())).await;
    assert!(is_in(&mut mine).await);

    // A stolen mark is worth a stranger's guesses and no more.
    let before = passwords_at_the_lms(&world);
    for _ in 0..30 {
        let refused = twin(&world, &browser).sign_in("student1", "wrong").await;
        assert_eq!((refused.status, refused.location()), (wrong.status, wrong.location()));
    }
    assert_eq!(passwords_at_the_lms(&world) - before, 10);
    assert!(!is_asked_or_refused(&mut twin(&world, &browser)).await, "its lane is full as well");
    let sheet = account(&world, "student1").await;
    assert_eq!(sheet.locked.len(), 2, "{:?}", sheet.locked);

    administer(&world, Command::Account(AccountCommand::Unlock(User { user: "student1".into() }))).await;
    assert!(account(&world, "student1").await.locked.is_empty());
    assert!(is_asked(&mut twin(&world, &browser), "student1").await);
    assert!(is_asked(&mut Browser::at(&world), "student1").await);
    assert_eq!(world.audited("account_unlocked").await.len(), 1);
}

async fn is_asked_or_refused(browser: &mut Browser) -> bool {
    browser.sign_in("student1", PASSWORD).await.location() == "/vestibule/challenge"
}

#[tokio::test(flavor = "multi_thread")]
async fn e5_owners_do_not_wait_for_what_others_spray() {
    let world = World::start().await;
    let (mut browser, _) = signed_in(&world, "student1").await;
    forget_session(&mut browser);
    for n in 0..45 {
        Browser::at(&world).sign_in(&format!("nobody{n}"), PASSWORD).await;
    }
    world.audited("spraying_noticed").await;
    let slow = Instant::now();
    Browser::at(&world).sign_in("student1", PASSWORD).await;
    let slow = slow.elapsed();
    let quick = Instant::now();
    assert!(is_asked(&mut browser, "student1").await);
    let quick = quick.elapsed();
    assert!(slow >= Duration::from_secs(3) && quick < slow / 2, "{slow:?} {quick:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_f14_a_factor_that_a_stranger_locked_is_open_in_its_owner_s_browser() {
    let world = World::start().await;
    let (mut browser, phone) = signed_in(&world, "student1").await;
    forget_session(&mut browser);
    for _ in 0..3 {
        let mut thief = challenged(&world, "student1").await;
        for _ in 0..5 {
            thief.answer(&wrong_code(&world, &phone)).await;
        }
    }
    let mut stranger = challenged(&world, "student1").await;
    let answer = stranger.answer(&phone.code(world.clock.now())).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    let sheet = account(&world, "student1").await;
    assert!(sheet.locked.iter().any(|line| line.starts_with("factor totp until")), "{:?}", sheet.locked);
    assert!(is_asked(&mut browser, "student1").await);
    browser.answer(&phone.code(world.clock.now())).await;
    assert!(is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_a_known_cookie_that_is_forged_or_another_site_s_opens_no_lane() {
    let world = World::start().await;
    let (browser, _) = signed_in(&world, "student1").await;
    let known = browser.cookies["__Host-known"].clone();
    assert!(!known.contains("student1"));
    fill(&world, "student1").await;
    for bent in [known[1..].to_owned(), known[..known.len() - 2].to_owned(), "v1.a.b".into(), "x".repeat(4000)] {
        let mut forged = Browser::at(&world);
        forged.cookies.insert("__Host-known".into(), bent);
        assert!(!is_asked_or_refused(&mut forged).await);
    }
    let elsewhere = World::start().await;
    signed_in(&elsewhere, "student1").await;
    fill(&elsewhere, "student1").await;
    let mut moved = Browser::at(&elsewhere);
    moved.cookies.insert("__Host-known".into(), known);
    assert!(!is_asked_or_refused(&mut moved).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f13_a_sign_in_by_a_trusted_browser_while_its_account_is_switched_off_is_no_session() {
    let world = World::with(trusting).await;
    let (mut browser, _) = trusted(&world, "student1").await;
    let (world, armed) = super::races::meddled(world).await;
    armed.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = browser.sign_in("student1", PASSWORD).await;
    assert!(!armed.load(std::sync::atomic::Ordering::SeqCst), "it was switched off in between");
    assert!(answer.status == StatusCode::SERVICE_UNAVAILABLE || answer.location() != "/my/", "{}", answer.status);
    assert!(!browser.cookies.contains_key(SESSION) && !is_in(&mut browser).await);
    assert!(account(&world, "student1").await.sessions.is_empty());
}

/// A network made up for what was not answered; elsewhere the device would stand for it.
#[tokio::test(flavor = "multi_thread")]
async fn f9_a_browser_is_not_trusted_where_a_signal_had_to_help() {
    let world = World::with(|config| {
        let signals = "[ { name: trusted-browser, kind: device, days: 6 },
            { name: campus, kind: network, networks: [ 127.0.0.0/8 ], weight: 50 } ]";
        config.mfa.signals = serde_yaml::from_str(signals).expect("signals");
        config.mfa.factors.iter_mut().for_each(|factor| factor.weight = 50);
    })
    .await;
    let (_, phone) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    let answer = answer_and_trust(&mut browser, &phone.code(world.clock.now())).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert!(is_in(&mut browser).await && secret_of(&browser).is_none());
    assert!(devices(&world, "student1").await.is_empty());
}
