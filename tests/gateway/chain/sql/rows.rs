//! One name, and what the table says about it.

use super::{BCRYPT, DEADLINE, Db, MD5, PASSWORD, SHA512_CRYPT, Subjected, said};
use vestibule::chain::{Standing, Trace, Verdict};

/// What a query pasted together would do with it.
const NAMES: [&str; 9] = [
    "o'brien",
    "'; DROP TABLE people; --",
    "x' OR '1'='1",
    "\" OR \"\"=\"",
    "back\\slash",
    "\\' OR 1=1 -- ",
    "%",
    "jos\u{e9}",
    ":username",
];

#[tokio::test]
async fn e9_a_name_is_data_whatever_it_holds() {
    for db in Db::all() {
        let rows: Vec<_> = NAMES.iter().map(|name| (*name, Some(BCRYPT))).collect();
        db.people(&rows).await;
        let source = db.source();
        for (at, name) in NAMES.iter().enumerate() {
            let person = source.person(name).await;
            assert_eq!((person.subject.as_str(), person.username.as_deref()), (&*(at + 1).to_string(), Some(*name)));
            assert_eq!(source.counted(name, "wrong").await, ("declined".into(), 1));
        }
        for nobody in ["_", "' OR '1'='1", "1; DELETE FROM people", "\u{1f600}", "nul\0", &"a".repeat(100_000)] {
            assert_eq!(source.counted(nobody, PASSWORD).await, ("declined".into(), 1), "{nobody:.20}");
        }
        // All nine are still there.
        assert_eq!(source.person(":username").await.subject.as_str(), "9");
    }
}

#[tokio::test]
async fn e9_two_rows_for_one_name_are_denied_even_with_the_right_password() {
    for db in Db::all() {
        db.people(&[("twin", Some(BCRYPT)), ("twin", Some(BCRYPT)), ("alone", Some(BCRYPT))]).await;
        let source = db.source();
        for password in [PASSWORD, "wrong"] {
            assert_eq!(source.counted("twin", password).await, ("denied: more than one row".into(), 1));
        }
        assert_eq!(source.counted("alone", PASSWORD).await, ("ok".into(), 1));
        let every = db.asking("SELECT id AS subject, hash AS password_hash FROM people WHERE login <> :username");
        assert_eq!(every.counted("nobody", PASSWORD).await, ("denied: more than one row".into(), 1));
    }
}

#[tokio::test]
async fn e9_locked_empty_and_foreign_hashes_let_nobody_in() {
    let locked = format!("!{BCRYPT}");
    let rows = [
        ("null", None),
        ("empty", Some("")),
        ("star", Some("*0")),
        ("locked", Some(&*locked)),
        ("plain", Some(PASSWORD)),
    ];
    let rows = [&rows[..], &[("md5", Some(MD5)), ("known", Some(BCRYPT))]].concat();
    for db in Db::all() {
        db.people(&rows).await;
        let source = db.source();
        for (name, stored) in &rows[..rows.len() - 1] {
            for password in [PASSWORD, stored.unwrap_or("null"), "*0", "x"].into_iter().filter(|p| !p.is_empty()) {
                assert_eq!(source.counted(name, password).await, ("declined".into(), 1), "{name} {password}");
            }
        }
        assert_eq!(source.counted("known", PASSWORD).await, ("ok".into(), 1));
    }
}

