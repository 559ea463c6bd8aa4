//! From a row to what a source states about somebody: which column is what, and how a flag is read.

use crate::{
    chain::Person,
    outbound::database::{Cell, CellError, Column, Found},
    types::{Secret, Subject},
};
use aws_lc_rs::digest;
use serde::Deserialize;

/// A subject is a key in our database, a group a word in a rule.
const LONGEST: usize = 255;
const MOST_GROUPS: usize = 1000;

/// `columns:`: what each is called in the query's result. A column that is named here must be there; one under its
/// default name is read where it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Columns {
    subject: Option<String>,
    username: Option<String>,
    password_hash: Option<String>,
    name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    groups: Option<String>,
    disabled: Option<String>,
    active: Option<String>,
    must_change: Option<String>,
}

impl Columns {
    pub fn names_groups(&self) -> bool {
        self.groups.is_some()
    }
    /// Two columns that are one: the subject would change with the username (design R6).
    pub fn subject_is_username(&self) -> bool {
        let subject = self.subject.as_deref().unwrap_or("subject");
        subject.eq_ignore_ascii_case(self.username.as_deref().unwrap_or("username"))
    }
}

/// Where each column is in a result.
#[derive(Debug)]
pub(super) struct Layout {
    subject: usize,
    username: Option<usize>,
    password_hash: Option<usize>,
    name: Option<usize>,
    first_name: Option<usize>,
    last_name: Option<usize>,
    email: Option<usize>,
    groups: Option<usize>,
    disabled: Option<usize>,
    active: Option<usize>,
    must_change: Option<usize>,
}

impl Layout {
    pub fn of(columns: &Columns, found: &[Column], needs: Needs) -> Result<Self, String> {
        let place = |named: &Option<String>, default: &str| {
            let name = named.as_deref().unwrap_or(default);
            let mut same = found.iter().enumerate().filter(|(_, column)| column.name.eq_ignore_ascii_case(name));
            match (same.next(), same.next()) {
                (None, _) if named.is_some() => Err(format!("the query gives no column `{name}`")),
                (None, _) => Ok(None),
                (Some((at, Column { unreadable: None, .. })), None) => Ok(Some(at)),
                (Some((_, Column { unreadable: Some(kind), .. })), None) => {
                    Err(format!("the column `{name}` is of type {kind}: cast it to text in the query"))
                }
                (Some(_), Some(_)) => Err(format!("the query gives more than one column `{name}`")),
            }
        };
        let must = |at: Option<usize>, what: &str| at.ok_or_else(|| format!("the query gives no column `{what}`"));
        let password_hash = place(&columns.password_hash, "password_hash");
        let layout = Self {
            subject: must(place(&columns.subject, "subject")?, "subject")?,
            username: place(&columns.username, "username")?,
            password_hash: match needs {
                Needs::Password => Some(must(password_hash?, "password_hash")?),
                // A second query may leave it out: nobody's password is asked there.
                Needs::State => password_hash.ok().flatten(),
            },
            name: place(&columns.name, "name")?,
            first_name: place(&columns.first_name, "first_name")?,
            last_name: place(&columns.last_name, "last_name")?,
            email: place(&columns.email, "email")?,
            groups: place(&columns.groups, "groups")?,
            disabled: place(&columns.disabled, "disabled")?,
            active: place(&columns.active, "active")?,
            must_change: place(&columns.must_change, "must_change")?,
        };
        Ok(layout)
    }
}

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    Password,
    State,
}

/// One person's row.
#[derive(Debug)]
pub(super) struct Record {
    pub person: Person,
    pub stored: Option<Secret<String>>,
    /// Why this person may not sign in, even with the right password.
    pub barred: Option<&'static str>,
}

/// The one row, the lack of one, or that there are more.
#[derive(Debug)]
pub(super) enum Only<T> {
    None,
    One(T),
    Many,
}

/// Reads the result; the error of a row says what is wrong with it, never what is in it.
pub(super) fn read(
    found: Found,
    columns: &Columns,
    separator: &str,
    needs: Needs,
) -> Result<Only<Result<Record, String>>, String> {
    let layout = Layout::of(columns, &found.columns, needs)?;
    let mut rows = found.rows.into_iter();
    Ok(match (rows.next(), rows.next()) {
        (None, _) => Only::None,
        (Some(row), None) => Only::One(record(&layout, &found.columns, row, separator)),
        (Some(_), Some(_)) => Only::Many,
    })
}

