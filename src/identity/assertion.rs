//! The signed assertion: a JWT (RFC 7519) with EdDSA (RFC 8037), 60 seconds long, for one site; and the JWKS document
//! (RFC 7517) to verify it with. Signed once per session and reused within its life, because a signature costs more
//! than the rest of the gate's work together.

use super::Told;
use crate::{
    keys::Keyring,
    types::{Rng, RngExt, SiteName, Timestamp},
};
use dashmap::DashMap;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

/// Seconds an assertion is good for.
const LIFE: i64 = 60;
/// Reused until so many seconds before its end, so that it arrives alive.
const MARGIN: i64 = 15;
/// Bounded: a new session beyond it clears the cache, which only costs signatures.
const CACHED: usize = 50_000;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    auth_time: i64,
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    groups: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    factor_time: Option<i64>,
}

/// For which site, by whom and when an assertion is made.
pub struct Signer<'a> {
    pub site: &'a SiteName,
    pub issuer: &'a str,
    pub ring: &'a Keyring,
    pub rng: &'a dyn Rng,
    pub now: Timestamp,
}

/// Signs, and remembers for as long as it pays.
#[derive(Default)]
pub struct Assertions {
    signed: DashMap<String, (i64, String, String)>,
}

impl Assertions {
    /// For one session or token (`holder` names it), the value of the assertion header. `None` if signing fails,
    /// which is logged: the request goes on without an assertion, and an upstream that verifies refuses it.
    pub fn of(&self, holder: &str, told: &Told, signer: &Signer<'_>) -> Option<String> {
        let (key, now) = (signer.ring.signing_key_id(), signer.now);
        if let Some(entry) = self.signed.get(holder)
            && entry.0 - MARGIN > now.secs()
            && entry.0 - LIFE <= now.secs()
            && entry.1 == key
        {
            return Some(entry.2.clone());
        }
        let token =
            sign(told, signer).inspect_err(|error| tracing::error!(%error, "an assertion could not be signed")).ok()?;
        if self.signed.len() >= CACHED {
            self.signed.clear();
        }
        self.signed.insert(holder.to_owned(), (now.secs() + LIFE, key.to_owned(), token.clone()));
        Some(token)
    }
}

fn sign(told: &Told, signer: &Signer<'_>) -> Result<String, jsonwebtoken::errors::Error> {
    let (key, now) = (signer.ring.signing_key(), signer.now);
    let claims = Claims {
        iss: signer.issuer,
        aud: signer.site.as_str(),
        sub: told.account.as_str(),
        iat: now.secs(),
        nbf: now.secs(),
        exp: now.secs() + LIFE,
        jti: signer.rng.hex(16),
        auth_time: told.auth_time.secs(),
        amr: told.amr.values(),
        preferred_username: told.user.as_deref(),
        name: told.name.as_deref(),
        email: told.email.as_deref(),
        groups: &told.groups,
        factor_time: told.factor_time.map(Timestamp::secs),
    };
    let header = Header { kid: Some(key.kid), ..Header::new(Algorithm::EdDSA) };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(key.pkcs8.expose()))
}

/// The JWKS document: every key whose assertions may still be looked at, newest first.
pub fn jwks(ring: &Keyring) -> serde_json::Value {
    let keys: Vec<_> = ring
        .verification_keys()
        .into_iter()
        .map(|key| {
            serde_json::json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.kid, "x": key.x,
            })
        })
        .collect();
    serde_json::json!({ "keys": keys })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{AccountId, Amr, SystemRng};
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};

    /// Verified with ring, which shares no code with the signer.
    #[test]
    fn an_assertion_verifies_against_the_jwks_with_another_library() {
        let ring_of_keys = Keyring::generate(&SystemRng, Timestamp(0));
        let told = Told {
            account: AccountId::new("a1"),
            user: Some("student1".into()),
            name: None,
            email: None,
            groups: Vec::new(),
            source: None,
            amr: Amr::of(crate::types::FirstProof::Password, &[]),
            auth_time: Timestamp(0),
            factor_time: None,
        };
        let (site, cache) = (SiteName::new("campus"), Assertions::default());
        let at = |secs| {
            let now = Timestamp::from_secs(secs);
            let issuer = "https://localhost:8443";
            cache.of("s", &told, &Signer { site: &site, issuer, ring: &ring_of_keys, rng: &SystemRng, now }).unwrap()
        };
        let token = at(1000);
        assert_eq!(token, at(1030), "reused within its life");
        assert_ne!(token, at(1050), "renewed before its end");
        assert_ne!(token, at(900), "a clock that went back gets one that is valid then");

        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (_, claims) = signed.split_once('.').unwrap();
        let jwk = &jwks(&ring_of_keys)["keys"][0];
        let public = B64.decode(jwk["x"].as_str().unwrap()).unwrap();
        ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public)
            .verify(signed.as_bytes(), &B64.decode(signature).unwrap())
            .unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&B64.decode(claims).unwrap()).unwrap();
        assert_eq!(claims["aud"], "campus");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
        assert_eq!(claims["preferred_username"], "student1");
    }
}
