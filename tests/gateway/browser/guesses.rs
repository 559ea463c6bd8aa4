//! Codes: each counts once, and guesses are counted, whatever the flow, the order and the clock.

use super::*;
use vestibule::types::Clock;

/// Posts the same answer 50 times at once, from 50 browsers that hold the same flow; returns those that got a session.
async fn fifty(world: &World, browser: &mut Browser, factor: &str, code: &str) -> usize {
    let csrf = browser.csrf("/vestibule/challenge").await;
    let jar = &browser.cookies;
    let one = async |_| {
        let mut twin = Browser::at(world);
        twin.cookies = jar.clone();
        let fields = [("csrf", &*csrf), ("factor", factor), ("code", code)];
        let answer = twin.post("/vestibule/challenge", &fields).await;
        assert!(answer.status.as_u16() < 500, "{}", answer.status);
        is_in(&mut twin).await
    };
    let answers = futures_util::future::join_all((0..50).map(one)).await;
    answers.into_iter().filter(|is_in| *is_in).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_fifty_parallel_posts_of_one_code_are_one_session() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    for _ in 0..3 {
        let mut browser = challenged(&world, "student1").await;
        assert_eq!(fifty(&world, &mut browser, "totp", &device.code(world.clock.now())).await, 1);
        world.advance(Duration::from_secs(60));
    }
    // None of that was a wrong code: nothing is locked.
    let mut browser = challenged(&world, "student1").await;
    browser.answer(&device.code(world.clock.now())).await;
    assert!(is_in(&mut browser).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_a_code_is_used_up_for_every_other_sign_in() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let (mut one, mut two) = (challenged(&world, "student1").await, challenged(&world, "student1").await);
    let code = device.code(world.clock.now());
    one.answer(&code).await;
    assert!(is_in(&mut one).await);
    let answer = two.answer(&code).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!is_in(&mut two).await);
    assert_eq!(world.audited("factor_refused").await[0]["reason"], "already used");
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_one_step_of_drift_is_accepted_two_are_not() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    for (drift, good) in [(-2, false), (2, false), (-1, true), (1, true)] {
        world.advance(Duration::from_secs(120));
        let mut browser = challenged(&world, "student1").await;
        let step = world.clock.now().secs() / 30;
        browser.answer(&device.code_at(step + drift)).await;
        assert_eq!(is_in(&mut browser).await, good, "{drift}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_x18_a_clock_that_steps_back_brings_no_code_back() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    let used = world.clock.now().secs() / 30;
    browser.answer(&device.code_at(used)).await;
    assert!(is_in(&mut browser).await);
    world.clock.back(Duration::from_secs(90));
    let mut again = challenged(&world, "student1").await;
    for step in used - 4..=used {
        assert_eq!(again.answer(&device.code_at(step)).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{step}");
        again = challenged(&world, "student1").await;
    }
    assert!(is_in(&mut browser).await, "and nobody is signed out by it");
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_ten_wrong_codes_lock_the_factor_in_every_sign_in_and_across_a_restart() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    for _ in 0..2 {
        let mut browser = challenged(&world, "student1").await;
        for _ in 0..4 {
            browser.answer(&wrong_code(&world, &device)).await;
        }
    }
    let world = world.restart().await;
    let mut browser = challenged(&world, "student1").await;
    for _ in 0..2 {
        browser.answer(&wrong_code(&world, &device)).await;
    }
    let answer = browser.answer(&device.code(world.clock.now())).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), Some("1800"));
    let mut other = challenged(&world, "student1").await;
    assert_eq!(other.answer(&device.code(world.clock.now())).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!is_in(&mut other).await);
    let world = world.restart().await;
    let mut other = challenged(&world, "student1").await;
    assert_eq!(other.answer(&device.code(world.clock.now())).await.status, StatusCode::TOO_MANY_REQUESTS);
    world.advance(Duration::from_secs(30 * 60 + 1));
    let mut later = challenged(&world, "student1").await;
    later.answer(&device.code(world.clock.now())).await;
    assert!(is_in(&mut later).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_parallel_guesses_are_no_more_than_those_that_come_one_by_one() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    assert_eq!(fifty(&world, &mut browser, "totp", &wrong_code(&world, &device)).await, 0);
    let refused = world.audited("factor_refused").await;
    let looked_at = refused.iter().filter(|line| line["reason"] == "wrong").count();
    assert!((1..=5).contains(&looked_at), "{looked_at}");
    assert_eq!(browser.get("/vestibule/challenge").await.status, StatusCode::GONE);
    until("its LMS session is over", async || world.campus.live_sessions(STUDENT1) == 1).await;
    let mut next = challenged(&world, "student1").await;
    next.answer(&device.code(world.clock.now())).await;
    assert!(is_in(&mut next).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_thirty_wrong_codes_in_a_day_are_all_there_are() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut looked_at = 0;
    for _ in 0..12 {
        let mut browser = challenged(&world, "student1").await;
        for _ in 0..4 {
            let answer = browser.answer(&wrong_code(&world, &device)).await;
            looked_at += usize::from(answer.status == StatusCode::UNPROCESSABLE_ENTITY);
        }
        world.advance(Duration::from_secs(31 * 60));
    }
    assert_eq!(looked_at, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_code_is_not_counted() {
    let world = World::start().await;
    let (_, device) = signed_in(&world, "student1").await;
    let mut browser = challenged(&world, "student1").await;
    for typed in ["", "12345", "1234567", "abcdef", "１２３４５６", "12345\0"] {
        for _ in 0..3 {
            assert_eq!(browser.answer(typed).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed:?}");
        }
    }
    let code = device.code(world.clock.now());
    browser.answer(&format!(" {} {} ", &code[..3], &code[3..])).await;
    assert!(is_in(&mut browser).await);
}

/// Answers with a recovery code.
async fn recover(browser: &mut Browser, code: &str) -> Answer {
    let csrf = browser.csrf("/vestibule/challenge?factor=recovery").await;
    let fields = [("csrf", &*csrf), ("factor", "recovery"), ("code", code)];
    browser.post("/vestibule/challenge", &fields).await
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_recovery_code_is_good_once_however_it_is_typed() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    let (_, codes) = browser.enrol(&world, "student1", PASSWORD).await;
    let forms: [fn(&str) -> String; 4] = [
        str::to_owned,
        str::to_uppercase,
        |code| code.replace('-', ""),
        |code| format!("  {} ", code.replace('-', " ")),
    ];
    for (code, form) in codes.iter().zip(forms) {
        let mut browser = challenged(&world, "student1").await;
        recover(&mut browser, &form(code)).await;
        assert!(is_in(&mut browser).await, "{}", form(code));
        let mut again = challenged(&world, "student1").await;
        assert_eq!(recover(&mut again, code).await.status, StatusCode::UNPROCESSABLE_ENTITY, "once");
    }
    assert_eq!(account(&world, "student1").await.recovery_codes_left, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn f6_fifty_parallel_posts_of_one_recovery_code_are_one_session() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    let (_, codes) = browser.enrol(&world, "student1", PASSWORD).await;
    let mut browser = challenged(&world, "student1").await;
    assert_eq!(fifty(&world, &mut browser, "recovery", &codes[0]).await, 1);
    assert_eq!(account(&world, "student1").await.recovery_codes_left, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn f4_another_accounts_recovery_code_is_none() {
    let world = World::start().await;
    let mut browser = Browser::at(&world);
    let (_, codes) = browser.enrol(&world, "student1", PASSWORD).await;
    signed_in(&world, "student2").await;
    let mut other = challenged(&world, "student2").await;
    assert_eq!(recover(&mut other, &codes[0]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(account(&world, "student1").await.recovery_codes_left, 10);
}
