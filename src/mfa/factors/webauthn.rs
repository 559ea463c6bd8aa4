//! Passkeys and security keys: the ceremonies of WebAuthn Level 3, for one site as the relying party.
//!
//! A ceremony has two halves. The first makes options for the browser and a state that stays here, sealed with the
//! flow; the second judges what came back against that state, once: whoever keeps the state takes it out before it
//! judges. The relying party's id is the site's host, the origin its public URL to the letter: no sub-domain, no other
//! port, no `http`, no frame of somebody else's page. What the library checks of that is checked here before it, on
//! the text as it came, so that a page of our own tests says what is refused.
//!
//! Attestation is not asked for and not believed: what an authenticator says of its make is dropped (Level 3 §6.5).
//! The sign count is compared here and claimed in the database (`EnrolmentStore::claim_counter`), which decides.
//! Challenges are the library's own 32 random bytes.

use super::Kind;
use crate::{
    keys::Keyring,
    types::{AccountId, FactorKind, Origin, Scheme},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr, time::Duration};
use webauthn_rs_core::{
    WebauthnCore,
    error::WebauthnError,
    proto::{
        AllowCredentials, AttestationConveyancePreference, AttestationFormat, AuthenticationState,
        AuthenticatorAttachment, COSEAlgorithm, COSEEC2Key, COSEKey, COSEKeyType, COSERSAKey, Credential, ECDSACurve,
        ParsedAttestation, PublicKeyCredential, RegisterPublicKeyCredential, RegisteredExtensions, RegistrationState,
        RequestRegistrationExtensions, ResidentKeyRequirement, UserVerificationPolicy,
    },
};

pub const KIND: Kind = Kind { factor: FactorKind::Webauthn, weight: 100, asked: true };

/// The longest answer that is parsed. A registration with a certificate chain has about 6 KiB; ours have one.
pub const LONGEST_ANSWER: usize = 16 * 1024;
/// How long the browser asks its user; the flow has ten minutes.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The longest credential id (Level 3 §4 "Credential ID").
const LONGEST_ID: usize = 1023;

/// Whether the authenticator is to see that it is its owner, by PIN or biometrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserVerification {
    /// An answer without it is refused.
    Required,
    /// Where the authenticator can. One that could when it was enrolled must.
    #[default]
    Preferred,
    Discouraged,
}

impl UserVerification {
    fn policy(self) -> UserVerificationPolicy {
        match self {
            UserVerification::Required => UserVerificationPolicy::Required,
            UserVerification::Preferred => UserVerificationPolicy::Preferred,
            UserVerification::Discouraged => UserVerificationPolicy::Discouraged_DO_NOT_USE,
        }
    }
}

/// Which authenticators the browser offers for a new enrolment. The browser's to keep: nothing in its answer proves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attachment {
    #[default]
    Any,
    /// Built into the device.
    Platform,
    /// A key to plug in, or a phone.
    CrossPlatform,
}

/// What the factor's entry in gateway.yaml says beside its weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub user_verification: UserVerification,
    pub attachment: Attachment,
    /// Whether a passkey alone signs in, on the gateway's own sign-in page.
    pub passwordless: bool,
}

/// One account's copy: the public key and what was seen when it was made. Kept sealed with the enrolment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Passkey {
    credential: Credential,
    /// The user handle under which it was made, base64url; `None` where an import did not say it.
    user_handle: Option<String>,
    /// Whether it can be used without a name being typed, as far as the browser said.
    discoverable: Option<bool>,
    /// Imported: whether it may be backed up is learned from its first answer.
    #[serde(default)]
    unseen: bool,
}

