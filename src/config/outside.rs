//! What a configuration needs of the machine: files that must be there, and environment variables.

use super::{
    Config,
    problem::{KeyPath, Problem, at},
    reference::{self, Reference},
};
use crate::{keys::Keyring, lms::Site};
use std::{io, path::Path};
use zeroize::Zeroizing;

/// The machine, as far as a configuration asks about it. Tests stand in for it.
pub trait Outside {
    fn variable(&self, name: &str) -> Option<String>;
    fn read(&self, path: &Path) -> io::Result<String>;
    /// The permission bits, `0o600`.
    fn mode(&self, path: &Path) -> io::Result<u32>;
}

/// The machine this runs on.
pub struct Machine;

impl Outside for Machine {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }
    fn mode(&self, path: &Path) -> io::Result<u32> {
        use std::os::unix::fs::PermissionsExt;
        Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
    }
}

pub fn check(config: &Config, outside: &dyn Outside) -> Vec<Problem> {
    let mut found = Vec::new();
    for (n, certificate) in config.edge.certificates.iter().enumerate() {
        let here = at("edge.certificates").index(n);
        pem(outside, here.clone().key("chain"), &certificate.chain, "CERTIFICATE-----", &mut found);
        pem(outside, here.clone().key("key"), &certificate.key, "PRIVATE KEY-----", &mut found);
        if outside.mode(&certificate.key).is_ok_and(|mode| mode & 0o007 != 0) {
            found.push(Problem::warning(
                here.key("key"),
                format!("{} is readable by everybody on this machine", certificate.key.display()),
                format!("chmod 600 {}", certificate.key.display()),
            ));
        }
    }
    keyring(config, outside, &mut found);
    header_names(config, outside, &mut found);
    secret(outside, at("store.state"), &config.store.state, &mut found);
    secret(outside, at("store.database"), &config.store.database, &mut found);
    if let Some(mail) = &config.outbound.mail {
        if let Some(password) = &mail.password {
            secret(outside, at("outbound.mail.password"), password, &mut found);
        }
        if let Some(file) = &mail.ca_file {
            pem(outside, at("outbound.mail.ca_file"), file, "CERTIFICATE-----", &mut found);
        }
    }
    if let Some(sms) = &config.outbound.sms {
        secret(outside, at("outbound.sms.secret"), &sms.secret, &mut found);
        if let Some(file) = &sms.ca_file {
            pem(outside, at("outbound.sms.ca_file"), file, "CERTIFICATE-----", &mut found);
        }
    }
    for (n, site) in config.sites.iter().enumerate() {
        for (key, text) in site.lms.groups.iter().flat_map(|groups| groups.references()) {
            let here = at("sites").index(n).key("lms").key("groups");
            secret(outside, key.split('.').fold(here, KeyPath::key), text, &mut found);
        }
    }
    chain(config, outside, &mut found);
    found
}

/// What the chain's instances need: secrets behind references, files.
fn chain(config: &Config, outside: &dyn Outside, found: &mut Vec<Problem>) {
    for (n, instance) in config.chain.instances.iter().enumerate().filter(|(_, i)| i.common.enabled) {
        let here = |key| at("chain.instances").index(n).key(key);
        for (key, text) in instance.settings.references() {
            secret(outside, here(key), text, found);
        }
        for (key, path) in instance.settings.files() {
            if let Err(error) = outside.read(path) {
                found.push(Problem::error(
                    here(key),
                    format!("{} cannot be read: {error}", path.display()),
                    "correct the path, or make the file readable for the gateway's user",
                ));
            }
        }
    }
}

/// What a reference refers to: there, and not for everybody to read.
fn secret(outside: &dyn Outside, path: KeyPath, text: &str, found: &mut Vec<Problem>) {
    match Reference::of(text) {
        Reference::Inline(_) => return,
        Reference::Env(_) => {}
        Reference::File(file) if outside.mode(file).is_ok_and(|mode| mode & 0o007 != 0) => {
            found.push(Problem::warning(
                path.clone(),
                format!("{} is readable by everybody on this machine", file.display()),
                format!("chmod 600 {}", file.display()),
            ));
        }
        Reference::File(_) => {}
    }
    if let Err(error) = reference::resolve_with(text, outside) {
        found.push(Problem::error(
            path,
            error.to_string(),
            "set the variable, or make the file readable for the gateway's user",
        ));
    }
}

fn pem(outside: &dyn Outside, path: KeyPath, file: &Path, marker: &str, found: &mut Vec<Problem>) {
    let shown = file.display();
    match outside.read(file) {
        Ok(text) if text.contains(marker) => {}
        Ok(_) => found.push(Problem::error(
            path,
            format!("{shown} holds no PEM block \"…{marker}\""),
            "name a PEM file: text that starts with -----BEGIN",
        )),
        Err(error) => found.push(Problem::error(
            path,
            format!("{shown} cannot be read: {error}"),
            "correct the path, or run `vestibule init`, which makes what is missing for localhost",
        )),
    }
}

/// Without a name there is nothing that the LMS could believe.
fn header_names(config: &Config, outside: &dyn Outside, found: &mut Vec<Problem>) {
    let by_header = |site: &Site| config.opens_by_header(site);
    if !config.sites.iter().any(by_header) {
        return;
    }
    // A file that is not there has been told of above.
    let Ok(text) = outside.read(&config.keys.file).map(Zeroizing::new) else { return };
    let ring = match Keyring::parse(&text) {
        Ok(ring) => ring,
        Err(error) => {
            let what = format!("{} cannot be used: {error}", config.keys.file.display());
            found.push(Problem::error(at("keys.file"), what, "put the backup or another node's copy in its place"));
            return;
        }
    };
    for (n, site) in config.sites.iter().enumerate().filter(|(_, site)| by_header(site)) {
        if ring.trusted_header(&site.name).is_none() {
            found.push(Problem::error(
                at("sites").index(n).key("sign_in"),
                format!("the keyring holds no header name for site \"{}\"", site.name),
                format!("run `vestibule keys rotate-header {}`, and set in the LMS what it prints", site.name),
            ));
        }
    }
}

fn keyring(config: &Config, outside: &dyn Outside, found: &mut Vec<Problem>) {
    let file = &config.keys.file;
    let shown = file.display();
    match outside.mode(file) {
        Ok(mode) if mode & 0o077 != 0 => found.push(Problem::error(
            at("keys.file"),
            format!("{shown} has mode {mode:03o}; others could read every secret the gateway keeps"),
            format!("chmod 600 {shown}; if others may have read it, `vestibule keys rotate` too"),
        )),
        Ok(_) => {}
        Err(error) => found.push(Problem::error(
            at("keys.file"),
            format!("{shown} cannot be read: {error}"),
            "run `vestibule init` once, or copy the file from another node",
        )),
    }
}