/// Equal count, and after the first row also equal make and cost.
#[tokio::test]
async fn e1_every_refusal_takes_the_work_of_one_hash_of_the_tables_own_make() {
    let db = Db::sqlite();
    db.people(&[("known", Some(SHA512_CRYPT)), ("locked", Some("*0")), ("twin", None), ("twin", None)]).await;
    let source = db.source();
    let hashed = async |name: &str| {
        let trace = Trace::on();
        let before = source.hashing.begun();
        let verdict = said(&source.traced(name, "wrong", trace.clone()).await);
        assert_eq!(source.hashing.begun() - before, 1, "{name}");
        let taken = trace.taken();
        let hash: Vec<_> = taken.iter().filter(|step| step.step == "hash").collect();
        assert_eq!(hash.len(), 1);
        (verdict, hash[0].said.contains("SHA-512 crypt"))
    };
    // Nothing is known of the table yet: a decoy of our own make.
    assert_eq!(hashed("nobody").await, ("declined".into(), false));
    assert_eq!(hashed("known").await, ("declined".into(), true));
    for (name, verdict) in [("nobody", "declined"), ("locked", "declined"), ("twin", "denied: more than one row")] {
        assert_eq!(hashed(name).await, (verdict.into(), true), "{name}");
    }
    // What no instance could judge costs nothing, for every name alike.
    for name in ["known", "nobody"] {
        assert_eq!(source.counted(name, "").await, ("declined".into(), 0));
    }
}

#[tokio::test]
async fn e12_a_password_that_bcrypt_would_cut_short_is_wrong() {
    let of_72 = "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe";
    let db = Db::sqlite();
    db.people(&[("long", Some(of_72)), ("known", Some(BCRYPT))]).await;
    let source = db.source();
    assert_eq!(source.counted("long", &"a".repeat(72)).await, ("ok".into(), 1));
    for password in ["a".repeat(73), "a".repeat(1 << 20)] {
        assert_eq!(source.counted("long", &password).await, ("declined".into(), 1));
    }
    for password in [format!("{PASSWORD}\0"), format!("{PASSWORD}\0more")] {
        assert_eq!(source.counted("known", &password).await, ("declined".into(), 1));
    }
}

#[tokio::test]
async fn e12_a_row_whose_hash_would_cost_too_much_is_refused_for_the_price_of_an_ordinary_one() {
    let huge = "$argon2id$v=19$m=4194304,t=100,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    let db = Db::sqlite();
    db.people(&[("known", Some(BCRYPT)), ("costly", Some(huge)), ("steep", Some(&BCRYPT.replace("$04$", "$31$")))])
        .await;
    let source = db.source();
    assert_eq!(source.counted("known", PASSWORD).await, ("ok".into(), 1));
    for name in ["costly", "steep"] {
        let trace = Trace::on();
        assert_eq!(said(&source.traced(name, PASSWORD, trace.clone()).await), "declined");
        let hash = trace.taken().into_iter().find(|step| step.step == "hash").unwrap();
        assert!(hash.said.contains("cost more") && hash.said.contains("one bcrypt hash"), "{}", hash.said);
    }
}

#[tokio::test]
async fn e12_formats_for_migration_count_only_where_they_are_named() {
    let db = Db::sqlite();
    db.people(&[("old", Some(MD5)), ("new", Some(BCRYPT))]).await;
    let query = "query: SELECT id AS subject, hash AS password_hash FROM people WHERE login = :username\n";
    let named = db.with(&format!("{query}hashes: [md5]"));
    assert_eq!(named.counted("old", PASSWORD).await, ("ok".into(), 1));
    assert_eq!(named.counted("new", PASSWORD).await, ("declined".into(), 1));
    assert_eq!(db.with(query).counted("old", PASSWORD).await, ("declined".into(), 1));
}

const STATES: &str = "CREATE TABLE staff (id INTEGER, login VARCHAR(20), hash VARCHAR(200), off INTEGER, \
     act VARCHAR(9), renew INTEGER)";

