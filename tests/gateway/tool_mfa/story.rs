//! From Moodle's tables to a sign-in: the import as an operator runs it, and the people it is for.

use super::{Row, SECRET, registration, row, setting, tables, user};
use crate::{
    authenticator::{BACKED_UP, BACKUP_ELIGIBLE, PRESENT, SoftKey, VERIFIED},
    databases::Db,
    operation::program::Program,
    people::{Authenticator, between},
    wire::PASSWORD,
};
use serde_json::Value;
use std::fs;
use vestibule::types::{Clock, SystemClock};

/// What [`SECRET`] is in base32 for.
const KEY: &[u8] = b"1234567890";

/// student1 with a device, a revoked one and a mailed code; student2 with a mailed code; and somebody who is not here.
async fn moodle() -> Db {
    let db = Db::mariadb();
    tables(&db, "mdl_").await;
    for (id, name) in [(3, "student1"), (4, "student2"), (99, "elsewhere")] {
        user(&db, "mdl_", (id, name, 0, 0)).await;
    }
    let used = SystemClock.now().secs() - 3600;
    row(&db, "mdl_", &Row { verified: used, ..Row::of(3, "totp", Some(SECRET)) }).await;
    row(&db, "mdl_", &Row { revoked: 1, ..Row::of(3, "totp", Some("JBSWY3DPEHPK3PXP")) }).await;
    row(&db, "mdl_", &Row::of(3, "email", Some("123456"))).await;
    row(&db, "mdl_", &Row::of(4, "email", Some("654321"))).await;
    row(&db, "mdl_", &Row::of(99, "totp", Some(SECRET))).await;
    for set in [("tool_mfa", "enabled", "1"), ("factor_totp", "enabled", "1"), ("factor_totp", "weight", "100")] {
        setting(&db, "mdl_", set).await;
    }
    db
}

/// With accounts for both students, bound by a file, who may enrol as the rule says.
async fn gateway(db: &Db) -> Program {
    let program = Program::serve().await;
    fs::write(program.file("moodle-url"), format!("{}\n", db.whole_url())).unwrap();
    let rows =
        "site,lms_user,lms_username,source,subject\ncampus,3,student1,campus-lms,3\ncampus,4,student2,campus-lms,4\n";
    fs::write(program.file("people.csv"), rows).unwrap();
    program.done(&format!("binding import --enrol-by-rule {}", program.file("people.csv").display()));
    program
}

fn import(program: &Program, more: &str) -> Value {
    let words = format!("import tool-mfa --dsn file:{}{more}", program.file("moodle-url").display());
    program.json(&words)["tool_mfa"].clone()
}

fn rows(sheet: &Value) -> Vec<(String, String, u64)> {
    let one = |row: &Value| {
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        (text("factor"), text("what"), row["count"].as_u64().unwrap())
    };
    sheet["factors"].as_array().unwrap_or_else(|| panic!("{sheet}")).iter().map(one).collect()
}

