//! The tables are read alike from PostgreSQL, MariaDB and SQLite, a page at a time, and never written.

use super::{Row, SECRET, registration, row, setting, tables, user};
use crate::databases::Db;
use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use std::time::Duration;
use vestibule::{
    lms::moodle::tool_mfa::{Left, Reader, Stored, User},
    outbound::database::Address,
    types::{LmsUserId, Timestamp},
};

const DEADLINE: Duration = Duration::from_secs(10);

fn reader(db: &Db, prefix: &str) -> Reader {
    Reader::new(Address::parse(&db.whole_url()).unwrap().protected(None, None), prefix, DEADLINE).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_every_database_moodle_runs_on_read_alike() {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let spki: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    let json = registration("lms.example.org", &[9; 40], spki.as_ref());
    for db in Db::all() {
        tables(&db, "mdl_").await;
        user(&db, "mdl_", (3, "student1", 0, 0)).await;
        user(&db, "mdl_", (4, "left", 1, 0)).await;
        user(&db, "mdl_", (5, "paused", 0, 1)).await;
        row(&db, "mdl_", &Row { verified: 1_700_000_100, ..Row::of(3, "totp", Some(SECRET)) }).await;
        row(&db, "mdl_", &Row::of(3, "webauthn", Some(&json))).await;
        row(&db, "mdl_", &Row { revoked: 1, ..Row::of(3, "totp", Some(SECRET)) }).await;
        row(&db, "mdl_", &Row::of(4, "totp", Some(SECRET))).await;
        row(&db, "mdl_", &Row::of(5, "grace", None)).await;
        for set in [
            ("factor_totp", "enabled", "1"),
            ("factor_totp", "weight", "60"),
            ("factor_grace", "enabled", "1"),
            ("tool_mfa", "enabled", "1"),
            ("factorx", "enabled", "1"),
            ("auth_ldap", "bind_pw", "not ours"),
        ] {
            setting(&db, "mdl_", set).await;
        }
        let reader = reader(&db, "mdl_");
        let records = reader.records().await.unwrap();
        let states: Vec<User> = records.iter().map(|record| record.state).collect();
        assert_eq!(states, [User::Active, User::Active, User::Active, User::Deleted, User::Suspended]);
        assert_eq!((records[0].user, records[0].username.as_str()), (LmsUserId(3), "student1"));
        assert_eq!((records[0].label.as_str(), records[0].verified), ("my phone", 1_700_000_100));
        let sorted: Vec<_> = records.iter().map(|record| record.sort()).collect();
        let Ok(Stored::Totp(secret)) = &sorted[0] else { panic!("{:?}", sorted[0]) };
        assert_eq!(secret.expose(), b"1234567890");
        let Ok(Stored::Webauthn(passkey)) = &sorted[1] else { panic!("{:?}", sorted[1]) };
        assert_eq!(passkey.credential_id, [9; 40]);
        let left: Vec<Option<Left>> = sorted[2..].iter().map(|sorted| sorted.as_ref().err().copied()).collect();
        assert_eq!(left, [Some(Left::Revoked), Some(Left::Deleted), Some(Left::Grace)]);

        let settings = reader.settings().await.unwrap();
        assert!(settings.yaml().contains("- { kind: totp, weight: 60 }"), "{}", settings.yaml());
        assert_eq!(settings.grace(&records, Timestamp::from_secs(1_700_000_001)).unwrap().people, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_page_is_read_to_its_end() {
    let db = Db::sqlite();
    tables(&db, "").await;
    user(&db, "", (3, "student1", 0, 0)).await;
    db.sql(
        "INSERT INTO tool_mfa (id, userid, factor) WITH RECURSIVE n(i) AS (SELECT 7 UNION ALL SELECT i + 2 FROM n \
         LIMIT 2500) SELECT i, 3, 'email' FROM n",
    )
    .await;
    let records = reader(&db, "").records().await.unwrap();
    assert_eq!((records.len(), records[0].id, records[2499].id), (2500, 7, 5005));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_no_moodles_says_so() {
    let db = Db::sqlite();
    tables(&db, "mdl_").await;
    let error = reader(&db, "other_").records().await.unwrap_err().to_string();
    assert!(error.starts_with("other_tool_mfa: ") && error.contains("no such table"), "{error}");
    let address = Address::parse(&db.whole_url()).unwrap();
    for prefix in ["mdl_; DROP TABLE x", "MDL_", "\"", &"a".repeat(21)] {
        assert!(Reader::new(address.clone(), prefix, DEADLINE).is_err(), "{prefix}");
    }
}
