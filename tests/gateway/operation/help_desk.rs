//! What a help desk does for one person by the command line, and what follows for them.

use super::program::Program;
use crate::{
    people::MoodleApp,
    wire::{PASSWORD, SITE_INFO},
};
use std::fs;

async fn works(app: &MoodleApp, token: &str) -> bool {
    app.call(token, SITE_INFO, &[]).await.json()["userid"] == 3
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factor_is_listed_and_taken_away_with_what_it_opened() {
    let program = Program::serve().await;
    let mut browser = program.browser();
    let mut device = program.enrol(&mut browser, "student1", PASSWORD).await;
    let token = program.token(&mut device).await;
    assert!(works(&program.app(), &token).await);
    let list = program.json("factor list student1");
    let id = list["factors"][0]["id"].as_str().unwrap_or_else(|| panic!("{list}")).to_owned();
    assert!(program.done("factor list student1").contains("at_sign_in"));
    for bad in ["factor revoke student1 abc", "factor revoke student1 ffffffffffff", "factor revoke nobody ffffffff"] {
        assert_eq!(program.cli(bad).0, 1, "{bad}");
    }
    let said = program.done(&format!("factor revoke student1 {id}"));
    assert!(said.contains("1 session") && said.contains("1 app token") && said.contains("last one"), "{said}");
    assert_eq!(browser.get("/my/").await.location(), "/login/index.php");
    assert!(!works(&program.app(), &token).await);
    assert_eq!(program.cli(&format!("factor revoke student1 {id}")).0, 1, "once");
    // The window is open, and yet the password alone enrols nothing (J3).
    assert_eq!(program.browser().sign_in("student1", PASSWORD).await.location(), "/vestibule/help-desk");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bypass_lets_in_for_its_hours_and_leaves_the_next_enrolment_to_the_help_desk() {
    let program = Program::serve().await;
    let mut browser = program.browser();
    program.enrol(&mut browser, "student1", PASSWORD).await;
    let mut waiting = program.browser();
    assert_eq!(waiting.sign_in("student1", PASSWORD).await.location(), "/vestibule/challenge");
    for bad in [
        "account bypass student1 --hours 0 --reason phone",
        "account bypass student1 --hours 9999 --reason phone",
        "account exempt student1 --until 2001-01-01 --reason phone",
        "account exempt student1 --until 2999-01-01 --reason phone",
        "account exempt student1 --until soon --reason phone",
    ] {
        assert_eq!(program.cli(bad).0, 1, "{bad}");
    }
    for bad in ["account bypass student1", "account bypass student1 --hours 4", "account exempt student1 --reason x"] {
        assert_eq!(program.cli(bad).0, 2, "{bad}");
    }
    let said = program.done("account bypass student1 --hours 4 --reason phone");
    assert!(said.contains("asked for no second factor until"), "{said}");
    let sheet = program.json("account show student1");
    let given = &sheet["account"]["exemptions"][0];
    assert_eq!((given["kind"].as_str(), given["reason"].as_str()), (Some("bypass"), Some("phone")), "{sheet}");
    assert_eq!(sheet["account"]["enrols_by_help_desk_only"], true, "{sheet}");
    assert!(program.done("account show student1").contains("bypass until"));

    let mut free = program.browser();
    free.sign_in("student1", PASSWORD).await;
    assert_eq!(free.get("/my/").await.status, 200, "nothing was asked");
    program.done("account bypass student1 --end");
    assert_eq!(program.cli("account bypass student1 --end").0, 1, "once");
    assert_ne!(free.get("/my/").await.status, 200, "what it let in is asked again");
    assert_eq!(program.browser().sign_in("student1", PASSWORD).await.location(), "/vestibule/challenge");
    assert_eq!(browser.get("/my/").await.status, 200, "who answered a factor stays");

    let until = "2100-01-01";
    assert_eq!(program.cli(&format!("account exempt student1 --until {until} --reason x")).0, 1, "too far");
    let audit = fs::read_to_string(program.file("audit.jsonl")).unwrap();
    assert_eq!(audit.matches("\"event\":\"exempted\"").count(), 1, "{audit}");
    assert!(audit.contains("\"event\":\"exemption_ended\"") && audit.contains("\"reason\":\"phone\""), "{audit}");
}
