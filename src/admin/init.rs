//! What must be there before a first start: the data folder, the keyring, a certificate to try with.
//!
//! Doing it twice changes nothing: what is there is left as it is.

use super::{
    keyfile::{self, KeyfileError, write_new_with},
    reply::HeaderSheet,
};
use crate::{
    edge::Certificate,
    types::{Rng, SiteName, Timestamp},
};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};
use time::OffsetDateTime;

/// What to prepare.
pub struct Plan<'a> {
    /// Folders that must exist: of the store, the audit log, the socket. Made with mode 0700.
    pub folders: Vec<PathBuf>,
    pub keys_file: &'a Path,
    pub certificates: &'a [Certificate],
    /// The sites that sign in by header: each needs a secret header name.
    pub header_sites: &'a [SiteName],
    /// Host names and addresses for a certificate, beside localhost, 127.0.0.1 and ::1.
    pub names: &'a [String],
}

#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("{} cannot be made: {cause}", path.display())]
    Make { path: PathBuf, cause: io::Error },
    #[error("{} is there but {} is not: a certificate needs its own key; restore it, or remove the other", there.display(), missing.display())]
    HalfPair { there: PathBuf, missing: PathBuf },
    #[error("{} is already there; it is not overwritten", .0.display())]
    Exists(PathBuf),
    #[error("no certificate can be made for these names: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Keyring(#[from] KeyfileError),
}

/// How long a development certificate is good.
const LIFE: Duration = Duration::from_secs(397 * 24 * 3600);

/// Makes what is missing and says what it did, one sentence each; nothing where nothing was missing.
pub fn init(plan: &Plan, rng: &dyn Rng, now: Timestamp) -> Result<Vec<String>, InitError> {
    let mut said = Vec::new();
    for folder in plan.folders.iter().map(PathBuf::as_path).chain(plan.keys_file.parent()) {
        if make_folder(folder, 0o700)? {
            said.push(format!("made {}/, for the gateway's user alone", folder.display()));
        }
    }
    if keyfile::create(plan.keys_file, rng, now)? {
        said.push(format!("made the keyring {}: back it up", plan.keys_file.display()));
    }
    for (site, header) in keyfile::add_headers(plan.keys_file, plan.header_sites, rng)? {
        said.push(HeaderSheet::of(&site, &header, plan.keys_file).to_string());
    }
    for pair in plan.certificates {
        match (pair.chain.exists(), pair.key.exists()) {
            (true, true) => {}
            (true, false) => {
                return Err(InitError::HalfPair { there: pair.chain.clone(), missing: pair.key.clone() });
            }
            (false, true) => {
                return Err(InitError::HalfPair { there: pair.key.clone(), missing: pair.chain.clone() });
            }
            (false, false) => said.push(development_certificate(pair, plan.names, now)?),
        }
    }
    Ok(said)
}

/// A self-signed certificate to try with; says what it made. Overwrites nothing.
pub fn development_certificate(pair: &Certificate, names: &[String], now: Timestamp) -> Result<String, InitError> {
    if let Some(there) = [&pair.chain, &pair.key].into_iter().find(|path| path.exists()) {
        return Err(InitError::Exists(there.clone()));
    }
    let all = all_names(names);
    let key = KeyPair::generate()?;
    let certificate = parameters(&all, now)?.self_signed(&key)?;
    for folder in [pair.chain.parent(), pair.key.parent()].into_iter().flatten() {
        make_folder(folder, 0o755)?;
    }
    // The key first: a certificate without key would look finished.
    for (path, pem, mode) in [(&pair.key, key.serialize_pem(), 0o600), (&pair.chain, certificate.pem(), 0o644)] {
        write_new_with(path, &pem, mode).map_err(|cause| InitError::Make { path: path.clone(), cause })?;
    }
    Ok(format!(
        "made the development certificate {} for {}; browsers will warn about it",
        pair.chain.display(),
        all.join(", ")
    ))
}

fn all_names(names: &[String]) -> Vec<String> {
    let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    for name in names {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

fn parameters(names: &[String], now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let at = |at: Timestamp| OffsetDateTime::from_unix_timestamp(at.secs()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "vestibule development certificate");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // An hour back, for clients whose clock is a little behind.
    parameters.not_before = at(now.minus(Duration::from_secs(3600)));
    parameters.not_after = at(now.plus(LIFE));
    Ok(parameters)
}

/// True if it was made. An empty path is the working directory.
fn make_folder(folder: &Path, mode: u32) -> Result<bool, InitError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(false);
    }
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(folder);
    made.map(|()| true).map_err(|cause| InitError::Make { path: folder.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    #[test]
    fn init_makes_what_is_missing_and_a_second_time_nothing() {
        let folder = std::env::temp_dir().join(format!("vestibule-init-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let pair = Certificate { chain: folder.join("certs/c.pem"), key: folder.join("certs/c.key") };
        let (names, keys) = (["lms.test".to_owned()], folder.join("data/keys"));
        let plan = Plan {
            folders: vec![folder.join("data")],
            keys_file: &keys,
            certificates: std::slice::from_ref(&pair),
            header_sites: &[],
            names: &names,
        };
        let said = init(&plan, &SystemRng, Timestamp(1_800_000_000_000)).unwrap();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(CertificateDer::from_pem_file(&pair.chain).is_ok());
        assert!(rustls::pki_types::PrivateKeyDer::from_pem_file(&pair.key).is_ok());
        assert!(init(&plan, &SystemRng, Timestamp(0)).unwrap().is_empty());
        let sites = [SiteName::new("campus")];
        let by_header = Plan { folders: Vec::new(), header_sites: &sites, ..plan };
        let said = init(&by_header, &SystemRng, Timestamp(0)).unwrap();
        assert!(said.len() == 1 && said[0].contains("user_attribute --set=HTTP_X_V_"), "{said:?}");
        assert!(init(&by_header, &SystemRng, Timestamp(0)).unwrap().is_empty());
        assert!(matches!(development_certificate(&pair, &names, Timestamp(0)), Err(InitError::Exists(_))));
        fs::remove_file(&pair.key).unwrap();
        assert!(matches!(init(&plan, &SystemRng, Timestamp(0)), Err(InitError::HalfPair { .. })));
        fs::remove_dir_all(folder).unwrap();
    }
}
