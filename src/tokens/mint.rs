//! Minting: the one place where `Satisfied` becomes an app token. Moodle's own token goes into the ledger, sealed;
//! the device gets a surrogate.

use super::{Config, Device, Holder, TokenRecord};
use crate::{
    accounts::Bound,
    keys::{Keyring, Sealed},
    mfa::policy::Satisfied,
    types::{Rng, RngExt, Secret, ServiceName, SiteName, Timestamp, TokenId},
};
use std::time::Duration;

/// token.php's answer, as the LMS gave it.
pub struct LmsTokens {
    pub service: ServiceName,
    pub token: Secret<String>,
    pub private_token: Option<Secret<String>>,
    pub log_user: Option<String>,
}

/// A record for the ledger, and what the device gets for it.
pub struct Minted {
    pub record: TokenRecord,
    pub surrogate: Secret<String>,
    pub private_surrogate: Option<Secret<String>>,
}

/// What minting needs at hand.
pub struct Means<'a> {
    pub config: &'a Config,
    pub ring: &'a Keyring,
    pub rng: &'a dyn Rng,
    pub now: Timestamp,
}

pub fn mint(
    satisfied: Satisfied,
    bound: &Bound,
    tokens: &LmsTokens,
    site: SiteName,
    device: Device,
    Means { config, ring, rng, now }: Means<'_>,
) -> Minted {
    let unproven = satisfied.basis().unproven();
    let amr = satisfied.amr();
    let (resolved, facts) = satisfied.into_parts();
    let id = TokenId::new(rng.hex(8));
    let surrogate = Secret::new(rng.alphanumeric64());
    let private_surrogate = tokens.private_token.as_ref().map(|_| Secret::new(rng.alphanumeric64()));
    let place = sealed_place(&id);
    let record = TokenRecord {
        digest: digest(ring, surrogate.expose()),
        account: resolved.account().id.clone(),
        holder: Holder::from(resolved.account().clone()),
        source: resolved.source().clone(),
        epoch: resolved.account().epoch,
        site,
        lms_user: bound.user_of(&resolved.account().id),
        log_user: tokens.log_user.clone(),
        service: tokens.service.clone(),
        device,
        issued: now,
        factor_at: facts.iter().map(|fact| fact.at).max(),
        amr,
        unproven,
        last_used: now,
        expires: now.plus(config.lifetime()),
        revoked: None,
        parent: None,
        lms_token: Sealed::seal(ring, rng, PURPOSE, &place, &tokens.token),
        private_token: tokens.private_token.as_ref().map(|t| Sealed::seal(ring, rng, PURPOSE, &place, t)),
        private_digest: private_surrogate.as_ref().map(|t| digest(ring, t.expose())),
        file_key: None,
        file_digest: None,
        id,
    };
    Minted { record, surrogate, private_surrogate }
}

pub(super) const PURPOSE: &str = "ledger";

pub(super) fn sealed_place(id: &TokenId) -> String {
    format!("token:{id}")
}

/// How a surrogate is looked up.
pub fn digest(ring: &Keyring, surrogate: &str) -> String {
    ring.digest("surrogate", surrogate.as_bytes())
}

impl Config {
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime_days.saturating_mul(86_400))
    }
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_days.saturating_mul(86_400))
    }
    /// Whether a surrogate is good at `now`, whatever its account (which the ledger's store has checked).
    pub fn alive(&self, record: &TokenRecord, now: Timestamp) -> bool {
        record.revoked.is_none() && now < record.expires && now.since(record.last_used) < self.idle()
    }
}
