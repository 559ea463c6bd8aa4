//! Certificates: chosen by the name the client asks for, replaced while running, checked before they are used.

use super::Certificate;
use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    client::verify_server_name,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{path::PathBuf, sync::Arc};

/// Why a certificate cannot be served. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("edge.certificates is empty: name at least one chain and key")]
    None,
    #[error("{path}: {cause}")]
    File { path: PathBuf, cause: String },
    #[error("no TLS provider is installed")]
    Provider,
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// The certificates in use.
#[derive(Debug)]
pub struct Certificates(ArcSwap<Vec<Arc<CertifiedKey>>>);

impl Certificates {
    pub fn load(list: &[Certificate]) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self(ArcSwap::from_pointee(read(list)?))))
    }

    pub fn is_same(&self, other: &Self) -> bool {
        let chains = |keys: &Arc<Vec<Arc<CertifiedKey>>>| keys.iter().map(|key| key.cert.clone()).collect::<Vec<_>>();
        chains(&self.0.load()) == chains(&other.0.load())
    }

    /// The next handshakes get what `fresh` holds.
    pub fn replace(&self, fresh: &Self) {
        self.0.store(fresh.0.load_full());
    }
}

fn read(list: &[Certificate]) -> Result<Vec<Arc<CertifiedKey>>, TlsError> {
    let provider = CryptoProvider::get_default().ok_or(TlsError::Provider)?;
    let keys = list.iter().map(|files| {
        let fault = |path: &PathBuf, cause: String| TlsError::File { path: path.clone(), cause };
        let chain = CertificateDer::pem_file_iter(&files.chain)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| fault(&files.chain, error.to_string()))?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| fault(&files.key, error.to_string()))?;
        // Also checks that the key belongs to the certificate.
        let certified =
            CertifiedKey::from_der(chain, key, provider).map_err(|error| fault(&files.chain, error.to_string()))?;
        Ok(Arc::new(certified))
    });
    let keys = keys.collect::<Result<Vec<_>, TlsError>>()?;
    if keys.is_empty() { Err(TlsError::None) } else { Ok(keys) }
}

impl ResolvesServerCert for Certificates {
    /// The first certificate that is valid for the asked name, else the first of all: the Host decides then.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let keys = self.0.load();
        let name = hello.server_name().and_then(|name| ServerName::try_from(name.to_owned()).ok());
        let fits = |key: &&Arc<CertifiedKey>| {
            let (Some(name), Some(end)) = (name.as_ref(), key.cert.first()) else { return false };
            ParsedCertificate::try_from(end).is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
        };
        keys.iter().find(fits).or_else(|| keys.first()).cloned()
    }
}

/// TLS 1.2 and 1.3 with the provider's suites, h2 before HTTP/1.1, no early data (attack I10).
pub fn server_config(certificates: Arc<Certificates>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.max_early_data_size = 0;
    Arc::new(config)
}
