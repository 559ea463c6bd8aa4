//! Issue B's stories through the whole gateway: one chain, both doors, and no account that floats.

use super::school::{SQL_PASSWORD, Table, by_header, header_door, trust};
use crate::{
    browser::{COURSE, PASSWORD, account, is_in},
    people::{Browser, MoodleApp},
    wire::{ask_other, second_site},
    world::World,
};
use http::StatusCode;
use std::time::Duration;

/// Signs in with a first device, looks at a course, then the same person at the app's door; returns the LMS user.
pub async fn at_both_doors(world: &World, username: &str, password: &str) -> u64 {
    let mut browser = Browser::at(world);
    let (device, _) = browser.enrol(world, username, password).await;
    let page = browser.get(COURSE).await;
    assert_eq!(page.status, StatusCode::OK, "{username}: {}", page.location());
    world.advance(Duration::from_secs(60));
    let app = MoodleApp::at(world);
    let token = app.sign_in(world, username, password, &device).await;
    let info = app.call(&token, "core_webservice_get_site_info", &[]).await.json();
    world.advance(Duration::from_secs(60));
    let id = info["userid"].as_u64().unwrap_or_else(|| panic!("{info}"));
    assert_eq!(world.campus.account_of(id).expect("an LMS account").username, info["username"].as_str().unwrap());
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn header_mode_signs_in_people_whom_the_lms_has_never_seen_and_its_own() {
    let table = Table::of(&[("p1", "amal", "amal@example.org")]).await;
    let world = World::with(|config| {
        by_header(config);
        config.chain.instances.insert(0, table.instance("staff", ""));
    })
    .await;
    trust(&world);
    let id = at_both_doors(&world, "amal", SQL_PASSWORD).await;
    assert!(id > 10, "the LMS made a user: {id}");
    let made = world.campus.account_of(id).unwrap();
    assert_eq!((made.first_name.as_str(), made.last_name.as_str()), ("First", "AMAL"));
    assert_eq!(made.email, "amal@example.org");
    assert_eq!(at_both_doors(&world, "student1", PASSWORD).await, 3, "the LMS's own accounts stay where they are");
    let bound = &world.audited("lms_user_known").await[0];
    assert_eq!(bound["how"], "created");
}

#[tokio::test(flavor = "multi_thread")]
async fn form_mode_shows_the_lms_page_and_the_chain_judges() {
    let table = Table::of(&[("p1", "amal", "amal@example.org"), ("p2", "student2", "x@example.org")]).await;
    let world = World::with(|config| {
        header_door(config);
        config.chain.instances.insert(0, table.instance("staff", ""));
    })
    .await;
    trust(&world);
    at_both_doors(&world, "amal", SQL_PASSWORD).await;
    at_both_doors(&world, "student1", PASSWORD).await;
    // A refusal by the chain is the LMS's own page and words, whoever refused.
    for name in ["amal", "student1", "nobody"] {
        let mut browser = Browser::at(&world);
        let answer = browser.sign_in(name, "wrong").await;
        assert_eq!(answer.location(), format!("{}/login/index.php", world.url), "{name}");
        let page = browser.get("/login/index.php").await.text();
        assert!(page.contains("Invalid login, please try again"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j1_a_name_that_the_lms_would_fold_is_denied_before_anything_is_sent() {
    let table = Table::of(&[("p1", "studént1", "a@example.org"), ("p2", "ok", "b@example.org")]).await;
    let world = World::with(|config| {
        by_header(config);
        config.chain.instances = vec![table.instance("staff", "")];
    })
    .await;
    trust(&world);
    let mark = world.campus.mark();
    let mut browser = Browser::at(&world);
    let answer = browser.sign_in("studént1", SQL_PASSWORD).await;
    // Everything else is asked first: the refusal comes where the LMS would be told.
    assert_ne!(answer.location(), "/my/");
    if answer.location() == "/vestibule/enrol" {
        let mut browser = Browser::at(&world);
        let answer = browser.finish_enrolment(&world, "studént1", SQL_PASSWORD).await;
        assert_eq!(answer.status, StatusCode::GONE, "{}", answer.location());
    }
    assert!(!is_in(&mut browser).await);
    assert!(world.campus.since(mark).iter().all(|request| !request.path().starts_with("/auth/shibboleth")));
    assert_eq!(world.audited("sign_in_denied").await[0]["reason"], "name_unusable");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_lms_user_who_existed_before_is_proven_by_the_lms_password_once() {
    let table = Table::of(&[("p1", "student1", "s@example.org")]).await;
    let world = World::with(|config| {
        by_header(config);
        config.chain.instances = vec![table.instance("staff", "")];
    })
    .await;
    trust(&world);
    let mut browser = Browser::at(&world);
    let answer = browser.finish_enrolment(&world, "student1", SQL_PASSWORD).await;
    assert_eq!(answer.location(), "/vestibule/lms-password");
    assert!(!is_in(&mut browser).await, "nothing is released before the proof");
    let csrf = browser.csrf("/vestibule/lms-password").await;
    let prove = |password: &'static str| {
        [("csrf", csrf.clone()), ("username", "student1".into()), ("password", password.into())]
    };
    let wrong = prove("wrong");
    let fields: Vec<(&str, &str)> = wrong.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let answer = browser.post("/vestibule/lms-password", &fields).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let right = prove(PASSWORD);
    let fields: Vec<(&str, &str)> = right.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let answer = browser.post("/vestibule/lms-password", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert!(is_in(&mut browser).await);
    let known = &world.audited("lms_user_known").await[0];
    // Whatever name is sent along: what is proven is one's own, never another user's of the same password.
    assert_eq!((&known["how"], &known["user"]), (&"proof".into(), &3.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn e10_e11_a_pinned_account_never_floats_to_a_lower_instance() {
    let (staff, old) = (
        Table::of(&[("p1", "amal", "amal@example.org")]).await,
        Table::of(&[("o1", "amal", "amal@example.org")]).await,
    );
    let world = World::with(|config| {
        by_header(config);
        config.chain.instances = vec![staff.instance("staff", ""), old.instance("old", "")];
    })
    .await;
    trust(&world);
    at_both_doors(&world, "amal", SQL_PASSWORD).await;
    // Switched off at its own source, it is refused, though a lower instance knows name and password.
    staff.run("UPDATE people SET off = 1").await;
    let mut browser = Browser::at(&world);
    assert_eq!(browser.sign_in("amal", SQL_PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Gone from its own source, it is still nobody else's.
    staff.run("DELETE FROM people").await;
    assert_eq!(browser.sign_in("amal", SQL_PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let verdicts = world.audited("password_judged").await;
    let last = verdicts.last().unwrap()["verdicts"].as_array().unwrap();
    assert_eq!(last.len(), 1, "one instance was asked: {last:?}");
    assert_eq!(last[0]["instance"], "staff");
    assert!(last[0]["milliseconds"].is_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn j6_a_stranger_during_an_error_is_neither_pinned_nor_created() {
    let old = Table::of(&[("o1", "amal", "amal@example.org")]).await;
    let dead = Table::of(&[]).await;
    let world = World::with(|config| {
        by_header(config);
        config.chain.instances = vec![dead.instance("staff", ""), old.instance("old", "")];
    })
    .await;
    trust(&world);
    at_both_doors(&world, "amal", SQL_PASSWORD).await;
    old.add(("o2", "bela", "bela@example.org")).await;
    dead.run("DROP TABLE people").await;
    let mut browser = Browser::at(&world);
    let answer = browser.sign_in("bela", SQL_PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.text().contains("temporarily unavailable"));
    // The same words for a wrong password and for nobody (X9), and for the app.
    for (name, password) in [("bela", "wrong"), ("nobody", "wrong")] {
        let refused = browser.sign_in(name, password).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.text().replace(name, ""), answer.text().replace("bela", "").replace(name, ""), "{name}");
    }
    let refused = MoodleApp::at(&world).token("bela", SQL_PASSWORD).await.json();
    assert_eq!(refused["errorcode"], "sitemaintenance", "{refused}");
    // Who is linked goes on.
    let mut amal = Browser::at(&world);
    assert_eq!(amal.sign_in("amal", SQL_PASSWORD).await.location(), "/vestibule/challenge");
    let accounts: Vec<_> = world.audited("account_created").await;
    assert_eq!(accounts.len(), 1, "{accounts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn j7_another_name_for_a_pinned_account_is_a_collision() {
    let staff = Table::of(&[("p1", "amal", "amal@example.org")]).await;
    let old = Table::of(&[("o1", "alias", "alias@example.org")]).await;
    let world = World::with(|config| {
        by_header(config);
        config.chain.instances = vec![staff.instance("staff", ""), old.instance("old", "")];
    })
    .await;
    trust(&world);
    at_both_doors(&world, "amal", SQL_PASSWORD).await;
    // The lower instance answers to `alias` and says that it is amal.
    old.run("UPDATE people SET stated = 'amal'").await;
    let mut browser = Browser::at(&world);
    let answer = browser.sign_in("alias", SQL_PASSWORD).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(account(&world, "amal").await.methods.len(), 1);
    assert_eq!(world.audited("sign_in_denied").await[0]["reason"], "name_collision");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_every_older_session_and_token() {
    let staff = Table::of(&[("p1", "amal", "amal@example.org")]).await;
    let world = World::with(|config| {
        by_header(config);
        config.chain.instances = vec![staff.instance("staff", "")];
    })
    .await;
    trust(&world);
    let mut old = Browser::at(&world);
    let (device, _) = old.enrol(&world, "amal", SQL_PASSWORD).await;
    world.advance(Duration::from_secs(60));
    let app = MoodleApp::at(&world);
    let token = app.sign_in(&world, "amal", SQL_PASSWORD, &device).await;
    world.advance(Duration::from_secs(60));
    // The same password under another salt is another hash: the mark has changed.
    staff.run(&format!("UPDATE people SET hash = '{}'", super::sql::SHA512_CRYPT)).await;
    let mut new = Browser::at(&world);
    new.sign_in_with(&world, "amal", SQL_PASSWORD, &device).await;
    assert!(is_in(&mut new).await);
    assert!(!is_in(&mut old).await);
    assert_eq!(app.call(&token, "core_webservice_get_site_info", &[]).await.json()["errorcode"], "invalidtoken");
}

#[tokio::test(flavor = "multi_thread")]
async fn j15_two_sites_whose_lms_know_one_name_share_no_account_without_a_link() {
    let world = World::with(|config| {
        config.mfa.rules[0].stage = vestibule::mfa::Stage::Off;
        second_site(config);
    })
    .await;
    let body = "username=student1&password=Stud.1234&service=moodle_mobile_app";
    assert!(ask_other(&world, "POST", "/login/token.php", body).await.json()["token"].is_string());
    assert!(MoodleApp::at(&world).token("student1", PASSWORD).await.json()["token"].is_string());
    let created = world.audited("account_created").await;
    let sources: Vec<_> = created.iter().map(|line| line["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["other-lms", "campus-lms"], "{created:#?}");
    assert_ne!(created[0]["account"], created[1]["account"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn e3_e11_a_name_that_only_the_lms_would_repair_is_refused_where_others_are_asked_too() {
    let staff = Table::of(&[("p1", "amal", "amal@example.org")]).await;
    let world = World::with(|config| {
        header_door(config);
        config.chain.instances.insert(0, staff.instance("staff", ""));
    })
    .await;
    trust(&world);
    let app = MoodleApp::at(&world);
    for name in ["stu!dent1", "stúdent1", "student1\u{200b}"] {
        let answer = app.token(name, PASSWORD).await.json();
        assert_eq!(answer["errorcode"], "invalidlogin", "{name}: {answer}");
    }
    assert_eq!(app.token("Student1 ", PASSWORD).await.json()["errorcode"], "mfaenrolmentrequired");
    assert!(world.audited("sign_in_denied").await.iter().all(|line| line["reason"] == "name_unusable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn j7_an_address_at_the_lms_form_is_the_name_behind_it() {
    let staff = Table::of(&[("p1", "amal", "amal@example.org")]).await;
    let world = World::with(|config| {
        header_door(config);
        config.chain.instances.insert(0, staff.instance("staff", ""));
    })
    .await;
    trust(&world);
    world.campus.settings(|settings| settings.auth_login_via_email = true);
    let address = world.campus.account_of(3).unwrap().email;
    let mut browser = Browser::at(&world);
    assert_eq!(browser.sign_in(&address, PASSWORD).await.location(), "/vestibule/enrol");
    let sheet = account(&world, "student1").await;
    assert!(sheet.username_verified, "the LMS was asked whose address that is");
}