impl Passkey {
    pub fn id(&self) -> &[u8] {
        &self.credential.cred_id
    }
    /// The sign count at enrolment; the enrolment's own counter goes on from there.
    pub fn counter(&self) -> u32 {
        self.credential.counter
    }
    pub fn discoverable(&self) -> Option<bool> {
        self.discoverable
    }
    /// Whether it may live on several devices (a synced passkey).
    pub fn synced(&self) -> bool {
        self.credential.backup_eligible
    }
    /// From what another system kept of it. The user handle is learned from its first answer, if that says one.
    pub fn imported(id: Vec<u8>, key: Key, counter: u32, user_verified: bool) -> Option<Self> {
        let cred = match key {
            Key::Es256 { x, y } => COSEKey {
                type_: COSEAlgorithm::ES256,
                key: COSEKeyType::EC_EC2(COSEEC2Key { curve: ECDSACurve::SECP256R1, x, y }),
            },
            Key::Rs256 { n, e } => COSEKey { type_: COSEAlgorithm::RS256, key: COSEKeyType::RSA(COSERSAKey { n, e }) },
        };
        let credential = Credential {
            cred_id: id,
            cred,
            counter,
            transports: None,
            user_verified,
            backup_eligible: false,
            backup_state: false,
            registration_policy: UserVerificationPolicy::Preferred,
            extensions: RegisteredExtensions::none(),
            attestation: ParsedAttestation::default(),
            attestation_format: AttestationFormat::None,
        };
        let fits = (1..=LONGEST_ID).contains(&credential.cred_id.len());
        fits.then_some(Self { credential, user_handle: None, discoverable: None, unseen: true })
    }
}

/// A public key of another system's (RFC 9053 §7, RFC 8230). Ed25519 is not among those that can be verified here.
#[derive(Clone, Debug)]
pub enum Key {
    Es256 { x: Vec<u8>, y: Vec<u8> },
    Rs256 { n: Vec<u8>, e: [u8; 3] },
}

/// How a credential's id stands in the store: by it an answer finds its enrolment, and the enrolment its account.
pub fn handle(ring: &Keyring, credential: &[u8]) -> String {
    ring.digest("passkey", credential)
}

/// The user handle of an account: its id, which is random and says nothing about anybody (Level 3 §14.6.1).
pub fn user_handle(account: &AccountId) -> &[u8] {
    account.as_str().as_bytes()
}

/// A registration that has begun. The options are for the browser, the rest stays here.
#[derive(Clone, Serialize, Deserialize)]
pub struct Registering {
    options: String,
    state: RegistrationState,
    user_handle: String,
}

impl Registering {
    /// `PublicKeyCredentialCreationOptionsJSON` (Level 3 §5.1.9).
    pub fn options(&self) -> &str {
        &self.options
    }
}

/// An authentication that has begun.
#[derive(Clone, Serialize, Deserialize)]
pub struct Asking {
    options: String,
    state: AuthenticationState,
    /// Nobody was named: the answer must say whose it is.
    discoverable: bool,
}

impl Asking {
    /// `PublicKeyCredentialRequestOptionsJSON` (Level 3 §5.1.10).
    pub fn options(&self) -> &str {
        &self.options
    }
    /// What names this ceremony, for claiming it once.
    pub fn challenge(&self) -> Option<String> {
        serde_json::from_str::<Challenged>(&self.options).ok().map(|options| options.challenge)
    }
}

/// Somebody for whom a passkey is made, in words for the authenticator's own list.
pub struct User<'a> {
    pub account: &'a AccountId,
    pub name: &'a str,
    pub display_name: &'a str,
}

/// What came back from `navigator.credentials.get()`, read and not judged.
pub struct Assertion(PublicKeyCredential);

impl Assertion {
    /// `AuthenticationResponseJSON` (Level 3 §5.1.8).
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let read: PublicKeyCredential = parse(text)?;
        match same_id(&read.id, &read.raw_id, &read.type_) {
            true => Ok(Self(read)),
            false => Err(Refusal::Malformed),
        }
    }
    pub fn credential_id(&self) -> &[u8] {
        &self.0.raw_id
    }
}

