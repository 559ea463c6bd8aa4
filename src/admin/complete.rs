//! What the command line adds to an act before it is sent: a password that is asked for, a file that is read.
//!
//! A password is judged and hashed here, in the process of whoever types it: it never stands in an argument, crosses
//! no socket, and reaches neither log nor audit.

use super::command::{AccountCommand, Command, HashText, ImportLocals, LineProblem, LocalRow};
use super::source::{PasswordText, SourceCommand};
use crate::{
    chain::password::{new_hash, policy, prepared},
    types::{Password, Rng, Username},
};
use std::{
    fs::File,
    io::{self, BufRead, Read},
    num::NonZeroUsize,
    thread,
};

/// Where passwords are typed.
pub(super) trait Terminal {
    /// Without showing it.
    fn ask(&mut self, prompt: &str) -> io::Result<String>;
    /// One line of standard input.
    fn line(&mut self) -> io::Result<String>;
}

/// The terminal of this process.
pub(super) struct Console;

impl Terminal for Console {
    fn ask(&mut self, prompt: &str) -> io::Result<String> {
        rpassword::prompt_password(prompt)
    }
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        io::stdin().lock().take(LONGEST_LINE).read_line(&mut line)?;
        Ok(line)
    }
}

const LONGEST_LINE: u64 = 4096;
/// An import's file.
const MOST_BYTES: u64 = 6 * 1024 * 1024;
const MOST_ROWS: usize = super::local::MOST_ROWS;
const COLUMNS: [&str; 5] = ["username", "name", "email", "password_hash", "password"];

/// The command, with what only this side can know.
pub(super) fn complete(command: Command, terminal: &mut dyn Terminal, rng: &dyn Rng) -> Result<Command, String> {
    let act = match command {
        Command::Account(act) => act,
        Command::Source(SourceCommand::Test(mut test)) => {
            let password = match test.password_stdin {
                true => from_stdin(terminal),
                false => terminal.ask("Password: ").map(Password::new),
            };
            let password = password.map_err(|error| format!("no password could be read: {error}"))?;
            test.password = Some(PasswordText::new(password));
            return Ok(Command::Source(SourceCommand::Test(test)));
        }
        other => return Ok(other),
    };
    let act = match act {
        AccountCommand::Add(mut new) => {
            new.hash = Some(hash(&asked(terminal, new.password_stdin)?, &new.who.user, rng)?);
            AccountCommand::Add(new)
        }
        AccountCommand::Passwd(mut set) => {
            set.hash = Some(hash(&asked(terminal, set.password_stdin)?, &set.who.user, rng)?);
            AccountCommand::Passwd(set)
        }
        AccountCommand::Import(import) => AccountCommand::Import(read(import, rng)?),
        other => other,
    };
    Ok(Command::Account(act))
}

fn asked(terminal: &mut dyn Terminal, stdin: bool) -> Result<Password, String> {
    let fault = |error: io::Error| format!("no password could be read: {error}");
    if stdin {
        return from_stdin(terminal).map_err(fault);
    }
    let first = Password::new(terminal.ask("New password: ").map_err(fault)?);
    let again = Password::new(terminal.ask("The same again: ").map_err(fault)?);
    if crate::keys::same(first.expose().as_bytes(), again.expose().as_bytes()) {
        Ok(first)
    } else {
        Err("the two differ; nothing was changed".to_owned())
    }
}

fn from_stdin(terminal: &mut dyn Terminal) -> io::Result<Password> {
    let line = Password::new(terminal.line()?);
    Ok(Password::new(line.expose().trim_end_matches(['\r', '\n']).to_owned()))
}

fn hash(password: &Password, user: &str, rng: &dyn Rng) -> Result<HashText, String> {
    let password = accepted(password, user)?;
    Ok(HashText::new(new_hash(&password, rng)))
}

/// In the spelling in which it is hashed.
fn accepted(password: &Password, user: &str) -> Result<Password, String> {
    let password = prepared(password);
    let name = Username::canonical(user);
    policy::check(&password, name.as_ref().map_or(user, Username::as_str)).map_err(|weak| weak.to_string())?;
    Ok(password)
}

