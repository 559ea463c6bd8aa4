//! The chain's sources from day to day: people who leave, instances that go, and the commands about both.

use super::{command_line::with_input, nodes::Nodes, program::Program};
use crate::{
    browser::websockets::{open, say},
    people::{Browser, MoodleApp},
    wire::{PASSWORD, SITE_INFO, next_code},
    world::{Folder, World},
};
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};
use std::{
    fs,
    time::{Duration, Instant},
};
use tokio::io::AsyncReadExt;
use vestibule::{
    admin::socket::{Asked, ask},
    chain::password::new_hash,
    config::Config,
    types::{Password, SystemRng},
};

const SOONER: Duration = Duration::from_secs(16 * 60);

/// The LMS's first users in a table of their own, beside the LMS itself.
struct Table(Folder);

impl Table {
    async fn new() -> Self {
        let table = Self(Folder::new());
        table.sql("CREATE TABLE people (id INTEGER PRIMARY KEY, login TEXT, hash TEXT, off INTEGER DEFAULT 0)").await;
        for (id, login) in [(11, "student1"), (12, "student2"), (13, "student3"), (14, "teacher1")] {
            table.sql(&format!("INSERT INTO people (id, login, hash) VALUES ({id}, '{login}', '{}')", hash())).await;
        }
        table
    }

    fn url(&self) -> String {
        format!("sqlite:{}/people.db", self.0.0.display())
    }

    async fn sql(&self, text: &str) {
        let mut connection = SqliteConnection::connect(&format!("{}?mode=rwc", self.url())).await.expect("the table");
        connection.execute(sqlx::raw_sql(AssertSqlSafe(text.to_owned()))).await.expect("done");
        connection.close().await.expect("closed");
    }

    /// Asked before the LMS, which takes the same password.
    fn chain(&self, config: &mut Config) {
        let columns = "id AS subject, login AS username, hash AS password_hash, off AS disabled FROM people";
        let yaml = format!(
            r#"
- {{ name: students, kind: sql, lms_password: same, database: "{}",
    query: "SELECT {columns} WHERE login = :username", by_subject: "SELECT {columns} WHERE id = :subject" }}
- {{ name: campus-lms, kind: lms, site: campus }}
"#,
            self.url()
        );
        config.chain.instances = serde_yaml::from_str(&yaml).expect("a chain");
    }
}

fn hash() -> String {
    new_hash(&Password::new(PASSWORD.to_owned()), &SystemRng)
}

/// One act of administration; `Err` with what was said.
async fn told(world: &World, json: &str) -> Result<serde_json::Value, String> {
    let command = serde_json::from_str(json).expect("a command");
    match ask(&world.config.admin.socket, &command).await.expect("the gateway answers") {
        Asked::Reply(reply) => Ok(serde_json::to_value(reply).expect("JSON")),
        Asked::Refused(why) => Err(why),
        Asked::Nobody => panic!("nobody answers"),
    }
}

async fn done(world: &World, json: &str) -> serde_json::Value {
    told(world, json).await.unwrap_or_else(|why| panic!("{json}: {why}"))
}

async fn works(world: &World, token: &str) -> bool {
    MoodleApp::at(world).call(token, SITE_INFO, &[]).await.json()["userid"] == 3
}

