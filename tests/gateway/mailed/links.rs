//! The link in a letter: what it passes, where, and what its reader can say with it.

use super::*;
use crate::browser::{account, is_in};

#[tokio::test(flavor = "multi_thread")]
async fn j9_a_link_passes_its_flow_in_the_browser_that_holds_it_and_in_no_other() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    with_email(&world, &smtp, "student1", ANN).await;
    let mut intruder = asked(&world, "student1").await;
    let letter = sent_at(&mut intruder, CHALLENGE, &smtp).await;
    // The owner opens it, in a browser that is in a sign-in of its own, and presses what is there.
    let mut owner = asked(&world, "student1").await;
    let csrf = owner.csrf(CHALLENGE).await;
    let page = owner.get(&letter.link).await;
    assert_eq!(page.status, StatusCode::OK);
    let page = page.text();
    assert!(
        page.contains("127.0.0.1") && page.contains("this was not me") && !page.contains("value=\"pass\""),
        "{page}"
    );
    let mut fresh = Browser::at(&world);
    for browser in [&mut owner, &mut fresh] {
        let answer = browser.post(&letter.link, &[("csrf", &csrf), ("act", "pass")]).await;
        assert_eq!(answer.status, StatusCode::OK, "the same page: {}", answer.text());
        assert!(!answer.text().contains("value=\"pass\""));
    }
    assert!(!is_in(&mut intruder).await && !is_in(&mut owner).await && !is_in(&mut fresh).await);
    // In its own browser it is as good as the code, once.
    let page = intruder.get(&letter.link).await.text();
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let answer = intruder.post(&letter.link, &[("csrf", "x"), ("act", "pass")]).await;
    assert_eq!(answer.status, StatusCode::OK, "not without the form's token");
    let answer = intruder.post(&letter.link, &[("csrf", &csrf), ("act", "pass")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert!(is_in(&mut intruder).await);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_what_fetches_links_changes_nothing_and_an_old_letter_s_link_passes_nothing() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    with_email(&world, &smtp, "student1", ANN).await;
    let mut browser = asked(&world, "student1").await;
    let first = sent_at(&mut browser, CHALLENGE, &smtp).await;
    let mut scanner = Browser::at(&world);
    for _ in 0..3 {
        assert_eq!(scanner.get(&first.link).await.status, StatusCode::OK);
        let head = scanner.send(http::Method::HEAD, &first.link, &[], String::new()).await;
        assert_eq!(head.status, StatusCode::OK);
    }
    assert!(!world.has_audited("sign_in_disowned"));
    world.advance(Duration::from_secs(61));
    let second = sent_at(&mut browser, CHALLENGE, &smtp).await;
    let page = browser.get(&first.link).await.text();
    assert!(!page.contains("value=\"pass\"") && page.contains("value=\"not-me\""), "{page}");
    let csrf = browser.csrf(CHALLENGE).await;
    browser.post(&first.link, &[("csrf", &csrf), ("act", "pass")]).await;
    assert!(!is_in(&mut browser).await);
    assert_eq!(answer(&mut browser, &second.code).await.status, StatusCode::SEE_OTHER, "it is still good");
    let made_up = ["x", "v1.00000000.AAAA", "../../etc/passwd", &"A".repeat(3000)];
    for token in made_up {
        let answer = scanner.get(&format!("/vestibule/mailed/{token}")).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404 | 410 | 303), "{token:.20}: {}", answer.status);
        let answer = scanner.post(&format!("/vestibule/mailed/{token}"), &[("act", "not-me")]).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404 | 410 | 303), "{token:.20}: {}", answer.status);
    }
    assert!(!world.has_audited("sign_in_disowned"));
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_this_was_not_me_ends_the_sign_in_marks_the_account_and_tells_the_help_desk() {
    let smtp = Smtp::plain();
    let desk = "help-desk@example.org";
    let world = world(&smtp, |config| {
        let mail = config.outbound.mail.as_mut().expect("mail");
        mail.help_desk = Some(desk.to_owned().try_into().expect("an address"));
    })
    .await;
    with_email(&world, &smtp, "student1", ANN).await;
    assert_eq!(account(&world, "student1").await.disowned, None);
    let mut intruder = asked(&world, "student1").await;
    let letter = sent_at(&mut intruder, CHALLENGE, &smtp).await;
    let mut owner = Browser::at(&world);
    owner.get(&letter.link).await;
    // From another site's page it does nothing, though the link is all it takes.
    let head = [
        ("origin", "https://evil.example".to_owned()),
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
    ];
    let answer = owner.send(http::Method::POST, &letter.link, &head, "act=not-me".into()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    for _ in 0..3 {
        let answer = owner.post(&letter.link, &[("act", "not-me")]).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.text().contains("The sign-in was ended"), "{}", answer.text());
    }
    assert_eq!(intruder.get(CHALLENGE).await.status, StatusCode::GONE);
    assert!(account(&world, "student1").await.disowned.is_some());
    assert_eq!(world.audited("sign_in_disowned").await.len(), 1);
    let subject = "Somebody says that a sign-in was not theirs";
    mail::eventually("the help desk hears of it", || letters(&smtp, desk, subject) == 1).await;
    let told = smtp.letters().into_iter().find(|letter| letter["to"][0] == desk).unwrap();
    assert!(told["text"].as_str().unwrap().contains("student1"), "{told}");
    world.app.stop().await;
    assert_eq!(letters(&smtp, desk, subject), 1, "once of each letter");
}

/// The owner was talked out of the code, and reads the letter afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn f5_this_was_not_me_ends_what_the_code_has_opened_and_nothing_older() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    let mut owner = with_email(&world, &smtp, "student1", ANN).await;
    let mut intruder = asked(&world, "student1").await;
    let letter = sent_at(&mut intruder, CHALLENGE, &smtp).await;
    assert_eq!(answer(&mut intruder, &letter.code).await.status, StatusCode::SEE_OTHER);
    assert!(is_in(&mut intruder).await);
    world.advance(Duration::from_secs(3600));
    let answer = Browser::at(&world).post(&letter.link, &[("act", "not-me")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(!is_in(&mut intruder).await);
    assert!(is_in(&mut owner).await, "a session from before the letter stays");
    world.advance(Duration::from_secs(7 * 24 * 3600));
    assert_eq!(Browser::at(&world).get(&letter.link).await.status, StatusCode::GONE);
    world.app.stop().await;
}

/// Somebody else was the first to enrol, with a code that its reader was talked out of.
#[tokio::test(flavor = "multi_thread")]
async fn f5_this_was_not_me_takes_back_the_factor_that_the_code_has_opened() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    known(&world, "student1", ANN).await;
    let mut intruder = Browser::at(&world);
    assert_eq!(intruder.sign_in("student1", PASSWORD).await.location(), ADDRESS);
    let letter = sent_at(&mut intruder, ADDRESS, &smtp).await;
    let csrf = intruder.csrf(ADDRESS).await;
    intruder.post(ADDRESS, &[("csrf", &csrf), ("code", &letter.code)]).await;
    let csrf = intruder.csrf("/vestibule/recovery-codes").await;
    intruder.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await;
    assert!(is_in(&mut intruder).await);
    assert_eq!(account(&world, "student1").await.factors.len(), 1);
    let answer = Browser::at(&world).post(&letter.link, &[("act", "not-me")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(!is_in(&mut intruder).await);
    let sheet = account(&world, "student1").await;
    assert!(sheet.factors.is_empty() && sheet.enrols_by_help_desk_only, "J3: the password alone enrols nothing");
    world.app.stop().await;
}
