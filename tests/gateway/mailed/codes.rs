//! What a mailed code opens, how often it may be asked for and guessed at, and what happens without mail.

use super::*;
use crate::{
    browser::{account, is_in, twin},
    people::MoodleApp,
};
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn f5_a_mailed_code_counts_once_in_its_own_flow_and_only_the_newest() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    with_email(&world, &smtp, "student1", ANN).await;
    let mut browser = asked(&world, "student1").await;
    let page = browser.get(CHALLENGE).await.text();
    assert!(page.contains("a…@example.org") && !page.contains(ANN) && !page.contains("id=\"code\""), "{page}");
    let before = codes(&smtp).len();
    assert_eq!(answer(&mut browser, "123456").await.status, StatusCode::UNPROCESSABLE_ENTITY, "none was sent yet");
    let first = sent_at(&mut browser, CHALLENGE, &smtp).await;
    assert_eq!((first.to.as_str(), codes(&smtp).len()), (ANN, before + 1));
    // Another sign-in of the same account, begun by somebody else.
    let mut other_flow = asked(&world, "student1").await;
    sent_at(&mut other_flow, CHALLENGE, &smtp).await;
    assert_eq!(answer(&mut other_flow, &first.code).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // A resend voids the one before.
    world.advance(Duration::from_secs(61));
    let second = sent_at(&mut browser, CHALLENGE, &smtp).await;
    if first.code != second.code {
        assert_eq!(answer(&mut browser, &first.code).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let mut double = twin(&world, &browser);
    let typed = format!("{} {}", &second.code[..3], &second.code[3..]);
    let csrf = double.csrf(CHALLENGE).await;
    assert_eq!(answer(&mut browser, &typed).await.status, StatusCode::SEE_OTHER);
    assert!(is_in(&mut browser).await);
    // Replayed: in the flow that is over, and in a new one.
    let fields = [("csrf", &*csrf), ("factor", "email"), ("code", &*second.code)];
    double.post(CHALLENGE, &fields).await;
    assert!(!double.cookies.contains_key("__Host-vestibule"));
    let mut again = asked(&world, "student1").await;
    sent_at(&mut again, CHALLENGE, &smtp).await;
    assert_eq!(answer(&mut again, &second.code).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_a_code_ends_after_ten_minutes_with_its_flow() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |config| config.mfa.flow_minutes = 30).await;
    with_email(&world, &smtp, "student1", ANN).await;
    let mut browser = asked(&world, "student1").await;
    let code = sent_at(&mut browser, CHALLENGE, &smtp).await.code;
    world.advance(Duration::from_secs(600));
    let page = browser.get(CHALLENGE).await.text();
    assert!(!page.contains("id=\"code\""), "a code that ran out is not asked for: {page}");
    assert_eq!(answer(&mut browser, &code).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let code = sent_at(&mut browser, CHALLENGE, &smtp).await.code;
    world.advance(Duration::from_secs(599));
    assert_eq!(answer(&mut browser, &code).await.status, StatusCode::SEE_OTHER);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_f5_guesses_are_counted_over_flows_and_resends() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    with_email(&world, &smtp, "student1", ANN).await;
    for _ in 0..2 {
        let mut browser = asked(&world, "student1").await;
        let mut code = sent_at(&mut browser, CHALLENGE, &smtp).await.code;
        for guess in 0..4 {
            if guess == 2 {
                world.advance(Duration::from_secs(61));
                code = sent_at(&mut browser, CHALLENGE, &smtp).await.code;
            }
            assert_eq!(answer(&mut browser, &other(&code)).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
        assert_eq!(answer(&mut browser, &other(&code)).await.status, StatusCode::GONE, "five end the sign-in");
        world.advance(Duration::from_secs(61));
    }
    let mut browser = asked(&world, "student1").await;
    let code = sent_at(&mut browser, CHALLENGE, &smtp).await;
    assert_eq!(answer(&mut browser, &code.code).await.status, StatusCode::TOO_MANY_REQUESTS, "ten lock the factor");
    // And the link is no way around it.
    let page = browser.get(&code.link).await.text();
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let answer = browser.post(&code.link, &[("csrf", &csrf), ("act", "pass")]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!is_in(&mut browser).await);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f14_whoever_knows_a_password_has_its_owner_mailed_only_so_often() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    with_email(&world, &smtp, "student1", ANN).await;
    let before = codes(&smtp).len();
    let browser = asked(&world, "student1").await;
    let csrf = twin(&world, &browser).csrf(CHALLENGE).await;
    let many = (0..30).map(|_| {
        let (mut tab, csrf) = (twin(&world, &browser), csrf.clone());
        async move { tab.post(CHALLENGE, &[("csrf", &csrf), ("factor", "email"), ("act", "send")]).await }
    });
    let answers = futures_util::future::join_all(many).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::SEE_OTHER).count(), 1);
    let refused = answers.iter().find(|answer| answer.status == StatusCode::UNPROCESSABLE_ENTITY).expect("a refusal");
    assert!(refused.text().contains("A code went out a moment ago"), "{}", refused.text());
    let mut sent = 1;
    for _ in 0..6 {
        let mut browser = asked(&world, "student1").await;
        for _ in 0..7 {
            // A letter that has not left within ten minutes is not sent any more, and the clock leaps here.
            mail::eventually("the letter before leaves", || codes(&smtp).len() == before + sent).await;
            world.advance(Duration::from_secs(61));
            sent += usize::from(send(&mut browser, CHALLENGE).await.status == StatusCode::SEE_OTHER);
        }
    }
    // One of the day's twenty was for the enrolment.
    assert_eq!(sent, 19);
    let mut browser = asked(&world, "student1").await;
    let answer = send(&mut browser, CHALLENGE).await;
    assert!(answer.text().contains("No more codes are sent to you for now"), "{}", answer.text());
    assert!(answer.text().contains("?factor=recovery"), "another way is offered: {}", answer.text());
    mail::eventually("all letters arrive", || codes(&smtp).len() == before + 19).await;
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x20_without_a_mail_server_the_page_answers_at_once_and_the_code_comes_late_or_not() {
    let mut smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    with_email(&world, &smtp, "student1", ANN).await;
    smtp.kill();
    let mut browser = asked(&world, "student1").await;
    let begun = Instant::now();
    let answer = send(&mut browser, CHALLENGE).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "it waits for the server");
    mail::eventually("it is put off", || mail::counted(&world, "postponed") >= 1).await;
    // What has run out meanwhile is nobody's code any more, and is not sent.
    world.advance(Duration::from_secs(601));
    let before = codes(&smtp).len();
    smtp.start();
    world
        .app
        .mailer
        .send("bob@example.org", vestibule::language::Lang::En, vestibule::outbound::mail::Message::Test)
        .await;
    mail::eventually("it is dropped", || mail::counted(&world, "expired") == 1).await;
    assert_eq!(codes(&smtp).len(), before);
    for how in ["slow", "421"] {
        smtp.behave(how);
        let mut browser = asked(&world, "student1").await;
        let begun = Instant::now();
        assert_eq!(send(&mut browser, CHALLENGE).await.status, StatusCode::SEE_OTHER);
        assert!(begun.elapsed() < Duration::from_secs(1), "{how}: {:?}", begun.elapsed());
    }
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x20_where_no_code_can_be_queued_its_reader_is_told_and_another_factor_works() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |config| {
        config.outbound.mail.as_mut().expect("mail").per_recipient_per_hour = 3;
    })
    .await;
    let mut owner = with_email(&world, &smtp, "student1", ANN).await;
    let device = add_device(&world, &smtp, &mut owner).await;
    // Two codes and the letters about them: this address has had its letters.
    let mut browser = asked(&world, "student1").await;
    let answer = send(&mut browser, &format!("{CHALLENGE}?factor=email")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.text().contains("No code could be sent") && answer.text().contains("?factor=totp"),
        "{}",
        answer.text()
    );
    world.audited("code_not_sent").await;
    let code = device.code(vestibule::types::Clock::now(&*world.clock));
    assert_eq!(browser.answer(&code).await.status, StatusCode::SEE_OTHER);
    assert!(is_in(&mut browser).await);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_codes_are_mailed_about_run_low_and_are_made_anew() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    known(&world, "student1", ANN).await;
    let mut owner = Browser::at(&world);
    owner.sign_in("student1", PASSWORD).await;
    let code = sent_at(&mut owner, ADDRESS, &smtp).await.code;
    let csrf = owner.csrf(ADDRESS).await;
    owner.post(ADDRESS, &[("csrf", &csrf), ("code", &code)]).await;
    let text = owner.get("/vestibule/recovery-codes.txt").await.text();
    let old: Vec<String> = text.lines().map(str::trim).filter(|l| l.len() == 11).map(str::to_owned).collect();
    let csrf = owner.csrf("/vestibule/recovery-codes").await;
    owner.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await;
    for (n, code) in old.iter().take(8).enumerate() {
        let mut browser = asked(&world, "student1").await;
        let csrf = browser.csrf(CHALLENGE).await;
        let answer = browser.post(CHALLENGE, &[("csrf", &csrf), ("factor", "recovery"), ("code", code)]).await;
        match n {
            0..=5 => assert!(!answer.location().starts_with("/vestibule/"), "{n}: {}", answer.location()),
            _ => {
                assert_eq!(answer.location(), "/vestibule/codes-low");
                let page = browser.get("/vestibule/codes-low").await.text();
                assert!(page.contains(&format!("You have {} recovery codes left", 9 - n)), "{page}");
                assert!(!browser.cookies.contains_key("__Host-vestibule"));
                let csrf = browser.csrf("/vestibule/codes-low").await;
                assert_eq!(
                    browser.post("/vestibule/codes-low", &[("csrf", &csrf)]).await.status,
                    StatusCode::SEE_OTHER
                );
                assert!(is_in(&mut browser).await);
            }
        }
    }
    mail::eventually("each use is mailed", || letters(&smtp, ANN, "A recovery code was used") == 8).await;
    let told = smtp.letters().into_iter().filter_map(|l| l["text"].as_str().map(str::to_owned));
    assert_eq!(told.filter(|text| text.contains("2 are left: make new ones")).count(), 1);

    world.advance(Duration::from_secs(61));
    let csrf = owner.csrf("/vestibule/account").await;
    let answer = owner.post("/vestibule/account", &[("csrf", &csrf), ("act", "codes")]).await;
    assert_eq!(answer.location(), "/vestibule/permit");
    let code = sent_at(&mut owner, "/vestibule/permit", &smtp).await.code;
    let csrf = owner.csrf("/vestibule/permit").await;
    let answer = owner.post("/vestibule/permit", &[("csrf", &csrf), ("factor", "email"), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/recovery-codes", "{}", answer.text());
    assert_eq!(account(&world, "student1").await.recovery_codes_left, 10);
    mail::eventually("it is mailed", || letters(&smtp, ANN, "New recovery codes were made") == 1).await;
    let mut browser = asked(&world, "student1").await;
    let csrf = browser.csrf(CHALLENGE).await;
    let answer = browser.post(CHALLENGE, &[("csrf", &csrf), ("factor", "recovery"), ("code", &old[9])]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "the old ones are void");
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_asks_for_a_code_and_answers_with_it_under_the_same_limits() {
    let smtp = Smtp::plain();
    let world = world(&smtp, |_| {}).await;
    with_email(&world, &smtp, "student1", ANN).await;
    let app = MoodleApp::at(&world);
    let challenge = app.token("student1", PASSWORD).await.json();
    let flow = challenge["mfa"]["flow"].as_str().expect("a flow").to_owned();
    let send = async |factor: &str| app.post(VERIFY, &[("flow", &*flow), ("factor", factor), ("send", "1")]).await;
    assert_eq!(send("totp").await.json()["errorcode"], "mfacodenotsent", "nothing is sent for that one");
    let before = codes(&smtp).len();
    let told = send("email").await;
    assert_eq!((&told.json()["errorcode"], &told.json()["mfa"]["expires_in"]), (&"mfacodesent".into(), &600.into()));
    assert!(!told.text().contains("example.org"), "{}", told.text());
    mail::eventually("a code arrives", || codes(&smtp).len() > before).await;
    let code = codes(&smtp).remove(before).code;
    assert_eq!(send("email").await.json()["errorcode"], "mfacodenotsent", "F14: one a minute");
    assert_eq!(app.verify(&flow, "email", &other(&code)).await.json()["mfa"]["attempts_left"], 4);
    let answer = app.verify(&flow, "email", &code).await.json();
    assert_eq!(answer["token"].as_str().map(str::len), Some(64), "{answer}");
    assert_eq!(app.verify(&flow, "email", &code).await.json()["errorcode"], "mfaflowexpired", "F5: once");
}
