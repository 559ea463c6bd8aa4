//! The way back in: from a surrogate in a request to the LMS's own token.

use super::{
    LedgerStore, TokenRecord,
    mint::{PURPOSE, digest, sealed_place},
};
use crate::{
    keys::{Keyring, OpenError, Sealed},
    types::{Rng, Secret, Unavailable},
};
use std::sync::Arc;

/// Whether `text` can be a surrogate of ours at all; nothing else is looked up.
pub fn is_surrogate(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The record of a surrogate, whatever its state.
pub async fn find(
    ledger: &dyn LedgerStore,
    ring: &Keyring,
    surrogate: &str,
) -> Result<Option<Arc<TokenRecord>>, Unavailable> {
    match is_surrogate(surrogate) {
        true => ledger.by_digest(&digest(ring, surrogate)).await,
        false => Ok(None),
    }
}

/// The record whose file key was swapped for `surrogate`.
pub async fn find_by_file_key(
    ledger: &dyn LedgerStore,
    ring: &Keyring,
    surrogate: &str,
) -> Result<Option<Arc<TokenRecord>>, Unavailable> {
    match is_surrogate(surrogate) {
        true => ledger.by_file_digest(&digest(ring, surrogate)).await,
        false => Ok(None),
    }
}

pub fn lms_token(record: &TokenRecord, ring: &Keyring) -> Result<Secret<String>, OpenError> {
    record.lms_token.open(ring, PURPOSE, &sealed_place(&record.id))
}

pub fn file_key(record: &TokenRecord, ring: &Keyring) -> Result<Option<Secret<String>>, OpenError> {
    record.file_key.as_ref().map(|sealed| sealed.open(ring, PURPOSE, &sealed_place(&record.id))).transpose()
}

/// The surrogate of a file key: it follows from the record and the key, so that the app gets the same each time and
/// nothing but its digest is stored. Recorded at first sight and whenever the LMS's key changes.
pub async fn swap_file_key(
    ledger: &dyn LedgerStore,
    record: &TokenRecord,
    key: &Secret<String>,
    ring: &Keyring,
    rng: &dyn Rng,
) -> Result<String, Unavailable> {
    let seed = format!("{}\n{}", record.id, key.expose());
    let surrogate = ring.derived_alphanumeric64("file-key", seed.as_bytes());
    let digest = digest(ring, &surrogate);
    if record.file_digest.as_deref() != Some(digest.as_str()) {
        let sealed = Sealed::seal(ring, rng, PURPOSE, &sealed_place(&record.id), key);
        ledger.set_file_key(&record.id, &digest, &sealed).await?;
    }
    Ok(surrogate)
}
