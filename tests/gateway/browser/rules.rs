//! Rules and signals at both doors: who is asked, and that what let somebody in lasts as long as its reason (J4, J8,
//! J16, F11, F12).

use super::*;
use crate::{
    chain::school::{SQL_PASSWORD, Table, header_door, trust},
    people::MoodleApp,
    wire::{FORM, REST, SITE_INFO, ask, assert_five_keys},
};
use sqlx::{Connection, Executor, SqliteConnection};
use vestibule::{
    config::Config,
    mfa::{Grace, Stage},
    types::{Clock, Timestamp},
};

const MINUTE: Duration = Duration::from_secs(60);
const LAB: &str = "192.0.2.7";
const HOME: &str = "198.51.100.7";

/// The visitor's address is what the proxy in front says; the laboratory's is enough by itself.
fn with_lab(config: &mut Config) {
    config.edge.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    let lab = "{name: lab, kind: network, networks: [192.0.2.0/24]}";
    config.mfa.signals = vec![serde_yaml::from_str(lab).unwrap()];
}

fn from(browser: &mut Browser, address: &str) {
    browser.headers = vec![("x-forwarded-for", address.to_owned())];
}

/// token.php from an address.
async fn token_from(world: &World, address: &str, username: &str) -> Answer {
    let body = format!("username={username}&password={PASSWORD}&service=moodle_mobile_app");
    ask(world, "POST", "/login/token.php", &[("content-type", FORM), ("x-forwarded-for", address)], body).await
}

