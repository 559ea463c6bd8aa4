//! The server's side: nothing is written, nothing runs on, and nobody else is believed.

use super::{BCRYPT, Db, PASSWORD, Subjected};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::{fs, time::Duration};

const SHORT: Duration = Duration::from_millis(800);

#[tokio::test]
async fn the_table_is_only_read() {
    let people: &[(&str, Option<&str>)] = &[("ada", Some(BCRYPT))];
    let postgres = Db::postgres();
    postgres.people(people).await;
    let deleting = "WITH gone AS (DELETE FROM people RETURNING *) SELECT id AS subject, hash AS password_hash FROM gone WHERE login = :username";
    let (said, _) = postgres.asking(deleting).counted("ada", PASSWORD).await;
    assert!(said.contains("read-only transaction"), "{said}");
    assert_eq!(postgres.source().person("ada").await.subject.as_str(), "1");

    let mariadb = Db::mariadb();
    mariadb.people(people).await;
    mariadb.sql("DELIMITER //\nCREATE FUNCTION spoil() RETURNS INT BEGIN DELETE FROM people; RETURN 1; END//").await;
    let spoiling = "SELECT spoil() AS subject, hash AS password_hash FROM people WHERE login = :username";
    let (said, _) = mariadb.asking(spoiling).counted("ada", PASSWORD).await;
    assert!(said.contains("READ ONLY transaction"), "{said}");
    assert_eq!(mariadb.source().person("ada").await.subject.as_str(), "1");
}

#[tokio::test]
async fn a_frozen_server_is_an_error_within_the_deadline_and_is_asked_again_when_it_is_back() {
    let db = Db::postgres();
    db.people(&[("ada", Some(BCRYPT))]).await;
    let source =
        db.within(SHORT, "query: SELECT id AS subject, hash AS password_hash FROM people WHERE login = :username");
    assert_eq!(source.counted("ada", PASSWORD).await, ("ok".into(), 1));
    let Db::Postgres(server) = &db else { unreachable!("it is a PostgreSQL") };
    server.pause();
    // More often than there are connections: none is lost for good.
    for _ in 0..10 {
        let begun = std::time::Instant::now();
        let (said, hashes) = source.counted("ada", PASSWORD).await;
        assert!(said.starts_with("error: ") && hashes == 0, "{said}");
        assert!(begun.elapsed() < SHORT * 3, "{:?}", begun.elapsed());
    }
    let source_of = || source.source.password.clone().unwrap();
    assert!(source_of().probe().await.is_err());
    server.resume();
    let back = async {
        while source_of().probe().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back).await.expect("a probe succeeds again");
    assert_eq!(source.counted("ada", PASSWORD).await.0, "ok");
}

#[tokio::test]
async fn a_statement_does_not_outlive_our_patience() {
    let yaml = |sql: &str| format!("query: \"{sql}\"");
    let postgres = Db::postgres();
    let source = postgres.within(
        SHORT,
        &yaml("SELECT 1 AS subject, '' AS password_hash, pg_sleep(600)::text FROM (SELECT 1) x WHERE 'a' <> :username"),
    );
    assert!(source.counted("ada", PASSWORD).await.0.starts_with("error: "));
    let mut other = PgConnection::connect(&postgres.url()).await.unwrap();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vestibule' AND state = 'active'";
    let ended = async {
        while sqlx::query_scalar::<_, i64>(running).fetch_one(&mut other).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the server ended it");

    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS subject, :username AS password_hash FROM n";
    let sqlite = Db::sqlite();
    sqlite.people(&[]).await;
    let source = sqlite.within(SHORT, &yaml(endless));
    for _ in 0..10 {
        assert!(source.counted("ada", PASSWORD).await.0.starts_with("error: "));
    }
    let mariadb = Db::mariadb();
    let source = mariadb.within(SHORT, &yaml("SELECT SLEEP(600) AS subject, :username AS password_hash"));
    assert!(source.counted("ada", PASSWORD).await.0.starts_with("error: "));
}

#[tokio::test]
async fn a_server_without_tls_or_with_a_strangers_certificate_is_not_asked() {
    let db = Db::postgres();
    db.people(&[("ada", Some(BCRYPT))]).await;
    let query = "query: SELECT id AS subject, hash AS password_hash FROM people WHERE login = :username\n";
    let said = async |source: Subjected| source.counted("ada", PASSWORD).await;
    // It offers no TLS, and is not asked without.
    let (error, hashes) = said(db.with(&format!("{query}tls: verify"))).await;
    assert!(error.contains("does not support TLS") && hashes == 0, "{error}");

    let named = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        rcgen::generate_simple_self_signed(names).unwrap()
    };
    let directory = crate::servers::Scratch::new("certificates");
    let (right, wrong) = (named(&["127.0.0.1"]), named(&["db.example.org"]));
    let file = |name: &str, certificate: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let path = directory.path().join(name);
        fs::write(&path, certificate.cert.pem()).unwrap();
        format!("{query}ca_file: {}", path.display())
    };
    let (trusts_right, trusts_wrong) = (file("right.pem", &right), file("wrong.pem", &wrong));
    serve_tls(&db, &wrong).await;
    assert!(said(db.with(&trusts_wrong)).await.0.starts_with("error: "), "it is named otherwise");
    serve_tls(&db, &right).await;
    assert!(said(db.with(&format!("{query}tls: verify"))).await.0.starts_with("error: "), "nobody vouches for it");
    assert!(said(db.with(&trusts_wrong)).await.0.starts_with("error: "), "somebody else is vouched for");
    assert_eq!(said(db.with(&trusts_right)).await, ("ok".into(), 1));
}

/// Has the server write its own certificate and key, and take them up.
async fn serve_tls(db: &Db, certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) {
    let rows = |pem: &str| pem.lines().map(|line| format!("('{line}')")).collect::<Vec<_>>().join(", ");
    let files = [("server.crt", certificate.cert.pem()), ("server.key", certificate.signing_key.serialize_pem())];
    for (name, pem) in files {
        let rows = rows(&pem);
        db.sql(&format!("COPY (VALUES {rows}) TO PROGRAM 'umask 077; cat > {name}'")).await;
    }
    let mut connection = PgConnection::connect(&db.url()).await.unwrap();
    connection.execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    let loaded = "SELECT pg_conf_load_time()::text";
    let before: String = sqlx::query_scalar(loaded).fetch_one(&mut connection).await.unwrap();
    connection.execute("SELECT pg_reload_conf()").await.unwrap();
    // A new connection is forked by the server that has read the new files.
    let taken_up = async {
        loop {
            let mut fresh = PgConnection::connect(&db.url()).await.unwrap();
            let now: String = sqlx::query_scalar(AssertSqlSafe(loaded.to_owned())).fetch_one(&mut fresh).await.unwrap();
            if now != before {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), taken_up).await.expect("the configuration is taken up");
}
