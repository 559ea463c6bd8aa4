//! The browser's door: sign-in through the LMS's own form, the second factor, and what becomes of a session.

mod cookies;
mod credentials;
mod endings;
mod enrolment;
mod guesses;
mod guests;
mod linking;
mod own_account;
mod own_account_screens;
mod own_pages;
mod passkeys;
mod passwordless;
mod races;
mod rules;
mod screens;
mod sessionless;
mod sign_in;
mod stages;
mod step_up;
mod trusted;
mod watched;
pub mod websockets;

use crate::{
    people::{Answer, Authenticator, Browser, between},
    world::World,
};
use http::{Method, StatusCode, header};
use serde_json::Value;
use std::time::{Duration, Instant};
use vestibule::admin::{
    AccountCommand, AccountSheet, Command, FactorCommand, Reply, User,
    socket::{Asked, ask},
};

pub const PASSWORD: &str = "Stud.1234";
pub const COURSE: &str = "/course/view.php?id=2";
pub const SESSION: &str = "__Host-vestibule";
pub const FLOW: &str = "__Host-vestibule-flow";
/// The sealed LMS cookie of a session.
pub const SEALED: &str = "__Host-lms-MoodleSession";
pub const STUDENT1: u64 = 3;

/// Asks the administration over its socket.
pub async fn administer(world: &World, command: Command) -> Reply {
    match ask(&world.config.admin.socket, &command).await.expect("the socket answers") {
        Asked::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

pub async fn account(world: &World, user: &str) -> AccountSheet {
    let show = Command::Account(AccountCommand::Show(User { user: user.into() }));
    match administer(world, show).await {
        Reply::Account(sheet) => *sheet,
        other => panic!("{other:?}"),
    }
}

pub async fn disable(world: &World, user: &str) {
    administer(world, Command::Account(AccountCommand::Disable(User { user: user.into() }))).await;
}

pub async fn enable(world: &World, user: &str) {
    administer(world, Command::Account(AccountCommand::Enable(User { user: user.into() }))).await;
}

pub async fn reset_factors(world: &World, user: &str) {
    administer(world, Command::Account(AccountCommand::ResetFactors(User { user: user.into() }))).await;
}

/// A code of the help desk, as it is read out.
pub async fn help_desk_code(world: &World, user: &str) -> String {
    let issue = Command::Factor(FactorCommand::IssueEnrolmentCode(User { user: user.into() }));
    match administer(world, issue).await {
        Reply::EnrolmentCode { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

/// Whether this browser is signed in: a protected page opens.
pub async fn is_in(browser: &mut Browser) -> bool {
    let answer = browser.get(COURSE).await;
    let open = answer.status == StatusCode::OK && answer.text().contains("Lab course");
    let asked = matches!(answer.location(), "/login/index.php" | "/vestibule/sign-in");
    assert!(open || asked, "{} {}", answer.status, answer.text());
    open
}

/// Somebody with a session and an authenticator; the clock has moved past the code that was used.
pub async fn signed_in(world: &World, username: &str) -> (Browser, Authenticator) {
    let mut browser = Browser::at(world);
    let (device, _) = browser.enrol(world, username, PASSWORD).await;
    world.advance(Duration::from_secs(60));
    (browser, device)
}

/// A browser in the middle of a sign-in: the password was right, the code is asked.
pub async fn challenged(world: &World, username: &str) -> Browser {
    let mut browser = Browser::at(world);
    let answer = browser.sign_in(username, PASSWORD).await;
    assert_eq!(answer.location(), "/vestibule/challenge", "{}", answer.text());
    browser
}

/// Posts credentials from a page that was opened earlier, whatever the login page shows now.
pub async fn post_credentials(browser: &mut Browser, username: &str, password: &str) -> Answer {
    browser.post("/login/index.php", &[("username", username), ("password", password)]).await
}

/// Another browser with the same cookies.
pub fn twin(world: &World, of: &Browser) -> Browser {
    let mut twin = Browser::at(world);
    twin.cookies = of.cookies.clone();
    twin
}

/// A code that is surely wrong now.
pub fn wrong_code(world: &World, device: &Authenticator) -> String {
    use vestibule::types::Clock;
    let step = world.clock.now().secs() / 30;
    let right: Vec<String> = (-2..=2).map(|drift| device.code_at(step + drift)).collect();
    ["000000", "111111", "222222", "333333", "444444", "555555"]
        .iter()
        .find(|code| right.iter().all(|right| right != *code))
        .map(|code| (*code).to_owned())
        .expect("five codes are not six")
}

/// A call of the LMS's own pages.
pub async fn ajax(browser: &mut Browser, function: &str) -> Answer {
    let sesskey = "anything";
    ajax_with(browser, sesskey, function).await
}

pub async fn ajax_with(browser: &mut Browser, sesskey: &str, function: &str) -> Answer {
    let path = format!("/lib/ajax/service.php?sesskey={sesskey}&info={function}");
    let body = format!(r#"[{{"index":0,"methodname":"{function}","args":{{}}}}]"#);
    browser.fetch(Method::POST, &path, "application/json", &body).await
}

/// What the LMS says to a page whose session is over.
pub fn requires_login(answer: &Answer) -> bool {
    answer.status == StatusCode::OK && answer.json()[0]["exception"]["errorcode"] == "servicerequireslogin"
}

pub async fn sesskey(browser: &mut Browser) -> String {
    between(&browser.get(COURSE).await.text(), "\"sesskey\":\"", "\"")
}

/// All values of `Set-Cookie`.
pub fn set_cookies(answer: &Answer) -> Vec<String> {
    answer.headers.get_all(header::SET_COOKIE).iter().map(|v| v.to_str().expect("ASCII").to_owned()).collect()
}

/// Polls, with a deadline that covers the reaper's five seconds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !holds().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How many login forms were sent on to the LMS with a password in them.
pub fn passwords_at_the_lms(world: &World) -> usize {
    let form = |r: &&campus::Logged| r.method == "POST" && r.path() == "/login/index.php";
    let sent = |r: &&campus::Logged| !String::from_utf8_lossy(&r.body).ends_with("&password=");
    world.campus.requests().iter().filter(form).filter(sent).count()
}

/// The audit log's lines of one event, as they are now.
pub fn audit_now(world: &World, event: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(world.folder.0.join("audit.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == event).collect()
}