/// An answer that was right.
#[derive(Debug)]
pub struct Proven {
    /// To be claimed, unless it is 0: such an authenticator counts nothing.
    pub counter: u32,
    /// By PIN or biometrics.
    pub user_verified: bool,
    /// The passkey as it is to be kept from now on, where the answer changed it.
    pub changed: Option<Passkey>,
}

/// Why an answer is refused. For the audit log: the user reads one sentence for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Malformed,
    TooLong,
    /// Another origin than the site's.
    Origin,
    /// From a frame in somebody else's page.
    CrossOrigin,
    /// Made for another relying party.
    RelyingParty,
    /// Of another ceremony, or of none.
    Challenge,
    /// Nobody touched the authenticator.
    Absent,
    /// Neither PIN nor biometrics, where they are required.
    Unverified,
    /// A key of a kind that was not offered.
    Algorithm,
    /// The account has it already.
    Present,
    /// Not a passkey of this account.
    Unknown,
    Signature,
    /// Not above the last one: there may be a copy of the key.
    SignCount,
    /// A passkey of one device says that it is on several.
    Backup,
    /// Whatever else the library found.
    Invalid,
}

impl Refusal {
    /// Words for the audit log.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::Malformed => "not a WebAuthn answer",
            Refusal::TooLong => "the answer is too long",
            Refusal::Origin => "another origin",
            Refusal::CrossOrigin => "from a frame of another site",
            Refusal::RelyingParty => "another relying party",
            Refusal::Challenge => "another challenge",
            Refusal::Absent => "no user present",
            Refusal::Unverified => "user not verified",
            Refusal::Algorithm => "an algorithm that was not offered",
            Refusal::Present => "enrolled already",
            Refusal::Unknown => "not a passkey of this account",
            Refusal::Signature => "wrong signature",
            Refusal::SignCount => "sign count did not rise",
            Refusal::Backup => "backup state changed",
            Refusal::Invalid => "invalid",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl From<WebauthnError> for Refusal {
    fn from(error: WebauthnError) -> Self {
        use WebauthnError as E;
        match error {
            E::InvalidRPOrigin => Refusal::Origin,
            E::CredentialCrossOrigin => Refusal::CrossOrigin,
            E::InvalidRPIDHash => Refusal::RelyingParty,
            E::MismatchedChallenge => Refusal::Challenge,
            E::UserNotPresent => Refusal::Absent,
            E::UserNotVerified => Refusal::Unverified,
            // Also what it says of an excluded credential, which is looked for before.
            E::CredentialAlteredAlgFromRequest | E::COSEKeyInvalidAlgorithm | E::COSEKeyEDUnsupported => {
                Refusal::Algorithm
            }
            E::CredentialNotFound => Refusal::Unknown,
            E::AuthenticationFailure | E::SignatureInvalid => Refusal::Signature,
            E::CredentialPossibleCompromise => Refusal::SignCount,
            E::CredentialBackupEligibilityInconsistent | E::CredentialMayNotBeHardwareBound => Refusal::Backup,
            E::ParseCBORFailure(_) | E::ParseJSONFailure(_) | E::ParseNOMFailure => Refusal::Malformed,
            _ => Refusal::Invalid,
        }
    }
}

/// One site, as its users' authenticators know it.
#[derive(Clone, Debug)]
pub struct RelyingParty {
    core: WebauthnCore,
    origin: String,
}

impl RelyingParty {
    /// `None` where browsers have no WebAuthn: an address instead of a name, or no TLS (Level 3 §5.1.2, "RP ID").
    pub fn of(public_url: &Origin) -> Option<Self> {
        let host = public_url.host();
        let origin = public_url.to_string();
        let is_name = !host.starts_with('[') && host.parse::<IpAddr>().is_err();
        let url = url::Url::parse(&origin).ok().filter(|_| is_name && public_url.scheme() == Scheme::Https)?;
        let core = WebauthnCore::new_unsafe_experts_only(host, host, vec![url], TIMEOUT, Some(false), Some(false));
        Some(Self { core, origin })
    }

