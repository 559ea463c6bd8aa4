//! What the command line adds to an act before it is sent: a password that is asked for, a file that is read.
//!
//! A password is judged and hashed here, in the process of whoever types it: it never stands in an argument, crosses
//! no socket, and reaches neither log nor audit.

use super::{
    command::{AccountCommand, BindingCommand, Command, HashText, ImportLocals, LocalRow},
    sheet::{self, Fields, Shape},
    source::{PasswordText, SourceCommand},
};
use crate::{
    chain::password::{new_hash, policy, prepared},
    types::{Password, Rng, Username},
};
use std::{
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
const SHAPE: Shape = Shape {
    of: "accounts",
    columns: &["username", "name", "email", "password_hash", "password"],
    needs: &[&["username"], &["password_hash", "password"]],
    most_rows: super::local::MOST_ROWS,
};

/// The command, with what only this side can know.
pub(super) fn complete(command: Command, terminal: &mut dyn Terminal, rng: &dyn Rng) -> Result<Command, String> {
    let act = match command {
        Command::Account(act) => act,
        Command::Binding(BindingCommand::Import(import)) => {
            return Ok(Command::Binding(BindingCommand::Import(import.read()?)));
        }
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
        AccountCommand::ImportLinks(import) => AccountCommand::ImportLinks(import.read()?),
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
    let (read, problems) = sheet::read(&import.file, &SHAPE, one)?;
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

fn one(fields: &Fields<'_>) -> Result<(LocalRow, Option<Password>), String> {
    let username = fields.get("username").ok_or("there is no user name")?;
    let (hash, password) = match (fields.get("password_hash"), fields.get("password")) {
        (Some(hash), None) => (Some(HashText::new(hash)), None),
        (None, Some(password)) => (None, Some(accepted(&Password::new(password), &username)?)),
        (None, None) => return Err("there is neither a password nor its hash".to_owned()),
        (Some(_), Some(_)) => return Err("there is a password and a hash; one of them is too many".to_owned()),
    };
    let (name, email) = (fields.get("name"), fields.get("email"));
    Ok((LocalRow { line: fields.line, username, name, email, hash }, password))
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
