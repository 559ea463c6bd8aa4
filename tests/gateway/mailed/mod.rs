//! Codes that are sent: by mail (attacks F5, F14, J3, J9, J10, fault X20) and as text messages.

mod addresses;
mod codes;
mod links;
mod messages;
mod screens;

use crate::{
    browser::PASSWORD,
    mail,
    people::{Answer, Authenticator, Browser, between},
    servers::Smtp,
    world::World,
};
use http::StatusCode;
use serde_json::Value;
use std::time::Duration;
use vestibule::{
    config::Config,
    mfa::{Factor, FirstEnrolment},
    types::FactorKind,
};

const ANN: &str = "ann@example.org";
const CHALLENGE: &str = "/vestibule/challenge";
const ADDRESS: &str = "/vestibule/address";
const VERIFY: &str = "/vestibule/app/verify";

/// Mail is set up; TOTP, e-mail and recovery codes are offered, and a mailed code opens a first enrolment.
async fn world(smtp: &Smtp, change: impl FnOnce(&mut Config)) -> World {
    let through = mail::through(smtp);
    World::with(|config| {
        through(config);
        config.outbound.mail.as_mut().expect("mail").per_recipient_per_hour = 1000;
        config.mfa.factors = [FactorKind::Totp, FactorKind::Email, FactorKind::Recovery].map(Factor::of).to_vec();
        config.mfa.rules[0].first_enrolment = Some(FirstEnrolment::AfterEmailCode);
        config.mfa.rules[0].enrolment_window = None;
        change(config);
    })
    .await
}

/// The source states (another) address for somebody who has been here.
async fn stated(world: &World, username: &str, address: &str) {
    let url = format!("sqlite:{}", world.folder.0.join("vestibule.db").display());
    let database = sqlx::AnyPool::connect(&url).await.expect("the same database");
    let update = "UPDATE accounts SET email = $1 WHERE username = $2";
    let done = sqlx::query(update).bind(address).bind(username).execute(&database).await.expect("an update");
    assert_eq!(done.rows_affected(), 1);
    database.close().await;
}

/// Somebody whose account is known, with an address and no factor.
async fn known(world: &World, username: &str, address: &str) {
    let answer = Browser::at(world).sign_in(username, PASSWORD).await;
    assert_eq!(answer.location(), "/vestibule/help-desk", "without an address: {}", answer.text());
    stated(world, username, address).await;
}

/// Somebody whose mail address is their factor. The clock has moved past the minute of the last code.
async fn with_email(world: &World, smtp: &Smtp, username: &str, address: &str) -> Browser {
    known(world, username, address).await;
    let mut browser = Browser::at(world);
    assert_eq!(browser.sign_in(username, PASSWORD).await.location(), ADDRESS);
    let code = sent_at(&mut browser, ADDRESS, smtp).await.code;
    let csrf = browser.csrf(ADDRESS).await;
    let answer = browser.post(ADDRESS, &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/recovery-codes", "{}", answer.text());
    let csrf = browser.csrf("/vestibule/recovery-codes").await;
    let answer = browser.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    world.advance(Duration::from_secs(61));
    browser
}

/// Asked for the e-mail code, in a new browser.
async fn asked(world: &World, username: &str) -> Browser {
    let mut browser = Browser::at(world);
    let answer = browser.sign_in(username, PASSWORD).await;
    assert_eq!(answer.location(), CHALLENGE, "{}", answer.text());
    browser
}

/// Presses "send me a code".
async fn send(browser: &mut Browser, path: &str) -> Answer {
    let csrf = browser.csrf(path).await;
    browser.post(path, &[("csrf", &csrf), ("factor", "email"), ("act", "send")]).await
}

async fn sent_at(browser: &mut Browser, path: &str, smtp: &Smtp) -> Mailed {
    let before = codes(smtp).len();
    let answer = send(browser, path).await;
    assert_eq!(answer.location(), format!("{path}?factor=email"), "{}", answer.text());
    mail::eventually("a code arrives", || codes(smtp).len() > before).await;
    codes(smtp).remove(before)
}

async fn answer(browser: &mut Browser, code: &str) -> Answer {
    let csrf = browser.csrf(CHALLENGE).await;
    browser.post(CHALLENGE, &[("csrf", &csrf), ("factor", "email"), ("code", code)]).await
}

/// What a letter with a code holds.
struct Mailed {
    to: String,
    code: String,
    /// Path of the link.
    link: String,
}

fn codes(smtp: &Smtp) -> Vec<Mailed> {
    let letters = smtp.letters();
    let codes = letters.iter().filter(|letter| mail::header(letter, "Subject") == "Your code for signing in");
    codes.map(mailed).collect()
}

fn mailed(letter: &Value) -> Mailed {
    let text = letter["text"].as_str().expect("a text");
    let digits = |line: &&str| line.len() == 6 && line.bytes().all(|b| b.is_ascii_digit());
    let code = text.lines().map(str::trim).find(digits).unwrap_or_else(|| panic!("no code in {text}"));
    let link = text.lines().map(str::trim).find(|line| line.starts_with("https://")).expect("a link");
    let at = link.find("/vestibule/mailed/").expect("our link");
    Mailed { to: letter["to"][0].as_str().expect("to").to_owned(), code: code.to_owned(), link: link[at..].to_owned() }
}

/// How many letters of that subject went to this address.
fn letters(smtp: &Smtp, to: &str, subject: &str) -> usize {
    let of = |letter: &&Value| letter["to"][0] == to && mail::header(letter, "Subject") == subject;
    smtp.letters().iter().filter(of).count()
}

/// A code that is surely not this one.
fn other(code: &str) -> String {
    let last = if code.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &code[..5])
}

/// Adds an authenticator app on the account page, by a mailed code.
async fn add_device(world: &World, smtp: &Smtp, browser: &mut Browser) -> Authenticator {
    let csrf = browser.csrf("/vestibule/account").await;
    let answer = browser.post("/vestibule/account", &[("csrf", &csrf), ("act", "add"), ("kind", "totp")]).await;
    assert_eq!(answer.location(), "/vestibule/permit", "{}", answer.text());
    let code = sent_at(browser, "/vestibule/permit", smtp).await.code;
    let csrf = browser.csrf("/vestibule/permit").await;
    let answer = browser.post("/vestibule/permit", &[("csrf", &csrf), ("factor", "email"), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/enrol", "{}", answer.text());
    let page = browser.get("/vestibule/enrol").await.text();
    let device = Authenticator::from_page(&page);
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let code = device.code(vestibule::types::Clock::now(&*world.clock));
    let answer = browser.post("/vestibule/enrol", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/account", "{}", answer.text());
    world.advance(Duration::from_secs(61));
    device
}
