//! The named parameter is found where it is one, and nowhere else.

use super::*;
use proptest::prelude::*;

const ALL: [Dialect; 3] = [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite];

fn parsed(sql: &str, dialect: Dialect) -> Result<Statement, StatementError> {
    Statement::parse(sql, "username", dialect)
}

fn text(sql: &str, dialect: Dialect) -> String {
    parsed(sql, dialect).unwrap_or_else(|error| panic!("{sql}: {error}")).text
}

#[test]
fn each_driver_gets_its_own_placeholder() {
    let sql = "SELECT * FROM u WHERE login = :username OR mail = :username";
    let of = |dialect| parsed(sql, dialect).unwrap();
    assert_eq!(of(Dialect::Postgres).text, "SELECT * FROM u WHERE login = $1 OR mail = $1");
    assert_eq!(of(Dialect::MySql).text, "SELECT * FROM u WHERE login = ? OR mail = ?");
    assert_eq!(of(Dialect::Sqlite).text, "SELECT * FROM u WHERE login = ?1 OR mail = ?1");
    assert_eq!(of(Dialect::MySql).binds(), 2);
}

#[test]
fn casts_slices_and_assignments_are_no_parameters() {
    let sql = "SELECT id::text, tags[1:2], f(a := 1) FROM u WHERE n = :username::citext";
    assert_eq!(text(sql, Dialect::Postgres), "SELECT id::text, tags[1:2], f(a := 1) FROM u WHERE n = $1::citext");
    assert_eq!(
        text("SELECT x'00', a$b$ FROM u WHERE n=:username", Dialect::Postgres),
        "SELECT x'00', a$b$ FROM u WHERE n=$1"
    );
}

#[test]
fn literals_names_and_comments_stay_as_they_are() {
    let rows: &[(&[Dialect], &str)] = &[
        (&ALL, "':username'"),
        (&ALL, "'it''s :username'"),
        (&ALL, "\"a:username\"\"b\""),
        (&ALL, "/* :username ' */ 1"),
        (&ALL, "-- :username '\n 1"),
        (&[Dialect::MySql], "# :username '\n 1"),
        (&[Dialect::MySql, Dialect::Sqlite], "`:username`"),
        (&[Dialect::Sqlite], "[:username]"),
        (&[Dialect::Postgres], "$$:username '$$"),
        (&[Dialect::Postgres], "$q$ :username $$ ; $q$"),
        (&[Dialect::Postgres], "/* a /* :username */ ' */ 1"),
        (&[Dialect::Postgres], "E':username'"),
        (&[Dialect::Postgres], "'a\\'"),
        (&[Dialect::Sqlite], "'a\\'"),
    ];
    for (dialects, kept) in rows {
        for dialect in *dialects {
            let out = text(&format!("SELECT {kept}, :username"), *dialect);
            assert!(out.starts_with(&format!("SELECT {kept}, ")), "{dialect:?} {out}");
        }
    }
    // There `--1` is no comment.
    assert_eq!(text("SELECT 2--1 FROM u WHERE n = :username", Dialect::MySql), "SELECT 2--1 FROM u WHERE n = ?");
}

#[test]
fn one_statement_is_one_statement() {
    for dialect in ALL {
        assert_eq!(parsed("SELECT :username; DROP TABLE u", dialect), Err(StatementError::MoreThanOne));
        assert_eq!(parsed("SELECT :username;;SELECT 1", dialect), Err(StatementError::MoreThanOne));
        assert_eq!(parsed("SELECT :username ; -- done\n /* really */ ;\n", dialect).unwrap().text.trim_end().len(), {
            "SELECT ".len() + if dialect == Dialect::MySql { 1 } else { 2 }
        });
        assert_eq!(text("SELECT ';', :username;", dialect).matches(';').count(), 1);
    }
}

