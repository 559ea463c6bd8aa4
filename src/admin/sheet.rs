//! A CSV file that is imported: a line of column names, then one record a line.
//!
//! It is read by the process of whoever types the command and sent as rows. What is wrong is told by line and never
//! quotes it: there may be a password in it.

use super::command::LineProblem;
use std::{fs::File, io::Read, path::Path};

/// An import's file. As rows it must pass the socket, which takes 8 MiB.
const MOST_BYTES: u64 = 6 * 1024 * 1024;

/// What a file must look like.
pub(super) struct Shape {
    /// What its records are, for people.
    pub of: &'static str,
    pub columns: &'static [&'static str],
    /// Each of these has one column at least.
    pub needs: &'static [&'static [&'static str]],
    pub most_rows: usize,
}

/// A record by its columns.
pub(super) struct Fields<'a> {
    head: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
    pub line: u64,
}

impl Fields<'_> {
    /// As it stands; `None` where it is empty.
    pub fn get(&self, name: &str) -> Option<String> {
        let at = self.head.iter().position(|column| column == name)?;
        self.record.get(at).filter(|text| !text.is_empty()).map(str::to_owned)
    }
    /// Without the spaces around it.
    pub fn trimmed(&self, name: &str) -> Option<String> {
        self.get(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }
    pub fn needed(&self, name: &str, what: &str) -> Result<String, String> {
        self.trimmed(name).ok_or_else(|| format!("there is no {what}"))
    }
}

/// Rows, and what is wrong by line. An error is about the file as a whole.
pub(super) fn read<T>(
    path: &Path,
    shape: &Shape,
    one: impl Fn(&Fields<'_>) -> Result<T, String>,
) -> Result<(Vec<T>, Vec<LineProblem>), String> {
    let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| fault(&error))?;
    file.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(|error| fault(&error))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(fault(&"longer than 6 MiB; import it in parts"));
    }
    parse(&text, shape, one).map_err(|error| fault(&error))
}

fn parse<T>(
    text: &[u8],
    shape: &Shape,
    one: impl Fn(&Fields<'_>) -> Result<T, String>,
) -> Result<(Vec<T>, Vec<LineProblem>), String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::Headers).from_reader(text);
    let head = reader.headers().map_err(|_| "line 1: it is no UTF-8 text".to_owned())?.clone();
    check(&head, shape)?;
    let (mut rows, mut problems): (Vec<T>, Vec<LineProblem>) = Default::default();
    for record in reader.records() {
        if rows.len() + problems.len() >= shape.most_rows {
            return Err(format!("more than {} {}; import it in parts", shape.most_rows, shape.of));
        }
        let (line, row) = match &record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                let fields = Fields { head: &head, record, line };
                let row = match record.len() == head.len() {
                    true => one(&fields),
                    false => Err(format!("it has {} fields, the first line {}", record.len(), head.len())),
                };
                (line, row)
            }
            // The library's own words would quote the line, and with it a password.
            Err(error) => (error.position().map_or(0, csv::Position::line), Err("it is no UTF-8 text".to_owned())),
        };
        match row {
            Ok(row) => rows.push(row),
            Err(what) => problems.push(LineProblem { line, what }),
        }
    }
    Ok((rows, problems))
}

fn check(head: &csv::StringRecord, shape: &Shape) -> Result<(), String> {
    if let Some(unknown) = head.iter().find(|column| !shape.columns.contains(column)) {
        return Err(format!("line 1: there is no column \"{unknown}\"; columns are {}", shape.columns.join(", ")));
    }
    let has = |column: &str| head.iter().any(|name| name == column);
    if let Some(twice) = shape.columns.iter().find(|column| head.iter().filter(|name| name == *column).count() > 1) {
        return Err(format!("line 1: the column {twice} stands there twice"));
    }
    if !shape.needs.iter().all(|either| either.iter().any(|column| has(column))) {
        let needs: Vec<String> = shape.needs.iter().map(|either| either.join(" or ")).collect();
        let (last, others) = needs.split_last().ok_or("line 1: it needs columns")?;
        return Err(format!("line 1: it needs the columns {}, and {last}", others.join(", ")));
    }
    Ok(())
}