#[tokio::test]
async fn who_is_barred_learns_it_only_with_the_right_password() {
    let db = Db::sqlite();
    db.sql(STATES).await;
    let rows = [
        ("fine", "0, 'yes', 0", "ok"),
        ("off", "1, 'yes', 0", "denied: disabled"),
        ("null", "NULL, 'yes', NULL", "ok"),
        ("inactive", "0, 'no', 0", "denied: not active"),
        ("never", "0, NULL, 0", "denied: not active"),
        ("odd", "0, 'perhaps', 0", "denied: its state is neither yes nor no"),
        ("renew", "0, 'yes', 1", "denied: must change the password"),
    ];
    for (at, (name, state, _)) in rows.iter().enumerate() {
        db.sql(&format!("INSERT INTO staff VALUES ({at}, '{name}', '{BCRYPT}', {state})")).await;
    }
    let columns = "columns: { subject: id, password_hash: hash, disabled: off, active: act, must_change: renew }";
    let source = db.with(&format!("query: SELECT * FROM staff WHERE login = :username\n{columns}"));
    for (name, _, verdict) in rows {
        assert_eq!(source.counted(name, PASSWORD).await, (verdict.into(), 1), "{name}");
        assert_eq!(source.counted(name, "wrong").await, ("declined".into(), 1), "{name}");
    }
}

#[tokio::test]
async fn somebody_is_found_again_by_subject_and_a_new_hash_is_a_new_mark() {
    for db in Db::all() {
        db.people(&[("here", Some(BCRYPT)), ("left", Some(BCRYPT))]).await;
        let cast = match db {
            Db::Postgres(_) => "CAST(:subject AS bigint)",
            Db::MariaDb(_) | Db::Sqlite(_) => ":subject",
        };
        let yaml = format!(
            "query: SELECT id AS subject, hash AS password_hash FROM people WHERE login = :username\n\
             by_subject: SELECT id AS subject, hash AS password_hash, login = 'left' AS disabled FROM people WHERE id = {cast}"
        );
        let source = db.with(&yaml);
        let mark = source.person("here").await.password_mark.unwrap();
        assert!(!mark.contains(BCRYPT) && mark.len() == 32, "{mark}");
        let Ok(Standing::Active(person)) = source.standing("1").await else { panic!("not active") };
        assert_eq!((person.subject.as_str(), person.password_mark.as_ref()), ("1", Some(&mark)));
        assert!(matches!(source.standing("2").await, Ok(Standing::Barred("disabled"))));
        assert!(matches!(source.standing("3").await, Ok(Standing::Unknown)));
        db.sql(&format!("UPDATE people SET hash = '{SHA512_CRYPT}' WHERE id = 1")).await;
        let Ok(Standing::Active(person)) = source.standing("1").await else { panic!("not active") };
        assert_ne!(person.password_mark, Some(mark));
        assert_eq!(source.hashing.begun(), 1, "standing asks for no password");
    }
}

/// MariaDB compares a text with a number by what the text begins with.
#[tokio::test]
async fn a_row_with_another_subject_is_no_answer_about_this_one() {
    let db = Db::mariadb();
    db.people(&[("here", Some(BCRYPT))]).await;
    let yaml = "query: SELECT id AS subject, hash AS password_hash FROM people WHERE login = :username\n\
                by_subject: SELECT id AS subject FROM people WHERE id = :subject";
    let source = db.with(yaml);
    assert!(matches!(source.standing("1").await, Ok(Standing::Active(_))));
    assert!(source.standing("1x").await.is_err());
}

#[tokio::test]
async fn the_trace_tells_the_steps_and_no_secret() {
    let db = Db::sqlite();
    db.people(&[("known", Some(BCRYPT))]).await;
    let trace = Trace::on();
    assert!(matches!(db.source().traced("known", PASSWORD, trace.clone()).await, Verdict::Ok(_)));
    let taken = trace.taken();
    assert_eq!(taken.iter().map(|step| step.step).collect::<Vec<_>>(), ["connect", "query", "row", "hash", "verdict"]);
    assert!(taken.iter().all(|step| !step.said.contains(BCRYPT) && !step.said.contains(PASSWORD)));
}

#[tokio::test]
async fn a_query_that_cannot_be_meant_builds_no_source() {
    for query in
        ["SELECT 1", "SELECT :username; DROP TABLE people", "SELECT '", "DELETE FROM people WHERE n = :username"]
    {
        let built = Subjected::build(&format!("database: sqlite:none.db\nquery: \"{query}\""), DEADLINE);
        assert_eq!(built.err().map(|error| error.key), Some("query".into()), "{query}");
    }
}
