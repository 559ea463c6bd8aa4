//! Ways to sign in and LMS users, one by one and from files, through the program.

use super::program::Program;
use crate::{
    people::MoodleApp,
    servers::Smtp,
    wire::{PASSWORD, SITE_INFO},
};
use std::fs;

const STORE: &str = "{ directory: DIR, database: \"sqlite:DIR/vestibule.db\" }";
const SOURCES: &str = "{ name: campus-lms, kind: lms, site: campus },
  { name: staff, kind: local, lms_password: same },
  { name: students, kind: local, lms_password: same, username_suffix: \"@students\" }";

/// Prepared, with people in both sources of the gateway itself.
async fn prepared(more: &str) -> Program {
    let program = Program::prepared(STORE, "info").await;
    let yaml = fs::read_to_string(program.file("gateway.yaml")).unwrap();
    let lms = "{ name: campus-lms, kind: lms, site: campus }";
    assert!(yaml.contains(lms));
    fs::write(program.file("gateway.yaml"), format!("{}\n{more}\n", yaml.replace(lms, SOURCES))).unwrap();
    let hash = "900150983cd24fb0d6963f7d28e17f72";
    let staff = ["anna", "ben", "cleo", "dora"].map(|name| format!("{name},{name}@example.org,{hash}\n")).concat();
    said(&program, "account import --source staff", &format!("username,email,password_hash\n{staff}"));
    said(&program, "account import --source students", &format!("username,password_hash\nanna,{hash}\nemil,{hash}\n"));
    program
}

fn with_file(program: &Program, words: &str, text: &str) -> (i32, String, String) {
    let file = program.file("rows.csv");
    fs::write(&file, text).unwrap();
    program.cli(&format!("{words} {}", file.display()))
}

#[track_caller]
fn said(program: &Program, words: &str, text: &str) -> String {
    let (code, said, told) = with_file(program, words, text);
    assert_eq!((code, told.as_str()), (0, ""), "{words}");
    said
}

#[track_caller]
fn refused(program: &Program, words: &str, text: &str) -> String {
    let (code, said, told) = with_file(program, words, text);
    assert_eq!((code, said.as_str()), (1, ""), "{words}: {told}");
    told
}

#[track_caller]
fn not_done(program: &Program, words: &str) -> String {
    let (code, said, told) = program.cli(words);
    assert_eq!((code, said.as_str()), (1, ""), "{words}: {told}");
    told
}

fn audit(program: &Program) -> String {
    fs::read_to_string(program.file("audit.jsonl")).unwrap()
}

const BINDINGS: &str = "site,lms_user,lms_username,source,username,subject\n";

#[tokio::test(flavor = "multi_thread")]
async fn lms_users_who_were_there_before_are_bound_from_a_file() {
    let mut program = prepared("").await;
    let rows = format!(
        "{BINDINGS}campus,11,anna.a,staff,anna,\ncampus,12,ben,staff,ben,\ncampus,13,emil,students,emil,\n\
         campus,14,old-hand,campus-lms,,14\n"
    );
    let dry = said(&program, "binding import --dry-run", &rows);
    assert_eq!(dry, "nothing was written; it would be: bound: 4; accounts made for them: 4; bound already: 0\n");
    assert_eq!((program.done("binding list"), program.done("account list")), ("none\n".into(), "none\n".into()));
    program.start();
    let done = said(&program, "binding import", &rows);
    assert_eq!(done, "bound: 4; accounts made for them: 4; bound already: 0\n");
    let again = said(&program, "binding import", &rows);
    assert_eq!(again, "bound: 0; accounts made for them: 0; bound already: 4\n");

    let list = program.json("binding list --site campus");
    let row = &list["bindings"][0];
    assert_eq!((row["lms_user"].as_u64(), row["lms_username"].as_str()), (Some(11), Some("anna.a")), "{list}");
    assert_eq!((row["username"].as_str(), row["bound_by"].as_str()), (Some("anna"), Some("import")), "{list}");
    assert_eq!(program.json("binding list --after 12")["bindings"].as_array().map(Vec::len), Some(2));
    assert!(not_done(&program, "binding list --site elsewhere").contains("no site \"elsewhere\""));
    let methods = program.json("account methods emil@students");
    let method = &methods["methods"][0];
    assert_eq!((method["source"].as_str(), method["primary"].as_bool()), (Some("students"), Some(true)), "{methods}");
    assert_eq!((method["linked_by"].as_str(), method["vouched"].is_null()), (Some("import"), true), "{methods}");
    let log = audit(&program);
    assert_eq!(log.matches("\"event\":\"lms_user_known\"").count(), 4, "{log}");
    assert_eq!(log.matches("\"event\":\"account_created\"").count(), 4, "{log}");
    assert!(log.contains("\"how\":\"import\""), "{log}");
    assert!(log.lines().all(|line| line.matches("\"by\":").count() < 2), "each key once: {log}");

    assert!(program.done("binding remove --site campus anna").contains("anna is not LMS user 11 of campus any more"));
    assert!(not_done(&program, "binding remove --site campus anna").contains("anna is bound to nobody at campus"));
    assert!(audit(&program).contains("\"event\":\"binding_removed\""));
    program.stop();
    let done = said(&program, "binding import", &rows);
    assert_eq!(done, "bound: 1; accounts made for them: 0; bound already: 3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn j1_j2_a_file_of_bindings_is_refused_whole_and_every_reason_is_told_by_line() {
    let program = prepared("").await;
    said(&program, "binding import", &format!("{BINDINGS}campus,11,anna,staff,anna,\ncampus,12,ben,staff,ben,\n"));
    let bad = [
        ("campus,20,studént1,staff,cleo,", "is never sent in a header"),
        ("campus,21,cleo ,staff,cleo,", "is never sent in a header"),
        ("campus,22,Cleo,staff,cleo,", "is never sent in a header"),
        ("campus,1,cleo,staff,cleo,", "the LMS's guest"),
        ("campus,23,guest,staff,cleo,", "the LMS's guest"),
        ("campus,11,cleo,staff,cleo,", "LMS user 11 is bound to the account"),
        ("campus,24,anna,staff,anna,", "is bound to LMS user 11 already"),
        ("campus,12,ben.b,staff,ben,", "its name there being ben"),
        ("campus,25,x1,staff,nobody,", "staff knows no \"nobody\""),
        ("campus,26,x2,staff,,no-such-id", "staff knows no subject \"no-such-id\""),
        ("campus,27,x3,nowhere,cleo,", "no enabled \"nowhere\"; it has campus-lms, staff, students"),
        ("elsewhere,28,x4,staff,cleo,", "no site \"elsewhere\""),
        ("campus,29,x5,campus-lms,,30", "the subject is the LMS user id"),
        ("campus,31,x6,campus-lms,cleo,", "cannot be asked about a name"),
        ("campus,x,x7,staff,cleo,", "is no number"),
        ("campus,32,x8,staff,cleo,id", "one of them is too many"),
        ("campus,33,dora,staff,dora,", ""),
        ("campus,34,dora2,staff,dora,", "the same person stands in line 18"),
        ("campus,33,emil,students,emil,", "the same LMS user stands in line 18"),
        ("campus,35,dora,students,anna,", "the same LMS user name stands in line 18"),
        ("campus,36", "it has 2 fields"),
    ];
    let text = BINDINGS.to_owned() + &bad.map(|(line, _)| line.to_owned() + "\n").concat();
    for words in ["binding import", "binding import --dry-run"] {
        let told = refused(&program, words, &text);
        let mut lines = told.lines().skip(1);
        for (n, (_, why)) in bad.iter().enumerate().filter(|(_, (_, why))| !why.is_empty()) {
            let line = lines.next().unwrap_or_default();
            assert!(line.starts_with(&format!("line {}: ", n + 2)) && line.contains(why), "{why} is not in {line}");
        }
        assert_eq!(lines.next(), None);
    }
    assert_eq!(program.json("binding list")["bindings"].as_array().map(Vec::len), Some(2));
    assert_eq!(program.json("account list")["accounts"].as_array().map(Vec::len), Some(2));
    assert!(refused(&program, "binding import", "site,lms_user\n").contains("needs the columns"));
}

#[tokio::test(flavor = "multi_thread")]
async fn j7_an_import_makes_no_second_account_of_one_name() {
    let program = prepared("").await;
    said(&program, "binding import", &format!("{BINDINGS}campus,11,anna,campus-lms,,11\n"));
    let told = refused(&program, "binding import", &format!("{BINDINGS}campus,12,anna2,staff,anna,\n"));
    assert!(told.contains("line 2: anna is the account") && told.contains("account link"), "{told}");
    // With a suffix it is another name.
    said(&program, "binding import", &format!("{BINDINGS}campus,12,anna2,students,anna,\n"));
    program.done("account methods anna@students");
    let linked = "account link anna --source staff --username anna";
    assert!(program.done(linked).contains("anna signs in by staff too"));
    let told = not_done(&program, "account link anna@students --source campus-lms --subject 11");
    assert!(told.contains("has 11 signing in to anna"), "{told}");
    said(&program, "binding import", &format!("{BINDINGS}campus,13,ben,staff,ben,\n"));
    let told = not_done(&program, "account link anna@students --source students --username emil@elsewhere");
    assert!(told.contains("can be no name") || told.contains("knows no"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_are_linked_made_primary_and_unlinked() {
    let smtp = Smtp::plain();
    let mail = format!("outbound: {{ mail: {{ server: {:?}, from: sign-in@example.org }} }}", smtp.url());
    let mut program = prepared(&mail).await;
    program.start();
    let mut browser = program.browser();
    let mut device = program.enrol(&mut browser, "student1", PASSWORD).await;
    let token = program.token(&mut device).await;
    let works = async |app: &MoodleApp| app.call(&token, SITE_INFO, &[]).await.json()["userid"] == 3;
    assert!(works(&program.app()).await);

    for (words, why) in [
        ("account link student1 --source nowhere --subject x", "no enabled \"nowhere\""),
        ("account link student1 --source staff --username nobody", "staff knows no \"nobody\""),
        ("account link student1 --source campus-lms --username student1", "give the subject"),
        ("account link nobody --source staff --username anna", "no account \"nobody\""),
        ("account unlink student1 --source campus-lms", "it is the only way"),
        ("account unlink student1 --source staff", "has no such way to sign in by staff"),
        ("account make-primary student1 --source staff", "has no such way to sign in by staff"),
    ] {
        let told = not_done(&program, words);
        assert!(told.contains(why), "{words}: {told}");
    }
    assert_eq!(program.cli("account link student1 --source staff").0, 2, "a subject or a name is needed");
    let link = "account link student1 --source staff --username anna";
    assert!(program.done(link).contains("student1 signs in by staff too"));
    assert!(program.done(link).contains("signs in by staff already"));
    let shown = program.done("account methods student1");
    let line = |source: &str| shown.lines().find(|line| line.starts_with(source)).unwrap_or_else(|| panic!("{shown}"));
    assert!(line("campus-lms").contains("primary") && line("campus-lms").contains("first_sign_in"), "{shown}");
    assert!(line("staff").contains("operator") && line("staff").contains("never"), "{shown}");
    assert!(not_done(&program, "account unlink student1 --source campus-lms").contains("make-primary"));
    assert!(program.done("account make-primary student1 --source staff").contains("is the primary way"));
    assert!(not_done(&program, "account unlink student1 --source staff").contains("it is the primary way"));
    assert!(works(&program.app()).await && browser.get("/my/").await.status == 200);

    let told = program.done("account unlink student1 --source campus-lms");
    assert!(told.contains("1 session and 1 app token"), "{told}");
    assert!(!works(&program.app()).await, "what the method had opened ends with it");
    assert_eq!(browser.get("/my/").await.location(), "/login/index.php");
    let log = audit(&program);
    for event in ["method_linked", "primary_changed", "method_unlinked"] {
        assert_eq!(log.matches(&format!("\"event\":\"{event}\"")).count(), 1, "{event}: {log}");
    }

    // The source states an address for this one; each change is told there.
    said(&program, "binding import", &format!("{BINDINGS}campus,11,cleo,staff,cleo,\n"));
    program.done("account link cleo --source campus-lms --subject 11");
    program.done("account make-primary cleo --source campus-lms");
    program.done("account unlink cleo --source staff");
    let told = program.watch("GET", "/metrics").await.text();
    assert!(told.contains("vestibule_mails_total{outcome=\"queued\"} 3"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_become_one_unless_both_are_bound_at_a_site() {
    let mut program = prepared("").await;
    program.start();
    let mut browser = program.browser();
    let mut device = program.enrol(&mut browser, "student1", PASSWORD).await;
    let token = program.token(&mut device).await;
    said(&program, "binding import", &format!("{BINDINGS}campus,11,anna,staff,anna,\ncampus,12,ben,staff,ben,\n"));
    let merge = "account merge student1 --into anna";
    let told = not_done(&program, merge);
    assert!(told.contains("student1 is LMS user 3") && told.contains("anna is LMS user 11"), "{told}");
    assert!(not_done(&program, "account merge anna --into anna").contains("one account already"));
    program.done("account disable ben");
    assert!(not_done(&program, "account merge ben --into anna").contains("ben is suspended"));

    program.done("binding remove --site campus anna");
    let dry = program.done(&format!("{merge} --dry-run"));
    assert!(dry.contains("nothing was changed") && browser.get("/my/").await.status == 200, "{dry}");
    let told = program.done(merge);
    assert_eq!(dry.lines().skip(1).collect::<Vec<_>>(), told.lines().skip(1).collect::<Vec<_>>());
    for step in [
        "moves: sign-in by campus-lms as 3",
        "moves: LMS user 3",
        "ends: 1 session, 1 app token of student1",
        "lost: the factors of student1, and anna has none",
        "next: vestibule factor issue-enrolment-code anna",
    ] {
        assert!(told.contains(step), "{step}: {told}");
    }
    assert_eq!(browser.get("/my/").await.location(), "/login/index.php");
    assert_ne!(program.app().call(&token, SITE_INFO, &[]).await.json()["userid"], 3);
    let sheet = program.json("account show anna");
    assert_eq!(sheet["account"]["methods"].as_array().map(Vec::len), Some(2), "{sheet}");
    assert_eq!(sheet["account"]["enrols_by_help_desk_only"], true, "J3: the password alone enrols nothing: {sheet}");
    assert_eq!(program.json("binding list")["bindings"][0]["username"], "anna");
    let mut browser = program.browser();
    assert_eq!(browser.sign_in("student1", PASSWORD).await.location(), "/vestibule/help-desk");
    assert!(audit(&program).contains("\"event\":\"accounts_merged\""));
    assert!(not_done(&program, "account show student1").contains("no account \"student1\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn ways_to_sign_in_are_linked_from_a_file_all_or_none() {
    let mut program = prepared("").await;
    said(
        &program,
        "binding import",
        &format!("{BINDINGS}campus,11,a11,campus-lms,,11\ncampus,12,a12,campus-lms,,12\n"),
    );
    let good = "account,source,username,subject\na11,staff,cleo,\na12,staff,dora,\na12,students,emil,\n";
    assert!(said(&program, "account import-links --dry-run", good).contains("would be: linked: 3"));
    let bad = format!("{good}nobody,staff,ben,\na11,staff,cleo,\na11,campus-lms,,12\na12,staff,,\n");
    let told = refused(&program, "account import-links", &bad);
    for line in [
        "line 5: there is no account \"nobody\"",
        "line 6: the same one of staff stands in line 2",
        "line 7: campus-lms has 12 signing in to a12",
        "line 8: there is neither a subject nor a user name",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let methods = |program: &Program, user: &str| {
        program.json(&format!("account methods {user}"))["methods"].as_array().map(Vec::len)
    };
    assert_eq!(methods(&program, "a12"), Some(1), "nothing was written");
    program.start();
    assert!(said(&program, "account import-links", good).starts_with("linked: 3; linked already: 0"));
    assert!(said(&program, "account import-links", good).contains("linked already: 3"));
    assert_eq!((methods(&program, "a11"), methods(&program, "a12")), (Some(2), Some(3)));
    assert_eq!(audit(&program).matches("\"event\":\"method_linked\"").count(), 3);
    let many = format!("account,source,subject\n{}", "a11,staff,x\n".repeat(5_001));
    assert!(refused(&program, "account import-links", &many).contains("more than 5000 lines"));
}