/// Polls what the gateway does of its own accord; a round follows the clock within a second.
async fn until(what: &str, within: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < within, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_who_is_switched_off_at_the_source_is_out_within_a_second_of_its_word_and_comes_back_anew() {
    let table = Table::new().await;
    let world = World::with(|config| table.chain(config)).await;
    world.campus.settings(|s| s.slow = Some(Duration::from_millis(20)));
    let mut browser = Browser::at(&world);
    let (device, _) = browser.enrol(&world, "student1", PASSWORD).await;
    next_code(&world);
    let token = MoodleApp::at(&world).sign_in(&world, "student1", PASSWORD, &device).await;
    let (head, mut socket) = open(&world, &browser, Some(&world.url)).await;
    assert!(say(&mut socket, "before").await.is_some(), "{head}");
    assert!(works(&world, &token).await);

    // Asked again, and still there: nothing changes for anybody.
    world.advance(SOONER);
    let vouched = async || {
        let sheet = done(&world, r#"{"source":{"sync":{"source":"students","dry_run":true}}}"#).await;
        sheet["sync"]["asked"] == 1 && sheet["sync"]["rows"].as_array().is_some_and(Vec::is_empty)
    };
    assert!(vouched().await);
    assert_eq!(browser.get("/my/").await.status, 200);

    table.sql("UPDATE people SET off = 1 WHERE id = 11").await;
    world.advance(SOONER);
    let lines = world.audited("standing_changed").await;
    let learnt = Instant::now();
    assert_eq!((lines[0]["state"].as_str(), lines[0]["reason"].as_str()), (Some("suspended"), Some("disabled")));
    until("the sign-out", Duration::from_secs(1), async || {
        browser.get("/my/").await.location() == "/login/index.php" && !works(&world, &token).await
    })
    .await;
    let end = tokio::time::timeout(Duration::from_secs(2), socket.read_u8()).await;
    assert!(matches!(end, Ok(Err(_))), "the websocket ended by itself: {end:?}");
    assert!(learnt.elapsed() < Duration::from_secs(3));
    let sheet = done(&world, r#"{"account":{"show":{"user":"student1"}}}"#).await;
    assert_eq!(sheet["account"]["account"]["state"], "suspended");
    assert_eq!(world.audited("standing_changed").await.len(), 1, "one line for one change");

    // Back again: what ended stays ended, a new sign-in begins.
    table.sql("UPDATE people SET off = 0 WHERE id = 11").await;
    assert!(!works(&world, &token).await);
    let mut back = Browser::at(&world);
    next_code(&world);
    back.sign_in_with(&world, "student1", PASSWORD, &device).await;
    assert_eq!(back.get("/my/").await.status, 200);
    assert_eq!(world.audited("standing_changed").await[1]["state"], "active");
    assert!(!works(&world, &token).await);

    // What an operator switched off, no source switches on.
    done(&world, r#"{"account":{"disable":{"user":"student1"}}}"#).await;
    done(&world, r#"{"source":{"sync":{"source":"students"}}}"#).await;
    next_code(&world);
    assert_ne!(Browser::at(&world).sign_in("student1", PASSWORD).await.location(), "/vestibule/challenge");
    let sheet = done(&world, r#"{"account":{"show":{"user":"student1"}}}"#).await;
    assert_eq!(sheet["account"]["account"]["state"], "suspended");
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_two_nodes_ask_and_one_word_ends_what_is_on_both() {
    let table = Table::new().await;
    let nodes = Nodes::with(|config| table.chain(config)).await;
    let (first, second) = (&nodes.first, &nodes.second);
    let mut browser = Browser::at(first);
    let (device, _) = browser.enrol(first, "student1", PASSWORD).await;
    next_code(first);
    let token = MoodleApp::at(first).sign_in(first, "student1", PASSWORD, &device).await;
    let mut there = Browser::at(second);
    there.cookies = browser.cookies.clone();
    assert_eq!(there.get("/my/").await.status, 200);
    assert!(works(second, &token).await);
    table.sql("UPDATE people SET off = 1 WHERE id = 11").await;
    first.advance(SOONER);
    until("the sign-out on both", Duration::from_secs(6), async || {
        let out = [browser.get("/my/").await, there.get("/my/").await];
        out.iter().all(|answer| answer.location() == "/login/index.php")
            && !works(first, &token).await
            && !works(second, &token).await
    })
    .await;
    let lines = |world: &World| {
        let audit = fs::read_to_string(world.folder.0.join("audit.jsonl")).unwrap_or_default();
        audit.matches("\"standing_changed\"").count()
    };
    until("its line", Duration::from_secs(5), async || lines(first) + lines(second) > 0).await;
    assert_eq!(lines(first) + lines(second), 1, "one of the two tells it");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_at_the_source_ends_what_is_older() {
    let table = Table::new().await;
    let world = World::with(|config| table.chain(config)).await;
    let mut browser = Browser::at(&world);
    let (device, _) = browser.enrol(&world, "student1", PASSWORD).await;
    next_code(&world);
    let token = MoodleApp::at(&world).sign_in(&world, "student1", PASSWORD, &device).await;
    // Another salt is another hash: all that a table shows of a new password.
    table.sql(&format!("UPDATE people SET hash = '{}' WHERE id = 11", hash())).await;
    world.advance(SOONER);
    until("the sign-out", Duration::from_secs(5), async || !works(&world, &token).await).await;
    assert_eq!(browser.get("/my/").await.location(), "/login/index.php");
    let raised = world.audited("epoch_raised").await;
    assert_eq!(raised[0]["reason"], "password_changed");
    next_code(&world);
    let token = MoodleApp::at(&world).sign_in(&world, "student1", PASSWORD, &device).await;
    world.advance(SOONER);
    done(&world, r#"{"source":{"sync":{"source":"students"}}}"#).await;
    assert!(works(&world, &token).await, "once per change");
    assert_eq!(world.audited("epoch_raised").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_silent_for_a_day_vouches_for_nobody_and_bars_nobody() {
    let table = Table::new().await;
    let world = World::with(|config| table.chain(config)).await;
    let (device, _) = Browser::at(&world).enrol(&world, "student1", PASSWORD).await;
    next_code(&world);
    let token = MoodleApp::at(&world).sign_in(&world, "student1", PASSWORD, &device).await;
    table.sql("ALTER TABLE people RENAME TO elsewhere").await;
    world.advance(Duration::from_secs(23 * 3600));
    assert!(works(&world, &token).await, "a day has not passed");
    world.advance(Duration::from_secs(2 * 3600));
    until("the sign-out", Duration::from_secs(5), async || !works(&world, &token).await).await;
    assert_eq!(world.audited("sign_in_due").await[0]["source"], "students");
    let sheet = done(&world, r#"{"account":{"show":{"user":"student1"}}}"#).await;
    assert_eq!(sheet["account"]["account"]["state"], "active", "nobody said that they left");
    table.sql("ALTER TABLE elsewhere RENAME TO people").await;
    let app = MoodleApp::at(&world);
    until("its return", Duration::from_secs(10), async || {
        app.token("student1", PASSWORD).await.json()["mfa"]["flow"].is_string()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pass_bars_no_crowd_without_force_and_touches_its_own_alone() {
    let table = Table::new().await;
    let world = World::with(|config| {
        table.chain(config);
        config.mfa = serde_yaml::from_str("rules: [ { name: nobody, stage: off } ]").expect("rules");
    })
    .await;
    let app = MoodleApp::at(&world);
    for user in ["student1", "student2", "student3", "teacher1"] {
        let json = app.token(user, PASSWORD).await.json();
        assert!(json["token"].is_string(), "{user}: {json}");
    }
    table.sql("DELETE FROM people").await;
    let sync = |words: &str| format!(r#"{{"source":{{"sync":{{"source":"students"{words}}}}}}}"#);
    let why = told(&world, &sync("")).await.expect_err("four of four");
    assert!(why.contains("4 of 4 accounts") && why.contains("nothing was changed"), "{why}");
    let planned = done(&world, &sync(r#","dry_run":true"#)).await;
    assert_eq!(planned["sync"]["rows"].as_array().map(Vec::len), Some(4), "{planned}");
    assert_eq!(planned["sync"]["over_limit"], 3);
    assert_eq!(done(&world, r#"{"account":{"list":{"limit":9}}}"#).await["accounts"][0]["state"], "active");
    let changed = done(&world, &sync(r#","force":true"#)).await;
    assert_eq!(changed["sync"]["rows"][0]["becomes"], "gone", "{changed}");
    let accounts = done(&world, r#"{"account":{"list":{"limit":9}}}"#).await;
    let states: Vec<_> =
        accounts["accounts"].as_array().expect("rows").iter().map(|row| row["state"].as_str()).collect();
    assert_eq!(states, [Some("gone"); 4]);
    assert!(done(&world, &sync("")).await["sync"]["rows"].as_array().is_some_and(Vec::is_empty), "once per change");
    let why = told(&world, r#"{"source":{"sync":{"source":"campus-lms"}}}"#).await.expect_err("no directory");
    assert!(why.contains("cannot be asked without a password"), "{why}");
    let why = told(&world, r#"{"source":{"sync":{"source":"nowhere"}}}"#).await.expect_err("no such");
    assert!(why.contains("students, campus-lms"), "{why}");
    assert_eq!(world.audited("standing_changed").await.len(), 4);
}

/// A program with a local source before its LMS, and `student1` in both.
async fn with_staff(more: &str) -> Program {
    let program = Program::prepared("{ directory: DIR, database: \"sqlite:DIR/vestibule.db\" }", "info").await;
    let yaml = fs::read_to_string(program.file("gateway.yaml")).expect("the configuration");
    let lms = "{ name: campus-lms, kind: lms, site: campus }";
    let staff = format!("{{ name: staff, kind: local, lms_password: same }}, {lms}{more}");
    fs::write(program.file("gateway.yaml"), yaml.replace(lms, &staff)).expect("written");
    fs::write(program.file("staff.csv"), format!("username,password_hash\nstudent1,\"{}\"\n", hash()))
        .expect("written");
    program.done(&format!("account import --source staff {}", program.file("staff.csv").display()));
    program
}

fn rewrite(program: &Program, from: &str, to: &str) {
    let yaml = fs::read_to_string(program.file("gateway.yaml")).expect("the configuration");
    assert!(yaml.contains(from), "{from} in {yaml}");
    fs::write(program.file("gateway.yaml"), yaml.replace(from, to)).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_tried_listed_and_explained_with_and_without_a_gateway() {
    let mut program = with_staff("").await;
    let test = "source test staff --user student1 --password-stdin";
    for running in [false, true] {
        if running {
            program.start();
        }
        let (code, said) = with_input(&program, test, &format!("{PASSWORD}\n"));
        assert_eq!(code, 0, "{said}");
        for words in ["look up", "password", "staff says ok", "student1"] {
            assert!(said.contains(words), "{words}: {said}");
        }
        let (code, said) = with_input(&program, test, "wrong\n");
        assert!(code == 1 && said.contains("staff says declined"), "{code}: {said}");
        let lms = "source test campus-lms --user student2 --password-stdin";
        let (code, said) = with_input(&program, lms, &format!("{PASSWORD}\n"));
        assert!(code == 0 && said.contains("campus-lms says ok"), "{code}: {said}");
        assert_eq!(program.done("account list"), "none\n", "a try makes nobody");
        let explained = program.done("explain sign-in Student1 --address 192.0.2.7");
        for words in
            ["nobody's yet", "1. staff as \"student1\"", "2. campus-lms", "0 of 10", "0 of 100", "rule everybody"]
        {
            assert!(explained.contains(words), "{words}: {explained}");
        }
    }
    let mut browser = program.browser();
    program.enrol(&mut browser, "student1", PASSWORD).await;
    let list = program.json("source list");
    let rows = list["sources"]["rows"].as_array().expect("rows");
    assert_eq!((rows[0]["name"].as_str(), rows[0]["accounts"].as_u64()), (Some("staff"), Some(1)), "{list}");
    assert_eq!((rows[0]["health"].as_str(), rows[1]["accounts"].as_u64()), (Some("ok"), Some(0)));
    let explained = program.done("explain sign-in student1 --door app");
    for words in ["staff (primary)", "pinned to it", "campus-lms: the name is an account's", "one of totp"] {
        assert!(explained.contains(words), "{words}: {explained}");
    }
    let metrics = program.watch("GET", "/metrics").await.text();
    for line in ["vestibule_source_up{source=\"staff\"} 1", "verdicts_total{source=\"staff\",verdict=\"ok\"} 1"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let audit = fs::read_to_string(program.file("audit.jsonl")).expect("the audit log");
    assert!(audit.contains("source_tested") && !audit.contains(PASSWORD) && !program.log().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_goes_says_first_what_becomes_of_its_accounts() {
    let mut program = with_staff("").await;
    program.start();
    let mut browser = program.browser();
    program.enrol(&mut browser, "student1", PASSWORD).await;
    // `check` asks the running gateway while there is one.
    rewrite(&program, "name: staff, kind: local", "name: people, kind: local");
    let refused = |program: &Program, words: &str| {
        let (code, said, told) = program.cli(words);
        assert_ne!(code, 0, "{words}: {said}");
        assert!(told.contains("\"staff\" is not there any more, and 1 account"), "{words}: {told}");
        assert!(told.contains("staff: { reassign: OTHER }") && told.contains("staff: rediscover"), "{told}");
        told
    };
    assert!(refused(&program, "check").contains("the running gateway's"));
    program.stop();
    assert!(refused(&program, "check").contains("the database's"));
    refused(&program, "serve");

    rewrite(&program, "refusal_milliseconds: 0", "refusal_milliseconds: 0, removed: { staff: { reassign: people } }");
    assert!(program.done("check").contains("can all live with this"));
    program.start();
    assert_eq!(browser.get("/my/").await.status, 200, "nobody is signed out by a name");
    let sheet = program.json("account show student1");
    assert!(sheet["account"]["methods"][0].as_str().is_some_and(|m| m.starts_with("people: ")), "{sheet}");
    program.stop();
    program.start();
    let audit = || fs::read_to_string(program.file("audit.jsonl")).expect("the audit log");
    assert_eq!(audit().matches("\"source_removed\"").count(), 1, "once");
    program.stop();

    // And back, this time by its name alone.
    rewrite(&program, "{ name: people, kind: local, lms_password: same }, ", "");
    rewrite(&program, "removed: { staff: { reassign: people } }", "removed: { people: rediscover }");
    program.start();
    let sheet = program.json("account show student1");
    assert_eq!(sheet["account"]["methods"].as_array().map(Vec::len), Some(0), "{sheet}");
    assert!(program.done("explain sign-in student1").contains("waits for the first OK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_that_depend_on_others_are_refused() {
    let mut program = with_staff("").await;
    rewrite(&program, "socket:", "administrators: [ ada ], socket:");
    let (code, _, told) = program.cli("serve");
    assert!(code == 1 && told.contains("break-glass"), "{told}");
    let (code, _, told) = program.cli("check");
    assert!(code == 2 && told.contains("admin.administrators"), "{told}");
    program.done("account break-glass --source staff --user ada");
    program.start();
    assert!(program.done("check").contains("the running gateway's"));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_moved_by_their_names_and_a_collision_stops_the_move() {
    let mut program = with_staff(", { name: people, kind: local, lms_password: same }").await;
    program.start();
    let mut browser = program.browser();
    program.enrol(&mut browser, "student1", PASSWORD).await;
    let moving = "source move --from staff --to people";
    let said = program.done(moving);
    assert!(said.contains("stays: nobody of that name there") && said.contains("0 moved"), "{said}");
    let csv = program.file("staff.csv");
    program.done(&format!("account import --source people {}", csv.display()));
    let said = program.done(&format!("{moving} --dry-run"));
    assert!(said.contains("1 would move from staff to people"), "{said}");
    assert!(
        program.json("account show student1")["account"]["methods"][0].as_str().is_some_and(|m| m.starts_with("staff"))
    );
    assert!(program.done(moving).contains("1 moved from staff to people"));
    assert!(
        program.json("account show student1")["account"]["methods"][0]
            .as_str()
            .is_some_and(|m| m.starts_with("people"))
    );
    assert_eq!(browser.get("/my/").await.status, 200);
    // Both would be one subject of `people`: nothing goes.
    let (code, _, told) = program.cli("source move --from people --to people");
    assert!(code == 1 && told.contains("same instance"), "{told}");
    let back = program.done("source move --from people --to staff --match subject");
    assert!(back.contains("1 moved"), "{back}");
    let audit = fs::read_to_string(program.file("audit.jsonl")).expect("the audit log");
    assert_eq!(audit.matches("\"method_moved\"").count(), 2);
}