type Row = Vec<Result<Cell, CellError>>;

fn record(layout: &Layout, columns: &[Column], row: Row, separator: &str) -> Result<Record, String> {
    let cell = |at: usize| match row.get(at) {
        Some(Ok(cell)) => Ok(cell),
        Some(Err(error)) => Err(format!("the column `{}` {error}", columns[at].name)),
        None => Err("the row is shorter than its columns".to_owned()),
    };
    let text = |at: Option<usize>| match at.map(cell).transpose()? {
        Some(Cell::Text(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(Cell::List(_)) => Err("a list stands where one text belongs".to_owned()),
        Some(Cell::Text(_) | Cell::Null) | None => Ok(None),
    };
    let subject =
        text(Some(layout.subject))?.filter(|subject| usable(subject)).ok_or("the subject is no usable key")?;
    let stored = text(layout.password_hash)?.map(Secret::new);
    let groups = layout.groups.map(|at| cell(at).and_then(|cell| groups(cell, separator))).transpose()?;
    let person = Person {
        password_mark: layout.password_hash.map(|_| mark(&subject, stored.as_ref())),
        username: text(layout.username)?.filter(|username| usable(username)),
        name: text(layout.name)?,
        first_name: text(layout.first_name)?,
        last_name: text(layout.last_name)?,
        email: text(layout.email)?,
        groups,
        subject: Subject::new(subject),
    };
    let flag = |at: Option<usize>| at.map(|at| cell(at).map(flag)).transpose();
    let barred = match (flag(layout.disabled)?, flag(layout.active)?, flag(layout.must_change)?) {
        (Some(Flag::Set), _, _) => Some("disabled"),
        // NULL is not yes: who was never made active is not.
        (_, Some(Flag::Clear | Flag::Null), _) => Some("not active"),
        (Some(Flag::Unclear), _, _) | (_, Some(Flag::Unclear), _) => Some("its state is neither yes nor no"),
        (_, _, Some(Flag::Set | Flag::Unclear)) => Some("must change the password"),
        (Some(Flag::Clear | Flag::Null) | None, Some(Flag::Set) | None, Some(Flag::Clear | Flag::Null) | None) => None,
    };
    Ok(Record { person, stored, barred })
}

fn usable(text: &str) -> bool {
    text.len() <= LONGEST && !text.chars().any(char::is_control)
}

fn groups(cell: &Cell, separator: &str) -> Result<Vec<String>, String> {
    let all: Vec<String> = match cell {
        Cell::Null => Vec::new(),
        Cell::List(list) => list.clone(),
        Cell::Text(text) => text.split(separator).map(str::to_owned).collect(),
    };
    let kept: Vec<String> = all.iter().map(|group| group.trim().to_owned()).filter(|group| !group.is_empty()).collect();
    if kept.len() > MOST_GROUPS || !kept.iter().all(|group| usable(group)) {
        return Err("the groups are too many or too long".into());
    }
    Ok(kept)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flag {
    Set,
    Clear,
    Null,
    /// Neither yes nor no: fail closed.
    Unclear,
}

fn flag(cell: &Cell) -> Flag {
    let text = match cell {
        Cell::Null => return Flag::Null,
        Cell::List(_) => return Flag::Unclear,
        Cell::Text(text) => text.trim().to_ascii_lowercase(),
    };
    match text.as_str() {
        "1" | "t" | "true" | "y" | "yes" | "on" => Flag::Set,
        "f" | "false" | "n" | "no" | "off" => Flag::Clear,
        zero if zero.bytes().all(|byte| byte == b'0') => Flag::Clear,
        // A counter or a bit mask; a date of leaving is for the query to compare.
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => Flag::Set,
        _ => Flag::Unclear,
    }
}

/// Changes when the stored hash does. Bound to the subject: two people with one unsalted hash share no mark.
fn mark(subject: &str, stored: Option<&Secret<String>>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    let stored = stored.map_or("", |stored| stored.expose().as_str());
    for part in ["vestibule sql password mark", subject, stored] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
