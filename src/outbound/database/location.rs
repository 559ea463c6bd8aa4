//! Where a database is, as an operator writes it, and what `vestibule check` says about that.
//!
//! A password stands in no configuration and in no argument of a command line: it comes by reference, alone or with
//! the whole URL.

use super::{
    address::{self, Address, AddressError, Tls},
    table::Table,
};
use crate::types::Secret;
use std::{path::Path, time::Duration};

#[derive(Clone, Copy, Debug)]
pub struct Location<'a> {
    /// A URL, or `env:`/`file:` with one. With a password only by reference.
    pub database: &'a str,
    /// The password of the account in the URL, by reference.
    pub password: Option<&'a str>,
    /// `None`: as the place asks for.
    pub tls: Option<Tls>,
    /// Certificates that vouch for the server, beside the public ones.
    pub ca_file: Option<&'a Path>,
}

/// Something wrong with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub gravity: Gravity,
    pub key: &'static str,
    pub what: String,
    pub fix: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    Error,
    Warning,
}

/// Why it cannot be opened, by the key that is to be mended. Holds no part of the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {said}")]
pub struct Unopened {
    pub key: &'static str,
    pub said: String,
}

impl Location<'_> {
    pub fn faults(&self) -> Vec<Fault> {
        let mut found = Vec::new();
        if self.password.is_some_and(|password| !address::is_reference(password)) {
            let fix = "write it into a file or variable, and file:PATH or env:NAME here";
            found.push(error("password", "a password stands in the configuration", fix));
        }
        if self.tls == Some(Tls::Off) && self.ca_file.is_some() {
            found.push(error("tls", "is off, although there is a ca_file to verify with", "leave one of the two out"));
        }
        let encrypt = "leave `tls` out: another machine is then reached by verified TLS only";
        if address::is_reference(self.database) {
            if self.tls == Some(Tls::Off) {
                let what = "is off: if that database is on another machine, what is read there can be read on the way";
                found.push(warning("tls", what, encrypt));
            }
            return found;
        }
        if address::holds_password(self.database) {
            let fix = "leave it out and write `password: file:PATH`, or the whole URL as env:NAME or file:PATH";
            found.push(error("database", "a password stands in the configuration", fix));
        }
        match Address::parse(self.database) {
            Err(said) => found.push(error(
                "database",
                &said.to_string(),
                "write postgres://USER@HOST/NAME, mysql://USER@HOST/NAME or sqlite:PATH",
            )),
            Ok(address) if address.is_remote() && self.tls == Some(Tls::Off) => {
                let what = "is off on the way to another machine: what is read can be read there, and answers made up";
                found.push(warning("tls", what, encrypt));
            }
            Ok(_) => {}
        }
        found
    }

    /// The texts that may be `env:NAME` or `file:PATH`, by their keys.
    pub fn references(&self) -> impl Iterator<Item = (&'static str, &str)> {
        std::iter::once(("database", self.database)).chain(self.password.map(|text| ("password", text)))
    }

    /// `secret` reads what a text stands for.
    pub fn address(&self, secret: &Read<'_>) -> Result<Address, Unopened> {
        let read = |key, text: &str| secret(text).map_err(|said| Unopened { key, said });
        let url = read("database", self.database)?;
        let unreadable = |error: AddressError| Unopened { key: "database", said: error.to_string() };
        let mut address = Address::parse(url.expose()).map_err(unreadable)?;
        if let Some(password) = self.password {
            address = address.with_password(read("password", password)?.expose());
        }
        Ok(address.protected(self.tls, self.ca_file))
    }

    /// Opens nothing yet. Within the runtime, as [`Table::open`] says.
    pub fn open(&self, secret: &Read<'_>, size: u32, deadline: Duration) -> Result<Table, Unopened> {
        Ok(Table::open(self.address(secret)?, size, deadline))
    }
}

/// Reads what a text stands for: itself, or what `env:NAME` or `file:PATH` names.
pub type Read<'a> = dyn Fn(&str) -> Result<Secret<String>, String> + 'a;

fn error(key: &'static str, what: &str, fix: &'static str) -> Fault {
    Fault { gravity: Gravity::Error, key, what: what.to_owned(), fix }
}

fn warning(key: &'static str, what: &str, fix: &'static str) -> Fault {
    Fault { gravity: Gravity::Warning, ..error(key, what, fix) }
}