fn counted(sheet: &Value, factor: &str, what: &str) -> u64 {
    rows(sheet).into_iter().find(|row| row.0 == factor && row.1.contains(what)).map_or(0, |row| row.2)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_of_moodles_goes_on_counting_and_nothing_is_imported_twice() {
    let db = moodle().await;
    let program = gateway(&db).await;
    let dry = import(&program, " --dry-run");
    assert_eq!(counted(&dry, "totp", "carried over"), 1, "{dry}");
    assert_eq!(counted(&dry, "totp", "revoked in Moodle"), 1, "{dry}");
    assert_eq!(counted(&dry, "totp", "no account here"), 1, "{dry}");
    assert_eq!(counted(&dry, "email", "the address is frozen"), 2, "{dry}");
    let people = &dry["people"];
    assert_eq!((people["known"].as_u64(), people["unknown"].as_u64()), (Some(2), Some(1)), "{dry}");
    assert!(dry["mfa"].as_str().unwrap().contains("- { kind: totp, weight: 100 }"), "{dry}");
    assert_eq!(program.done("factor list student1"), "none\n", "a dry run writes nothing");

    let done = import(&program, "");
    assert_eq!((counted(&done, "totp", "carried over"), &done["dry_run"]), (1, &Value::Bool(false)), "{done}");
    let list = program.json("factor list student1");
    let factor = &list["factors"][0];
    assert_eq!((factor["kind"].as_str(), factor["proof"].as_str()), (Some("totp"), Some("imported")), "{list}");
    assert_eq!((factor["label"].as_str(), factor["site"].as_str()), (Some("my phone"), Some("campus")), "{list}");
    let again = import(&program, "");
    assert_eq!(counted(&again, "totp", "carried over before"), 1, "{again}");
    assert_eq!(program.json("factor list student1"), list, "the second import changes nothing");

    // Its owner is asked for it, and its 80 bits do.
    let mut browser = program.browser();
    assert_eq!(browser.sign_in("student1", PASSWORD).await.location(), "/vestibule/challenge");
    let csrf = browser.csrf("/vestibule/challenge").await;
    let code = Authenticator::of(KEY).code(SystemClock.now());
    let answer = browser.post("/vestibule/challenge", &[("csrf", &csrf), ("factor", "totp"), ("code", &code)]).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert_eq!(browser.get("/my/").await.status, 200);

    // Taken away here, it stays away, and what it opened is over.
    let id = factor["id"].as_str().unwrap();
    let said = program.done(&format!("factor revoke student1 {}", &id[..8]));
    assert!(said.contains("1 session") && said.contains("issue-enrolment-code student1"), "{said}");
    assert_eq!(browser.get("/my/").await.location(), "/login/index.php");
    import(&program, "");
    assert_eq!(program.done("factor list student1"), "none\n");
    let mut browser = program.browser();
    assert_eq!(browser.sign_in("student1", PASSWORD).await.location(), "/vestibule/help-desk", "never by the password");

    // Nowhere is what was read, or what it was read by.
    let audit = fs::read_to_string(program.file("audit.jsonl")).unwrap();
    assert!(audit.contains("\"proof\":\"imported\"") && audit.contains("\"event\":\"factor_removed\""), "{audit}");
    for secret in [SECRET, "1234567890", "a%20secret", "a secret"] {
        assert!(!audit.contains(secret) && !program.log().contains(secret), "{secret}");
        assert!(!dry.to_string().contains(secret) && !done.to_string().contains(secret), "{secret}");
    }
}

/// What a synchronised passkey says of itself; Moodle has kept none of it.
const SYNCED: u8 = PRESENT | VERIFIED | BACKUP_ELIGIBLE | BACKED_UP;

#[tokio::test(flavor = "multi_thread")]
async fn a_security_key_of_moodles_goes_on_counting_at_the_host_it_was_made_for() {
    let db = Db::sqlite();
    tables(&db, "mdl_").await;
    user(&db, "mdl_", (3, "student1", 0, 0)).await;
    let ((mut key, spki), (_, other)) = (SoftKey::made_elsewhere(), SoftKey::made_elsewhere());
    key.user_handle = b"3".to_vec(); // Moodle's user id
    row(&db, "mdl_", &Row::of(3, "webauthn", Some(&registration("localhost", &key.id, &spki)))).await;
    row(&db, "mdl_", &Row::of(3, "webauthn", Some(&registration("old.example.org", &[1; 32], &other)))).await;
    let mut program = gateway(&db).await;
    program.stop();
    let yaml = fs::read_to_string(program.file("gateway.yaml")).unwrap();
    let offered = "mfa:\n  factors: [ { kind: webauthn }, { kind: totp }, { kind: recovery } ]\n";
    fs::write(program.file("gateway.yaml"), yaml.replace("mfa:\n", offered)).unwrap();
    program.start();
    let sheet = import(&program, "");
    assert_eq!(counted(&sheet, "webauthn", "carried over"), 1, "{sheet}");
    assert_eq!(counted(&sheet, "webauthn", "another host name"), 1, "{sheet}");
    assert!(program.done("factor list student1").contains("webauthn"));
    assert_eq!(counted(&import(&program, ""), "webauthn", "carried over before"), 1);

    let mut browser = program.browser();
    // Twice: what the first answer tells of the key is held against the second.
    for _ in 0..2 {
        assert_eq!(browser.sign_in("student1", PASSWORD).await.location(), "/vestibule/challenge");
        let page = browser.get("/vestibule/challenge?factor=webauthn").await.text();
        let options = between(&page, "data-options=\"", "\"").replace("&quot;", "\"").replace("&#x2f;", "/");
        let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
        let answer = key.get(&options, &program.url, |answer| answer.flags = SYNCED);
        let fields = [("csrf", csrf.as_str()), ("factor", "webauthn"), ("code", &answer)];
        let answer = browser.post("/vestibule/challenge", &fields).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        assert_eq!(browser.get("/my/").await.status, 200);
        browser = program.browser();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_who_brings_nothing_that_counts_is_left_to_the_help_desk_unless_it_is_said_otherwise() {
    let db = moodle().await;
    let program = gateway(&db).await;
    let door = async |name: &str| program.browser().sign_in(name, PASSWORD).await.location().to_owned();
    assert_eq!(door("student2").await, "/vestibule/enrol", "before the import the window is open");
    let lenient = import(&program, " --enrol-by-rule");
    assert_eq!(lenient["people"]["left_to_help_desk"], 0, "{lenient}");
    assert_eq!(door("student2").await, "/vestibule/enrol");
    let strict = import(&program, "");
    assert_eq!(strict["people"]["left_to_help_desk"], 1, "{strict}");
    assert_eq!(door("student2").await, "/vestibule/help-desk");
    assert_eq!(import(&program, "")["people"]["left_to_help_desk"], 0, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_works_on_the_stores_while_no_gateway_runs_and_takes_no_password_as_an_argument() {
    let db = moodle().await;
    let mut program = gateway(&db).await;
    program.stop();
    assert_eq!(counted(&import(&program, ""), "totp", "carried over"), 1);
    program.start();
    assert!(program.done("factor list student1").contains("imported"));
    let (code, _, told) = program.cli(&format!("import tool-mfa --dsn {}", db.whole_url()));
    assert!(code == 1 && told.contains("a password stands in an argument") && !told.contains("secret@"), "{told}");
    let (code, _, told) = program.cli("import tool-mfa --dsn sqlite:/nowhere/moodle.db");
    assert!(code == 1 && told.contains("mdl_config_plugins"), "{told}");
    let (code, _, told) =
        program.cli(&format!("import tool-mfa --site elsewhere --dsn file:{}", program.file("moodle-url").display()));
    assert!(code == 1 && told.contains("no site \"elsewhere\""), "{told}");
}