/// The file's rows. Where anything is wrong with it the act becomes a dry run, so that the gateway adds what it finds
/// and all is told at once.
fn read(mut import: ImportLocals, rng: &dyn Rng) -> Result<ImportLocals, String> {
    let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", import.file.display());
    let mut text = Vec::new();
    let file = File::open(&import.file).map_err(|error| fault(&error))?;
    file.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(|error| fault(&error))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(fault(&"longer than 6 MiB; import it in parts"));
    }
    let (read, problems) = parse(&text).map_err(|error| fault(&error))?;
    import.problems = problems;
    import.dry_run |= !import.problems.is_empty();
    let (mut rows, mut passwords): (Vec<LocalRow>, Vec<(usize, Password)>) = Default::default();
    for (row, password) in read {
        passwords.extend(password.map(|password| (rows.len(), password)));
        rows.push(row);
    }
    if !import.dry_run {
        for (at, hash) in hash_all(&passwords, rng) {
            rows[at].hash = Some(hash);
        }
    }
    import.rows = rows;
    Ok(import)
}

type Rows = Vec<(LocalRow, Option<Password>)>;

/// Rows, and what is wrong by line. An error is about the file as a whole.
fn parse(text: &[u8]) -> Result<(Rows, Vec<LineProblem>), String> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::Headers).from_reader(text);
    let head = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| head.iter().position(|column| column == name);
    if let Some(unknown) = head.iter().find(|column| !COLUMNS.contains(column)) {
        return Err(format!("line 1: there is no column \"{unknown}\"; columns are {}", COLUMNS.join(", ")));
    }
    if column("username").is_none() || (column("password").is_none() && column("password_hash").is_none()) {
        return Err("line 1: it needs the columns username, and password_hash or password".to_owned());
    }
    let (mut rows, mut problems): (Rows, Vec<LineProblem>) = Default::default();
    for record in reader.records() {
        if rows.len() + problems.len() >= MOST_ROWS {
            return Err(format!("more than {MOST_ROWS} accounts; import it in parts"));
        }
        let (line, row) = match &record {
            Ok(record) => (record.position().map_or(0, csv::Position::line), one(record, head.len(), &column)),
            // The library's own words would quote the line, and with it a password.
            Err(error) => (error.position().map_or(0, csv::Position::line), Err("it is no UTF-8 text".to_owned())),
        };
        match row {
            Ok((row, password)) => rows.push((LocalRow { line, ..row }, password)),
            Err(what) => problems.push(LineProblem { line, what }),
        }
    }
    Ok((rows, problems))
}

fn one(
    record: &csv::StringRecord,
    columns: usize,
    column: &dyn Fn(&str) -> Option<usize>,
) -> Result<(LocalRow, Option<Password>), String> {
    if record.len() != columns {
        return Err(format!("it has {} fields, the first line {columns}", record.len()));
    }
    let field = |name| column(name).and_then(|at| record.get(at)).filter(|text| !text.is_empty()).map(str::to_owned);
    let username = field("username").ok_or("there is no user name")?;
    let (hash, password) = match (field("password_hash"), field("password")) {
        (Some(hash), None) => (Some(HashText::new(hash)), None),
        (None, Some(password)) => (None, Some(accepted(&Password::new(password), &username)?)),
        (None, None) => return Err("there is neither a password nor its hash".to_owned()),
        (Some(_), Some(_)) => return Err("there is a password and a hash; one of them is too many".to_owned()),
    };
    Ok((LocalRow { line: 0, username, name: field("name"), email: field("email"), hash }, password))
}

/// On all cores: a hash takes about 0.2 s, and there may be thousands.
fn hash_all(passwords: &[(usize, Password)], rng: &dyn Rng) -> Vec<(usize, HashText)> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let share = passwords.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let work = |share| {
            move || -> Vec<(usize, HashText)> {
                let share: &[(usize, Password)] = share;
                share.iter().map(|(at, password)| (*at, HashText::new(new_hash(password, rng)))).collect()
            }
        };
        let workers: Vec<_> = passwords.chunks(share).map(|share| scope.spawn(work(share))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("hashing does not panic")).collect()
    })
}