#[test]
fn what_is_not_a_query_over_this_one_name_is_refused() {
    let unknown = |sign: &str| Err(StatementError::Unknown(sign.into(), "username"));
    for dialect in ALL {
        assert_eq!(parsed("SELECT 1", dialect), Err(StatementError::Unused("username")));
        assert_eq!(parsed("SELECT ':username'", dialect), Err(StatementError::Unused("username")));
        assert_eq!(parsed("SELECT :user", dialect), unknown(":user"));
        assert_eq!(parsed("SELECT :username2", dialect), unknown(":username2"));
        assert_eq!(parsed("SELECT a[1:username]", Dialect::Postgres), unknown(":username"));
        for sql in ["", " -- :username", "DELETE FROM u WHERE n = :username", "UPDATE u SET n = :username"] {
            assert_eq!(parsed(sql, dialect), Err(StatementError::NotAQuery), "{sql}");
        }
        for sql in ["SELECT ':username", "SELECT :username /* ", "SELECT :username, \"a"] {
            assert!(matches!(parsed(sql, dialect), Err(StatementError::Open(_))), "{sql}");
        }
    }
    for placeholder in ["?", "?2", "@name", "$name"] {
        assert_eq!(parsed(&format!("SELECT {placeholder}, :username"), Dialect::Sqlite), unknown(placeholder));
    }
    assert_eq!(parsed("SELECT ?, :username", Dialect::MySql), unknown("?"));
    assert_eq!(parsed("SELECT $2, :username", Dialect::Postgres), unknown("$2"));
    assert!(matches!(parsed("SELECT $a$ :username", Dialect::Postgres), Err(StatementError::Open(_))));
    assert_eq!(
        parsed(&format!("SELECT :username {}", " ".repeat(MAX_LENGTH)), Dialect::Sqlite),
        Err(StatementError::TooLong)
    );
}

#[test]
fn what_a_server_setting_could_read_differently_is_refused() {
    for sql in ["SELECT 'a\\' OR :username", "SELECT \"a\\\"\", :username", "SELECT /*! :username */ 1"] {
        assert!(matches!(parsed(sql, Dialect::MySql), Err(StatementError::TwoWays(_))), "{sql}");
    }
    for sql in ["SELECT E'a\\'', :username", "SELECT E'a'\n'\\'', :username"] {
        assert!(matches!(parsed(sql, Dialect::Postgres), Err(StatementError::TwoWays(_))), "{sql}");
    }
    assert!(matches!(parsed("SELECT \0 :username", Dialect::Sqlite), Err(StatementError::TwoWays(_))));
}

proptest! {
    /// Whatever stands in a literal is passed on byte for byte, and never ends it.
    #[test]
    fn text_inside_quotes_never_changes(inside in "[a-z:;'\"$?#@*/\\[\\]` \u{e4}\n-]{0,40}", more in "(:username|;|--|/\\*|')?") {
        let literal = format!("'{}'", format!("{inside}{more}").replace('\'', "''"));
        for dialect in ALL {
            let out = text(&format!("SELECT {literal} FROM u WHERE n = :username"), dialect);
            let mark = match dialect { Dialect::Postgres => "$1", Dialect::MySql => "?", Dialect::Sqlite => "?1" };
            prop_assert_eq!(out, format!("SELECT {literal} FROM u WHERE n = {mark}"));
        }
    }

    /// Nothing panics, and an accepted text differs from what was written only by its placeholders and its end.
    #[test]
    fn any_text_is_read_or_refused(sql in "(SELECT|with) ?([ -~\u{e4}\u{2003}\n]|:username|\\$\\$|/\\*|\\*/|--|E'){0,40}") {
        for dialect in ALL {
            if let Ok(statement) = parsed(&sql, dialect) {
                let mark = match dialect { Dialect::Postgres => "$1", Dialect::MySql => "?", Dialect::Sqlite => "?1" };
                prop_assert!(statement.binds() > 0 && statement.text().contains(mark));
                let pieces = statement.text().split(mark).collect::<Vec<_>>();
                let mut rest = sql.as_str();
                for piece in pieces {
                    let at = rest.find(piece);
                    prop_assert!(at.is_some(), "{:?} is not in {:?}", piece, rest);
                    rest = &rest[at.unwrap_or_default() + piece.len()..];
                }
            }
        }
    }
}
