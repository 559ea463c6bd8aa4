//! Columns of every type that a subject, a hash or a flag is kept in.

use super::{BCRYPT, Db, PASSWORD};

#[tokio::test]
async fn postgresql_columns_are_read_by_their_own_types() {
    let db = Db::postgres();
    db.sql("CREATE TYPE role AS ENUM ('tutor', 'student'); CREATE DOMAIN mail AS text").await;
    db.sql(
        "CREATE TABLE t (id uuid, login char(20), hash bytea, padded char(80), n bigint, small smallint, role role, \
         mail mail, groups text[], off boolean, since timestamptz DEFAULT now(), money numeric DEFAULT 1.5)",
    )
    .await;
    db.sql(&format!(
        "INSERT INTO t VALUES ('00010203-0405-0607-0809-0a0b0c0d0e0f', 'ada', '{BCRYPT}', '{BCRYPT}', -5, 7, 'tutor', \
         'ada@example.org', ARRAY['a, b', NULL, 'c'], false)"
    ))
    .await;
    let all = "*, mail AS email, off AS disabled, role AS name, since AS never_read FROM t WHERE login = :username";
    for (subject, hash, expected) in [
        ("id", "hash", "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        ("n", "padded", "-5"),
        ("small", "hash", "7"),
        ("role", "hash", "tutor"),
    ] {
        let source = db.asking(&format!("SELECT {subject} AS subject, {hash} AS password_hash, {all}"));
        let person = source.person("ada").await;
        assert_eq!(person.subject.as_str(), expected);
        assert_eq!((person.email.as_deref(), person.name.as_deref()), (Some("ada@example.org"), Some("tutor")));
        assert_eq!(person.groups, Some(vec!["a, b".to_owned(), "c".to_owned()]));
    }
    // What has no one obvious text is a mistake in the query, said for every name alike.
    for column in ["money", "since"] {
        let source =
            db.asking(&format!("SELECT {column} AS subject, hash AS password_hash FROM t WHERE login = :username"));
        for name in ["ada", "nobody"] {
            let (said, hashes) = source.counted(name, PASSWORD).await;
            assert!(said.starts_with("error: the column `subject` is of type") && hashes == 0, "{said}");
        }
    }
}

#[tokio::test]
async fn mariadb_columns_are_read_by_their_own_types() {
    let db = Db::mariadb();
    db.sql(
        "CREATE TABLE t (id bigint unsigned, login varchar(20), hash blob, fixed binary(80), wide char(80), \
         off tinyint(1), bits bit(1), role enum('tutor','student'), note text, since datetime DEFAULT now())",
    )
    .await;
    db.sql(&format!(
        "INSERT INTO t (id, login, hash, fixed, wide, off, bits, role, note) VALUES (18446744073709551615, 'ada', \
         '{BCRYPT}', '{BCRYPT}', '{BCRYPT}', 0, b'0', 'tutor', 'gr\u{fc}n, \u{1f600}')"
    ))
    .await;
    let all = "off AS disabled, note AS groups, role AS name, since FROM t WHERE login = :username";
    for hash in ["hash", "fixed", "wide"] {
        let person = db.asking(&format!("SELECT id AS subject, {hash} AS password_hash, {all}")).person("ada").await;
        assert_eq!((person.subject.as_str(), person.name.as_deref()), ("18446744073709551615", Some("tutor")));
        assert_eq!(person.groups, Some(vec!["gr\u{fc}n".to_owned(), "\u{1f600}".to_owned()]));
    }
    let by_bit =
        db.asking("SELECT id AS subject, hash AS password_hash, bits = 0 AS disabled FROM t WHERE login = :username");
    assert_eq!(by_bit.counted("ada", PASSWORD).await, ("denied: disabled".into(), 1));
    let dated = db.asking("SELECT since AS subject, hash AS password_hash FROM t WHERE login = :username");
    for name in ["ada", "nobody"] {
        assert!(dated.counted(name, PASSWORD).await.0.starts_with("error: the column `subject` is of type DATETIME"));
    }
}

#[tokio::test]
async fn sqlite_values_are_read_by_their_own_types() {
    let db = Db::sqlite();
    db.sql("CREATE TABLE t (id, login, hash, groups)").await;
    db.sql(&format!(
        "INSERT INTO t VALUES (9007199254740993, 'ada', CAST('{BCRYPT}' AS BLOB), ''), ('key-7', 'bob', '{BCRYPT}', NULL), \
         (NULL, 'cid', '{BCRYPT}', 'x'), (1.5, 'dee', '{BCRYPT}', 'x')"
    ))
    .await;
    let source = db.asking("SELECT id AS subject, hash AS password_hash, groups FROM t WHERE login = :username");
    let ada = source.person("ada").await;
    assert_eq!((ada.subject.as_str(), ada.groups), ("9007199254740993", Some(vec![])));
    let bob = source.person("bob").await;
    assert_eq!((bob.subject.as_str(), bob.groups), ("key-7", Some(vec![])));
    // A row without a key is one row's defect: refused, not ERROR, which would say that the name exists.
    for name in ["cid", "dee"] {
        assert_eq!(source.counted(name, PASSWORD).await, ("denied: the row cannot be read".into(), 1));
    }
}

#[tokio::test]
async fn a_mapped_column_that_is_missing_or_there_twice_is_an_error_for_every_name() {
    let db = Db::sqlite();
    db.people(&[("ada", Some(BCRYPT))]).await;
    for (query, columns, error) in [
        ("SELECT id AS subject FROM people WHERE login = :username", "{}", "the query gives no column `password_hash`"),
        (
            "SELECT * FROM people WHERE login = :username",
            "{ subject: id, password_hash: hash, email: mail }",
            "no column `mail`",
        ),
        (
            "SELECT *, id AS ID FROM people WHERE login = :username",
            "{ subject: id, password_hash: hash }",
            "more than one column `id`",
        ),
    ] {
        let source = db.with(&format!("query: {query}\ncolumns: {columns}"));
        for name in ["ada", "nobody"] {
            let (said, hashes) = source.counted(name, PASSWORD).await;
            assert!(said.starts_with("error: ") && said.contains(error) && hashes == 0, "{said}");
        }
    }
}