    /// Begins an enrolment. The account's present passkeys are excluded: one authenticator is one passkey.
    pub fn begin_registration<'a>(
        &self,
        user: &User<'_>,
        present: impl Iterator<Item = &'a Passkey>,
        settings: &Settings,
    ) -> Result<Registering, Refusal> {
        let handle = user_handle(user.account);
        let attachment = match settings.attachment {
            Attachment::Any => None,
            Attachment::Platform => Some(AuthenticatorAttachment::Platform),
            Attachment::CrossPlatform => Some(AuthenticatorAttachment::CrossPlatform),
        };
        let extensions = RequestRegistrationExtensions { uvm: None, cred_props: Some(true), ..Default::default() };
        let builder = self
            .core
            .new_challenge_register_builder(handle, user.name, user.display_name)?
            .attestation(AttestationConveyancePreference::None)
            .credential_algorithms(COSEAlgorithm::secure_algs())
            .user_verification_policy(settings.user_verification.policy())
            .authenticator_attachment(attachment)
            .exclude_credentials(Some(present.map(|passkey| passkey.credential.cred_id.clone()).collect()))
            .extensions(Some(extensions));
        let (mut challenge, state) = self.core.generate_challenge_register(builder)?;
        if let Some(selection) = &mut challenge.public_key.authenticator_selection {
            // Preferred, so that it can be found without a name, and not required, which old keys cannot.
            selection.resident_key = Some(ResidentKeyRequirement::Preferred);
        }
        let options = serde_json::to_string(&challenge.public_key).map_err(|_| Refusal::Invalid)?;
        Ok(Registering { options, state, user_handle: B64.encode(handle) })
    }

    /// Judges `RegistrationResponseJSON` (Level 3 §5.1.8, §7.1).
    pub fn finish_registration(&self, answer: &str, begun: &Registering) -> Result<Passkey, Refusal> {
        let answer: RegisterPublicKeyCredential = parse(answer)?;
        if !same_id(&answer.id, &answer.raw_id, &answer.type_) {
            return Err(Refusal::Malformed);
        }
        self.is_from_here(&answer.response.client_data_json)?;
        let excluded = serde_json::from_str::<Excluded>(begun.options()).map_err(|_| Refusal::Invalid)?;
        if excluded.exclude_credentials.iter().any(|credential| credential.id == answer.id) {
            return Err(Refusal::Present);
        }
        let mut credential = self.core.register_credential(&answer, &begun.state, None)?;
        if credential.cred_id != answer.raw_id || credential.cred_id.len() > LONGEST_ID {
            return Err(Refusal::Malformed);
        }
        // Nobody vouches for it, so nobody is to believe it later.
        credential.attestation = ParsedAttestation::default();
        credential.attestation_format = AttestationFormat::None;
        let discoverable = answer.extensions.cred_props.and_then(|properties| properties.rk);
        let user_handle = Some(begun.user_handle.clone());
        Ok(Passkey { credential, user_handle, discoverable, unseen: false })
    }