async fn calls_from(world: &World, address: &str, token: &str) -> Value {
    let body = format!("wstoken={token}&wsfunction={SITE_INFO}");
    ask(world, "POST", REST, &[("content-type", FORM), ("x-forwarded-for", address)], body).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn j4_a_session_that_a_network_let_in_is_nobody_elsewhere() {
    let world = World::with(with_lab).await;
    let mut browser = Browser::at(&world);
    from(&mut browser, LAB);
    browser.sign_in("student1", PASSWORD).await;
    assert!(is_in(&mut browser).await);
    let let_through = &world.audited("let_through").await[0];
    assert_eq!((&let_through["rule"], &let_through["reason"]), (&"everybody".into(), &"signals: lab".into()));
    let sesskey = sesskey(&mut browser).await;
    let jar = browser.cookies.clone();

    from(&mut browser, HOME);
    let mark = world.campus.mark();
    assert!(!is_in(&mut browser).await);
    assert!(requires_login(&ajax_with(&mut browser, &sesskey, "core_session_touch").await));
    // What is open to everybody stays open, for nobody.
    ajax_with(&mut browser, &sesskey, "core_get_string").await;
    browser.get("/login/index.php").await;
    let sent = world.campus.since(mark);
    assert!(!sent.is_empty());
    for line in sent.iter().flat_map(|request| request.header("cookie")) {
        let id = line.trim_start_matches("MoodleSession=");
        assert_eq!(world.campus.session_user(id), None, "{line}");
    }

    browser.cookies = jar;
    assert!(!is_in(&mut browser).await, "also with the cookies of before");
    from(&mut browser, LAB);
    assert!(is_in(&mut browser).await, "the session holds facts, and here they are enough");
    from(&mut browser, HOME);
    browser.enrol(&world, "student1", PASSWORD).await;
    assert!(is_in(&mut browser).await, "a factor is good anywhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn j8_a_signal_alone_mints_no_token_where_a_factor_is_required() {
    let world = World::with(with_lab).await;
    assert_five_keys(&token_from(&world, LAB, "student1").await, "mfaenrolmentrequired");
    let mut browser = Browser::at(&world);
    from(&mut browser, HOME);
    let (device, _) = browser.enrol(&world, "student1", PASSWORD).await;
    world.advance(MINUTE);
    let asked = assert_five_keys(&token_from(&world, LAB, "student1").await, "mfarequired");
    let flow = asked["mfa"]["flow"].as_str().expect("a flow").to_owned();
    let answer = MoodleApp::at(&world).verify(&flow, "totp", &device.code(world.clock.now())).await.json();
    let token = answer["token"].as_str().unwrap_or_else(|| panic!("no token: {answer}"));
    assert_eq!(calls_from(&world, HOME, token).await["userid"], 3, "proven: good anywhere");
    assert_eq!(world.audited("token_minted").await[0]["unproven"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn j8_an_app_beside_a_signal_is_challenged_for_the_rest() {
    let world = World::with(|config| {
        with_lab(config);
        config.mfa.signals[0].weight = 40;
        config.mfa.factors.iter_mut().for_each(|factor| factor.weight = 60);
    })
    .await;
    let mut browser = Browser::at(&world);
    from(&mut browser, LAB);
    let (device, codes) = browser.enrol(&world, "student1", PASSWORD).await;
    world.advance(MINUTE);
    let app = MoodleApp::at(&world);
    let flow = async |address| {
        let asked = token_from(&world, address, "student1").await.json();
        asked["mfa"]["flow"].as_str().unwrap_or_else(|| panic!("{asked}")).to_owned()
    };
    let here = flow(LAB).await;
    let answer = app.verify(&here, "totp", &device.code(world.clock.now())).await.json();
    assert!(answer["token"].is_string(), "60 and 40: {answer}");
    world.advance(MINUTE);
    let elsewhere = flow(HOME).await;
    let answer = app.verify(&elsewhere, "totp", &device.code(world.clock.now())).await.json();
    assert!(answer["token"].is_null() && answer["errorcode"] == "mfarequired", "60 alone: {answer}");
    let answer = app.verify(&elsewhere, "recovery", &codes[0]).await.json();
    assert!(answer["token"].is_string(), "60 and 60: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f11_j4_j8_grace_ends_for_sessions_and_tokens_that_live_and_no_sign_in_moves_it() {
    let world = World::start().await;
    let ends: Timestamp = world.clock.now().plus(90 * MINUTE);
    let mut world = world;
    let grace = Grace { until: Some(ends.to_string().parse().unwrap()), ..Grace::default() };
    world.config.mfa.rules[0].grace = Some(grace);
    let world = world.restart().await;

    let app = MoodleApp::at(&world);
    let minted = app.token("student1", PASSWORD).await.json();
    let token = minted["token"].as_str().unwrap_or_else(|| panic!("no token: {minted}"));
    assert_eq!(world.audited("token_minted").await[0]["unproven"], true);
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    assert!(is_in(&mut browser).await);
    assert!(world.audited("let_through").await.iter().all(|line| line["would"] == "enrol"));
    world.advance(60 * MINUTE);
    // Without the cookie, and another time: the end stays where it is.
    let mut again = Browser::at(&world);
    again.sign_in("student1", PASSWORD).await;
    assert!(is_in(&mut again).await && is_in(&mut browser).await);
    assert_eq!(app.call(token, SITE_INFO, &[]).await.json()["userid"], 3);

    world.advance(31 * MINUTE);
    assert!(!is_in(&mut again).await && !is_in(&mut browser).await);
    assert_eq!(app.call(token, SITE_INFO, &[]).await.json()["errorcode"], "invalidtoken");
    assert_five_keys(&app.token("student1", PASSWORD).await, "mfaenrolmentrequired");
    let mut late = Browser::at(&world);
    late.enrol(&world, "student1", PASSWORD).await;
    assert!(is_in(&mut late).await);
    assert_eq!(app.call(token, SITE_INFO, &[]).await.json()["errorcode"], "invalidtoken", "unproven stays unproven");
}

/// Writes an exemption past the running gateway, which looks at the next start.
async fn exempt(world: &World, user: &str, until: Timestamp) {
    let id = account(world, user).await.account.id;
    let path = world.folder.0.join("vestibule.db");
    let mut database = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    let insert = format!("INSERT INTO exemptions VALUES ('{id}', 'bypass', {}, 'lost phone', 'uid 0', 0)", until.0);
    database.execute(sqlx::AssertSqlSafe(insert)).await.unwrap();
    database.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn j4_j8_an_exemption_ends_for_sessions_and_tokens_that_live() {
    let world = World::start().await;
    let (_, _) = signed_in(&world, "student1").await;
    exempt(&world, "student1", world.clock.now().plus(60 * MINUTE)).await;
    let world = world.restart().await;
    let app = MoodleApp::at(&world);
    let minted = app.token("student1", PASSWORD).await.json();
    let token = minted["token"].as_str().unwrap_or_else(|| panic!("no token: {minted}"));
    let mut browser = Browser::at(&world);
    browser.sign_in("student1", PASSWORD).await;
    assert!(is_in(&mut browser).await, "nothing is asked, whatever they have");
    assert!(challenged_or_enrolling(&world, "student2").await, "nobody else is exempt");
    world.advance(61 * MINUTE);
    assert!(!is_in(&mut browser).await);
    assert_eq!(app.call(token, SITE_INFO, &[]).await.json()["errorcode"], "invalidtoken");
    assert_five_keys(&app.token("student1", PASSWORD).await, "mfarequired");
}

async fn challenged_or_enrolling(world: &World, username: &str) -> bool {
    let answer = Browser::at(world).sign_in(username, PASSWORD).await;
    matches!(answer.location(), "/vestibule/challenge" | "/vestibule/enrol")
}

/// Pupils are asked for nothing, everybody else in time.
fn by_group(config: &mut Config) {
    header_door(config);
    let window = "first_enrolment: at_sign_in, enrolment_window: {until: 2100-01-01}";
    let yaml = format!(
        "[{{name: pupils, groups: [pupils], stage: off}}, {{name: staff, groups: [staff], {window}}}, \
         {{name: rest, stage: optional, {window}}}]"
    );
    config.mfa.rules = serde_yaml::from_str(&yaml).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn j4_a_rule_for_a_group_decides_for_its_members_and_follows_them() {
    let table =
        Table::of(&[("p1", "amal", "a@example.org"), ("p2", "bela", "b@example.org"), ("p3", "caro", "c@example.org")])
            .await;
    table.run("UPDATE people SET teams = 'pupils' WHERE id = 'p1'").await;
    table.run("UPDATE people SET teams = 'clubs, staff' WHERE id = 'p2'").await;
    let world = World::with(|config| {
        by_group(config);
        config.chain.instances.insert(0, table.instance_with_groups("school"));
    })
    .await;
    trust(&world);
    let mut pupil = Browser::at(&world);
    pupil.sign_in("amal", SQL_PASSWORD).await;
    assert!(is_in(&mut pupil).await);
    let mut other = Browser::at(&world);
    other.sign_in("caro", SQL_PASSWORD).await;
    assert!(is_in(&mut other).await, "in no group, and known to be");
    world.eventually("both are recorded", |world| world.has_audited_with("let_through", "\"rule\":\"rest\"")).await;
    let rules: Vec<Value> = world.audited("let_through").await.iter().map(|line| line["rule"].clone()).collect();
    assert_eq!(rules, ["pupils", "rest"]);
    let answer = Browser::at(&world).sign_in("bela", SQL_PASSWORD).await;
    assert_eq!(answer.location(), "/vestibule/enrol");

    // Whoever changes sides while signed in is judged by what they are now.
    table.run("UPDATE people SET teams = 'staff' WHERE id = 'p1'").await;
    world.advance(20 * MINUTE);
    until("the source was asked again", async || !is_in(&mut pupil).await).await;
    assert!(is_in(&mut other).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn j16_where_no_source_says_who_is_in_which_group_the_strictest_rule_decides() {
    let table = Table::of(&[("p1", "amal", "a@example.org")]).await;
    let world = World::with(|config| {
        by_group(config);
        config.chain.instances.insert(0, table.instance("school", ""));
    })
    .await;
    trust(&world);
    for (name, password) in [("amal", SQL_PASSWORD), ("student1", PASSWORD)] {
        let answer = Browser::at(&world).sign_in(name, password).await;
        assert_eq!(answer.location(), "/vestibule/enrol", "{name} might be staff");
        let json = MoodleApp::at(&world).token(name, password).await.json();
        assert_eq!(json["errorcode"], "mfaenrolmentrequired", "{name}");
    }
    assert!(!world.has_audited("let_through"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_no_page_that_tool_mfa_exempts_opens_before_the_factor() {
    let world = World::start().await;
    let (_, _) = signed_in(&world, "student1").await;
    let mut pending = challenged(&world, "student1").await;
    let mark = world.campus.mark();
    for path in [
        "/login/change_password.php",
        "/user/edit.php?id=3",
        "/user/preferences.php",
        "/enrol/index.php?id=2",
        "/course/loginas.php?id=1&user=4",
        "/admin/search.php",
        "/admin/tool/mfa/auth.php",
        "/my/",
        COURSE,
    ] {
        assert_eq!(pending.get(path).await.location(), "/login/index.php", "{path}");
    }
    assert_eq!(world.campus.since(mark).len(), 0, "the LMS hears of none of them");
    assert!(requires_login(&ajax(&mut pending, "core_message_send_instant_messages").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_asked_is_reported_rule_by_rule() {
    use vestibule::admin::{MfaCommand, Since};
    let world = World::start().await;
    let (_, _) = signed_in(&world, "student1").await;
    let mut world = world;
    world.config.mfa.rules[0].stage = Stage::Report;
    let world = world.restart().await;
    for (name, times) in [("student1", 3), ("student2", 1)] {
        for _ in 0..times {
            Browser::at(&world).sign_in(name, PASSWORD).await;
        }
    }
    until("the copy in the database", async || {
        let report = Command::Mfa(MfaCommand::Report(Since { since: 1 }));
        let Reply::MfaReport(sheet) = administer(&world, report).await else { panic!("a report") };
        let rows: Vec<_> = sheet.rows.iter().map(|r| (r.rule.as_str(), r.reason.as_str(), r.sign_ins)).collect();
        rows == [("everybody", "report", 4)]
            && (sheet.rows[0].people, sheet.rows[0].challenge, sheet.rows[0].enrol) == (2, 1, 1)
    })
    .await;
}
