//! A registration as lbuchs/WebAuthn hands it to Moodle's factor_webauthn, which stores it as JSON: credential id in
//! base64, public key as PEM, the counter of the moment of registration.
//!
//! The key is re-read from its DER, for the three algorithms that factor_webauthn offers (ES256, EdDSA, RS256), and
//! nothing is guessed: what is not exactly one of them is not carried over. What Moodle has not kept is not made up
//! either: whether a credential is synchronised between devices (the BE flag) is learnt at its first use.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// WebAuthn Level 3 §4: an authenticator makes no longer ones.
const LONGEST_ID: usize = 1023;

/// A credential, without any library's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    pub credential_id: Vec<u8>,
    pub key: PublicKey,
    /// As it was at registration: Moodle never looks at it again. 0 where the authenticator has none.
    pub sign_count: u32,
    pub user_verified: bool,
    /// The host name it was made for.
    pub rp_id: String,
}

/// RFC 9053 §7, RFC 8230.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublicKey {
    Es256 { x: Vec<u8>, y: Vec<u8> },
    Ed25519 { x: Vec<u8> },
    Rs256 { n: Vec<u8>, e: [u8; 3] },
}

/// The keys of the JSON that are looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    rp_id: String,
    credential_id: String,
    credential_public_key: String,
    #[serde(default)]
    signature_counter: Option<u32>,
    #[serde(default)]
    user_verified: bool,
}

impl Registration {
    /// `None` where it is not what factor_webauthn writes.
    pub fn parse(text: &str) -> Option<Self> {
        let json: Json = serde_json::from_str(text).ok()?;
        let credential_id = STANDARD.decode(json.credential_id).ok()?;
        let fits = (1..=LONGEST_ID).contains(&credential_id.len()) && !json.rp_id.is_empty();
        let key = PublicKey::from_pem(&json.credential_public_key)?;
        fits.then_some(Self {
            credential_id,
            key,
            sign_count: json.signature_counter.unwrap_or(0),
            user_verified: json.user_verified,
            rp_id: json.rp_id,
        })
    }
}

/// SubjectPublicKeyInfo up to the key: ecPublicKey on prime256v1 (RFC 5480 §2.1.1), the point uncompressed.
const P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// id-Ed25519 (RFC 8410 §4).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// rsaEncryption with NULL (RFC 8017 A.1).
const RSA: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

impl PublicKey {
    fn from_pem(pem: &str) -> Option<Self> {
        let body = pem.split_once("-----BEGIN PUBLIC KEY-----")?.1.split_once("-----END PUBLIC KEY-----")?.0;
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        Self::from_der(&STANDARD.decode(body).ok()?)
    }

    fn from_der(der: &[u8]) -> Option<Self> {
        if let Some(point) = der.strip_prefix(&P256).filter(|point| point.len() == 64) {
            let whole = &der[P256.len() - 1..];
            // A point beside the curve is nobody's key.
            ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, whole).ok()?;
            return Some(PublicKey::Es256 { x: point[..32].to_vec(), y: point[32..].to_vec() });
        }
        if let Some(x) = der.strip_prefix(&ED25519_SPKI).filter(|x| x.len() == 32) {
            ParsedPublicKey::new(&ED25519, x).ok()?;
            return Some(PublicKey::Ed25519 { x: x.to_vec() });
        }
        rsa(der)
    }
}

fn rsa(der: &[u8]) -> Option<PublicKey> {
    let (spki, rest) = element(0x30, der)?;
    let bits = spki.strip_prefix(&RSA)?;
    let (bits, after) = element(0x03, bits)?;
    let key = bits.strip_prefix(&[0])?;
    ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).ok()?;
    let (numbers, behind) = element(0x30, key)?;
    let (n, numbers) = element(0x02, numbers)?;
    let (e, last) = element(0x02, numbers)?;
    let all_read = rest.is_empty() && after.is_empty() && behind.is_empty() && last.is_empty();
    let n = n.strip_prefix(&[0]).unwrap_or(n).to_vec();
    // 65537, which every authenticator takes.
    all_read.then_some(PublicKey::Rs256 { n, e: e.try_into().ok()? })
}

/// The content of the DER element with this tag that `der` begins with, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => (usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?])), rest.get(2..)?),
        _ => return None,
    };
    (*first == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::{
        encoding::{AsDer, PublicKeyX509Der},
        rsa::KeySize,
        signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair},
    };
    use proptest::prelude::*;

    fn pem(der: &[u8]) -> String {
        let body = STANDARD.encode(der);
        let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    fn json(pem: &str) -> String {
        serde_json::json!({
            "rpId": "lms.example.org", "attestationFormat": "none", "credentialId": STANDARD.encode([7; 32]),
            "credentialPublicKey": pem, "certificateChain": null, "certificateIssuer": "", "certificateSubject": "",
            "signatureCounter": 5, "AAGUID": STANDARD.encode([0; 16]), "rootValid": null, "userPresent": true,
            "userVerified": true,
        })
        .to_string()
    }

    fn key(pem: &str) -> Option<PublicKey> {
        Registration::parse(&json(pem)).map(|registration| registration.key)
    }

    #[test]
    fn the_three_kinds_of_key_are_read_from_their_pem() {
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let der: PublicKeyX509Der<'_> = ec.public_key().as_der().unwrap();
        let Some(PublicKey::Es256 { x, y }) = key(&pem(der.as_ref())) else { panic!("no ES256 key") };
        assert_eq!([&[4][..], &x, &y].concat(), ec.public_key().as_ref());

        let ed = Ed25519KeyPair::generate().unwrap();
        let der: PublicKeyX509Der<'_> = ed.public_key().as_der().unwrap();
        assert_eq!(key(&pem(der.as_ref())), Some(PublicKey::Ed25519 { x: ed.public_key().as_ref().to_vec() }));

        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: PublicKeyX509Der<'_> = rsa.public_key().as_der().unwrap();
        let Some(PublicKey::Rs256 { n, e }) = key(&pem(der.as_ref())) else { panic!("no RS256 key") };
        assert_eq!((n.len(), e), (256, [1, 0, 1]));
    }

    #[test]
    fn what_is_not_exactly_such_a_key_is_none() {
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let der: PublicKeyX509Der<'_> = ec.public_key().as_der().unwrap();
        let mut beside = der.as_ref().to_vec();
        *beside.last_mut().unwrap() ^= 1;
        for bad in [&beside[..], &der.as_ref()[..90], &[der.as_ref(), &[0]].concat(), &[], &[0x30, 0x82, 0xff]] {
            assert_eq!(key(&pem(bad)), None);
        }
        assert_eq!(Registration::parse("{}"), None);
        assert_eq!(Registration::parse("false"), None, "what json_encode gives where it fails");
    }

    #[test]
    fn counter_and_verification_are_those_of_the_registration() {
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let der: PublicKeyX509Der<'_> = ec.public_key().as_der().unwrap();
        let text = json(&pem(der.as_ref()));
        let read = Registration::parse(&text).unwrap();
        assert_eq!((read.credential_id.len(), read.sign_count, read.user_verified), (32, 5, true));
        let without = Registration::parse(&text.replace("\"signatureCounter\":5", "\"signatureCounter\":null"));
        assert_eq!(without.unwrap().sign_count, 0);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(der: Vec<u8>, text: String) {
            let _ = PublicKey::from_der(&der);
            let _ = Registration::parse(&text);
        }
    }
}
