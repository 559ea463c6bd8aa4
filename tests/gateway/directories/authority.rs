//! A CA of a test's own, and certificates that are good or wrong in one way each.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// What is the matter with a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// For `localhost` and 127.0.0.1.
    Good,
    Expired,
    OtherName,
}

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes `ca.pem` there and says where.
    pub fn ca_file(&self, directory: &Path) -> PathBuf {
        write(directory, "ca.pem", &self.0.pem())
    }

    /// Writes a certificate and its key there. `names` are what a good one is for.
    pub fn issue(&self, certificate: Certificate, names: &[&str], directory: &Path) -> (PathBuf, PathBuf) {
        let names = if certificate == Certificate::OtherName { &["elsewhere.example.org"] } else { names };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if certificate == Certificate::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.0).unwrap().pem();
        (write(directory, "cert.pem", &pem), write(directory, "key.pem", &key.serialize_pem()))
    }
}

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    // Samba takes no key that others may read.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}
