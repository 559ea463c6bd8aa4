//! Whom we believe to be a server: the operator's own authorities where a `ca_file` names some, else the public ones.

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::path::Path;

pub(super) fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fault = |cause: String| format!("ca_file {}: {cause}", path.display());
    let all = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fault(error.to_string()))?;
    if all.is_empty() { Err(fault("holds no certificate".to_owned())) } else { Ok(all) }
}

pub(super) fn client_config(authorities: Option<Vec<CertificateDer<'static>>>) -> Result<ClientConfig, String> {
    use hyper_rustls::ConfigBuilderExt;
    let builder = ClientConfig::builder();
    let Some(authorities) = authorities else { return Ok(builder.with_webpki_roots().with_no_client_auth()) };
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|error| format!("ca_file: {error}"))?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