    /// Begins to ask for one of these passkeys.
    pub fn begin_authentication<'a>(
        &self,
        passkeys: impl Iterator<Item = &'a Passkey>,
        settings: &Settings,
    ) -> Result<Asking, Refusal> {
        let allowed = passkeys.map(|passkey| AllowCredentials {
            type_: "public-key".to_owned(),
            id: passkey.credential.cred_id.clone(),
            transports: passkey.credential.transports.clone(),
        });
        self.begin(allowed.collect(), settings.user_verification)
    }

    /// Begins to ask for whichever passkey its user picks. The authenticator must verify its user: the passkey stands
    /// for the password as well.
    pub fn begin_discoverable(&self) -> Result<Asking, Refusal> {
        let asking = self.begin(Vec::new(), UserVerification::Required)?;
        Ok(Asking { discoverable: true, ..asking })
    }

    fn begin(&self, allowed: Vec<AllowCredentials>, verification: UserVerification) -> Result<Asking, Refusal> {
        // The state keeps no passkeys: they are read again when the answer is judged.
        let builder = self.core.new_challenge_authenticate_builder(Vec::new(), Some(verification.policy()))?;
        let (mut challenge, state) = self.core.generate_challenge_authenticate(builder)?;
        challenge.public_key.allow_credentials = allowed;
        let options = serde_json::to_string(&challenge.public_key).map_err(|_| Refusal::Invalid)?;
        Ok(Asking { options, state, discoverable: false })
    }

    /// Judges an assertion (Level 3 §7.2) by the passkey that it names, which the caller has found among the
    /// account's; `counter` is the last sign count of that enrolment.
    pub fn judge(
        &self,
        assertion: &Assertion,
        asking: &Asking,
        passkey: &Passkey,
        counter: u32,
    ) -> Result<Proven, Refusal> {
        let answer = &assertion.0;
        self.is_from_here(&answer.response.client_data_json)?;
        let given = answer.response.user_handle.as_ref().filter(|handle| !handle.is_empty());
        match (given, &passkey.user_handle) {
            (Some(given), Some(own)) if B64.encode(given) != *own => return Err(Refusal::Unknown),
            (None, _) | (_, None) if asking.discoverable => return Err(Refusal::Unknown),
            (_, _) => {}
        }
        let mut credential = Credential { counter, ..passkey.credential.clone() };
        if passkey.unseen {
            credential.backup_eligible = backup_eligible(&answer.response.authenticator_data);
        }
        let result = self.core.authenticate_single_credential(answer, &asking.state, &credential)?;
        let changed = passkey.unseen || result.backup_state() != credential.backup_state;
        credential.backup_state = result.backup_state();
        let changed = changed.then(|| Passkey {
            credential,
            user_handle: passkey.user_handle.clone().or_else(|| given.map(|handle| B64.encode(handle))),
            unseen: false,
            ..passkey.clone()
        });
        Ok(Proven { counter: result.counter(), user_verified: result.user_verified(), changed })
    }

    /// The origin to the letter, and no frame in between. The library compares parsed addresses, and knows neither a
    /// path behind the origin nor `topOrigin`.
    fn is_from_here(&self, client_data: &[u8]) -> Result<(), Refusal> {
        let client: ClientData = serde_json::from_slice(client_data).map_err(|_| Refusal::Malformed)?;
        if client.cross_origin.unwrap_or(false) || client.top_origin.is_some() {
            return Err(Refusal::CrossOrigin);
        }
        if client.origin == self.origin { Ok(()) } else { Err(Refusal::Origin) }
    }
}

/// What is looked at here of the client data (Level 3 §5.8.1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    origin: String,
    #[serde(default)]
    cross_origin: Option<bool>,
    #[serde(default)]
    top_origin: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Excluded {
    #[serde(default)]
    exclude_credentials: Vec<Named>,
}

#[derive(Deserialize)]
struct Challenged {
    challenge: String,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

fn parse<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, Refusal> {
    if text.len() > LONGEST_ANSWER {
        return Err(Refusal::TooLong);
    }
    serde_json::from_str(text).map_err(|_| Refusal::Malformed)
}

/// One credential by both its names.
fn same_id(id: &str, raw: &[u8], kind: &str) -> bool {
    kind == "public-key" && !raw.is_empty() && raw.len() <= LONGEST_ID && B64.encode(raw) == id
}

/// The BE flag (Level 3 §6.1, bit 3). What it stands in is signed, and judged after this.
fn backup_eligible(authenticator_data: &[u8]) -> bool {
    authenticator_data.get(32).is_some_and(|flags| flags & 0b0000_1000 != 0)
}

#[cfg(test)]
#[path = "webauthn_tests.rs"]
mod tests;
