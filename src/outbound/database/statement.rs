//! The operator's SQL with its one named parameter, made into the driver's own placeholders.
//!
//! Nothing is ever pasted into SQL: `:username` becomes `$1` (PostgreSQL), `?` (MySQL) or `?1` (SQLite), and the value
//! travels beside the text. What stands in literals, quoted identifiers and comments is passed on byte for byte. Where
//! the text could be read two ways (a backslash in a MySQL literal, whose meaning is a server setting; MySQL's
//! comments that are code) it is refused, and so is a second statement.

use super::address::Dialect;
use std::str::CharIndices;

/// Longer than any query a person writes.
const MAX_LENGTH: usize = 16 * 1024;

/// One statement, ready to be prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    text: String,
    binds: usize,
}

/// Shown to the operator below the key it is about.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    #[error("longer than {MAX_LENGTH} bytes")]
    TooLong,
    #[error("begins with neither SELECT nor WITH: it is only read")]
    NotAQuery,
    #[error("{0} is opened and never closed")]
    Open(&'static str),
    #[error("more than one statement: something follows the `;`")]
    MoreThanOne,
    #[error("`{0}` is not this query's parameter, which is `:{1}`")]
    Unknown(String, &'static str),
    #[error("`:{0}` is nowhere in it, so it would find the same rows for everybody")]
    Unused(&'static str),
    #[error("{0} could be read in two ways; write it differently")]
    TwoWays(&'static str),
}

impl Statement {
    /// `name`: the one parameter, without its colon.
    pub fn parse(sql: &str, name: &'static str, dialect: Dialect) -> Result<Self, StatementError> {
        if sql.len() > MAX_LENGTH {
            return Err(StatementError::TooLong);
        }
        let mut reader = Reader { sql, dialect, name, at: 0, out: String::with_capacity(sql.len()), binds: 0 };
        reader.all()?;
        match reader.binds {
            0 => Err(StatementError::Unused(name)),
            binds => Ok(Self { text: reader.out, binds }),
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }
    /// How often the value is bound: MySQL's placeholders have no numbers.
    pub fn binds(&self) -> usize {
        self.binds
    }
}

struct Reader<'a> {
    sql: &'a str,
    dialect: Dialect,
    name: &'static str,
    at: usize,
    out: String,
    binds: usize,
}

impl Reader<'_> {
    fn all(&mut self) -> Result<(), StatementError> {
        let mut begun = false;
        while let Some(next) = self.rest().chars().next() {
            if self.blank()? {
                continue;
            }
            if !begun {
                let word = word(self.rest());
                if !word.eq_ignore_ascii_case("select") && !word.eq_ignore_ascii_case("with") {
                    return Err(StatementError::NotAQuery);
                }
                begun = true;
            }
            if next == ';' {
                return self.end();
            }
            self.token(next)?;
        }
        if begun { Ok(()) } else { Err(StatementError::NotAQuery) }
    }

    /// After `;` only blanks and comments may follow. Both are left out.
    fn end(&mut self) -> Result<(), StatementError> {
        self.at += 1;
        let length = self.out.len();
        while !self.rest().is_empty() {
            if !self.blank()? && !self.rest().starts_with(';') {
                return Err(StatementError::MoreThanOne);
            }
            if self.rest().starts_with(';') {
                self.at += 1;
            }
        }
        self.out.truncate(length);
        Ok(())
    }

    fn rest(&self) -> &str {
        &self.sql[self.at..]
    }

    /// Passes on the next `length` bytes as they are.
    fn pass(&mut self, length: usize) {
        self.out.push_str(&self.sql[self.at..self.at + length]);
        self.at += length;
    }

    /// White space or a comment, if one stands here.
    fn blank(&mut self) -> Result<bool, StatementError> {
        let rest = self.rest();
        let space = rest.len() - rest.trim_start().len();
        let length = if space > 0 {
            space
        } else if rest.starts_with("/*") {
            self.block_comment()?
        } else if self.line_comment() {
            rest.find('\n').unwrap_or(rest.len())
        } else {
            return Ok(false);
        };
        self.pass(length);
        Ok(true)
    }

    fn line_comment(&self) -> bool {
        let rest = self.rest();
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite => rest.starts_with("--"),
            // `--x` is minus minus x there.
            Dialect::MySql => {
                let blank = |c: char| c.is_ascii_whitespace() || c.is_ascii_control();
                rest.starts_with('#')
                    || rest.strip_prefix("--").is_some_and(|after| after.chars().next().is_none_or(blank))
            }
        }
    }

    fn block_comment(&self) -> Result<usize, StatementError> {
        let rest = self.rest();
        let nests = self.dialect == Dialect::Postgres;
        if self.dialect == Dialect::MySql && (rest.starts_with("/*!") || rest.starts_with("/*M!")) {
            return Err(StatementError::TwoWays("a comment that some servers run (/*! … */)"));
        }
        let (mut depth, mut at) = (1, 2);
        while depth > 0 {
            let tail = &rest[at..];
            let close = tail.find("*/").ok_or(StatementError::Open("a comment"))?;
            match tail.find("/*").filter(|open| nests && *open < close) {
                Some(open) => (depth, at) = (depth + 1, at + open + 2),
                None => (depth, at) = (depth - 1, at + close + 2),
            }
        }
        Ok(at)
    }

    fn token(&mut self, next: char) -> Result<(), StatementError> {
        match (next, self.dialect) {
            ('\0', _) => Err(StatementError::TwoWays("a NUL character")),
            ('\'', dialect) => self.quoted('\'', "a text in '…'", dialect == Dialect::MySql),
            ('"', dialect) => self.quoted('"', "a name in \"…\"", dialect == Dialect::MySql),
            ('`', Dialect::MySql | Dialect::Sqlite) => self.quoted('`', "a name in `…`", false),
            ('[', Dialect::Sqlite) => self.until(']', "a name in […]"),
            ('$', Dialect::Postgres) => self.dollar(),
            (':', _) => self.colon(),
            // The drivers' own placeholders would take a value that is meant for another place.
            ('?', Dialect::MySql | Dialect::Sqlite) => Err(self.unknown(1)),
            ('@' | '$', Dialect::Sqlite) => Err(self.unknown(1)),
            (c, _) if is_word(c) => self.word(),
            (c, _) => {
                self.pass(c.len_utf8());
                Ok(())
            }
        }
    }

    fn unknown(&self, sign: usize) -> StatementError {
        let rest = self.rest();
        let length = sign + word(&rest[sign..]).len();
        StatementError::Unknown(rest[..length].to_owned(), self.name)
    }

    /// A quote is doubled to stand for itself.
    fn quoted(&mut self, quote: char, what: &'static str, no_backslash: bool) -> Result<(), StatementError> {
        let rest = self.rest();
        let mut chars = rest.char_indices();
        chars.next();
        let end = closing(&mut chars, quote);
        if no_backslash && rest[..end.unwrap_or(rest.len())].contains('\\') {
            return Err(StatementError::TwoWays("a backslash in a text"));
        }
        self.pass(end.ok_or(StatementError::Open(what))?);
        Ok(())
    }

    fn until(&mut self, close: char, what: &'static str) -> Result<(), StatementError> {
        let end = self.rest().find(close).ok_or(StatementError::Open(what))?;
        self.pass(end + close.len_utf8());
        Ok(())
    }

    /// A word; with PostgreSQL also the sign of a text whose backslashes mean something (`E'…'`).
    fn word(&mut self) -> Result<(), StatementError> {
        let rest = self.rest();
        // `$` begins no word, but may stand inside one: `a$b$` opens nothing.
        let length = rest.find(|c: char| !is_word(c) && c != '$').unwrap_or(rest.len());
        let escapes = self.dialect == Dialect::Postgres && rest[..length].eq_ignore_ascii_case("e");
        self.pass(length);
        if !escapes || !self.rest().starts_with('\'') {
            return Ok(());
        }
        self.quoted('\'', "a text in E'…'", true)?;
        // `E'a' 'b'` over two lines is one text, and its second half is read as the first.
        match self.rest().trim_start().starts_with('\'') {
            true => Err(StatementError::TwoWays("a text in E'…' '…'")),
            false => Ok(()),
        }
    }

    /// `$tag$ … $tag$`. `$1` would be a parameter that nobody named.
    fn dollar(&mut self) -> Result<(), StatementError> {
        let rest = self.rest();
        let tag = word(&rest[1..]);
        if tag.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.unknown(1));
        }
        let mark = 1 + tag.len();
        if tag.contains('$') || !rest[mark..].starts_with('$') {
            self.pass(1);
            return Ok(());
        }
        let tag = &rest[..=mark];
        let end = rest[tag.len()..].find(tag).ok_or(StatementError::Open("a text in $…$"))?;
        self.pass(2 * tag.len() + end);
        Ok(())
    }

    /// `::` (a cast) and `:=` pass; `:name` is the parameter.
    fn colon(&mut self) -> Result<(), StatementError> {
        let rest = self.rest();
        if rest.starts_with("::") {
            self.pass(2);
            return Ok(());
        }
        let name = word(&rest[1..]);
        if !name.starts_with(|c: char| c == '_' || c.is_alphabetic()) {
            self.pass(1);
            return Ok(());
        }
        // `a[1:username]` is a slice, not a parameter.
        if name != self.name || self.out.ends_with(|c: char| is_word(c)) {
            return Err(self.unknown(1));
        }
        self.at += 1 + name.len();
        self.binds += 1;
        self.out.push_str(match self.dialect {
            Dialect::Postgres => "$1",
            Dialect::MySql => "?",
            Dialect::Sqlite => "?1",
        });
        Ok(())
    }
}

/// The index behind the closing quote.
fn closing(chars: &mut CharIndices<'_>, quote: char) -> Option<usize> {
    loop {
        let (at, c) = chars.next()?;
        if c == quote {
            if chars.as_str().starts_with(quote) {
                chars.next();
            } else {
                return Some(at + c.len_utf8());
            }
        }
    }
}

/// Letters of all scripts, as all three databases have it.
fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric() || !c.is_ascii() && !c.is_whitespace()
}

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !is_word(c)).unwrap_or(text.len())]
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;
