//! A software authenticator (WebAuthn Level 3 §6) that says whatever a test wants it to say: what real ones and
//! browsers never sign. It makes both halves, the authenticator's data and the browser's around them.

#![allow(dead_code, reason = "two test programs share it, and neither needs all of it")]

use aws_lc_rs::{
    digest,
    encoding::{AsDer, PublicKeyX509Der},
    rand::{self, SystemRandom},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use serde_json::{Value, json};

/// Flags of the authenticator data (§6.1).
pub const PRESENT: u8 = 0b0000_0001;
pub const VERIFIED: u8 = 0b0000_0100;
pub const BACKUP_ELIGIBLE: u8 = 0b0000_1000;
pub const BACKED_UP: u8 = 0b0001_0000;
const ATTESTED: u8 = 0b0100_0000;

/// What an answer says. A test changes what it lies about.
pub struct Answer {
    pub origin: String,
    pub rp_id: String,
    pub kind: &'static str,
    pub challenge: String,
    /// Further members of the client data.
    pub client: Value,
    pub flags: u8,
    pub count: u32,
    pub id: Vec<u8>,
    pub user_handle: Option<Vec<u8>>,
    /// COSE's number of the algorithm, at registration (RFC 9053).
    pub algorithm: i8,
    /// The attestation statement's format, and the statement in CBOR.
    pub attestation: (&'static str, Vec<u8>),
    /// Behind everything else in the attestation object.
    pub padding: Vec<u8>,
}

/// One credential.
pub struct SoftKey {
    pub id: Vec<u8>,
    pub user_handle: Vec<u8>,
    /// The last one that it gave; raised by each answer unless it is 0.
    pub count: u32,
    key: EcdsaKeyPair,
}

impl SoftKey {
    /// Answers `PublicKeyCredentialCreationOptionsJSON` in a page of `origin`.
    pub fn create(options: &str, origin: &str, lie: impl FnOnce(&mut Answer)) -> (Self, String) {
        let options: Value = serde_json::from_str(options).expect("options are JSON");
        let mut id = vec![0; 32];
        rand::fill(&mut id).expect("random bytes");
        let mut answer = Answer {
            origin: origin.to_owned(),
            rp_id: text(&options["rp"]["id"]),
            kind: "webauthn.create",
            challenge: text(&options["challenge"]),
            client: json!({ "crossOrigin": false }),
            flags: PRESENT | VERIFIED,
            count: 1,
            id,
            user_handle: Some(B64.decode(text(&options["user"]["id"])).expect("a user handle is base64url")),
            algorithm: -7,
            attestation: ("none", vec![0xa0]),
            padding: Vec::new(),
        };
        lie(&mut answer);
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let mut data = authenticator_data(&answer, ATTESTED);
        data.extend([0; 16]); // AAGUID
        data.extend(u16::try_from(answer.id.len()).expect("a short id").to_be_bytes());
        data.extend(&answer.id);
        data.extend(cose(key.public_key().as_ref(), answer.algorithm));
        let (format, statement) = &answer.attestation;
        let mut object = vec![0xa3];
        object.extend([cbor_text("fmt"), cbor_text(format), cbor_text("attStmt"), statement.clone()].concat());
        object.extend([cbor_text("authData"), cbor_bytes(&data), answer.padding.clone()].concat());
        let id = B64.encode(&answer.id);
        let response = json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": { "credProps": { "rk": true } },
            "response": {
                "clientDataJSON": B64.encode(client_data(&answer)),
                "attestationObject": B64.encode(object),
                "transports": ["internal"],
            },
        });
        let user_handle = answer.user_handle.unwrap_or_default();
        (Self { id: answer.id, user_handle, count: answer.count, key }, response.to_string())
    }

    /// One that another system has registered, with its SubjectPublicKeyInfo. Without a counter, as phones are.
    pub fn made_elsewhere() -> (Self, Vec<u8>) {
        let mut id = vec![0; 32];
        rand::fill(&mut id).expect("random bytes");
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let spki: PublicKeyX509Der<'_> = key.public_key().as_der().expect("its public key");
        let spki = spki.as_ref().to_vec();
        (Self { id, user_handle: Vec::new(), count: 0, key }, spki)
    }

    /// Answers `PublicKeyCredentialRequestOptionsJSON` in a page of `origin`.
    pub fn get(&mut self, options: &str, origin: &str, lie: impl FnOnce(&mut Answer)) -> String {
        let options: Value = serde_json::from_str(options).expect("options are JSON");
        let mut answer = Answer {
            origin: origin.to_owned(),
            rp_id: text(&options["rpId"]),
            kind: "webauthn.get",
            challenge: text(&options["challenge"]),
            client: json!({ "crossOrigin": false }),
            flags: PRESENT | VERIFIED,
            count: if self.count == 0 { 0 } else { self.count + 1 },
            id: self.id.clone(),
            user_handle: Some(self.user_handle.clone()),
            algorithm: -7,
            attestation: ("none", Vec::new()),
            padding: Vec::new(),
        };
        lie(&mut answer);
        self.count = self.count.max(answer.count);
        let (data, client) = (authenticator_data(&answer, 0), client_data(&answer));
        let signed = [data.clone(), digest::digest(&digest::SHA256, client.as_bytes()).as_ref().to_vec()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).expect("a signature");
        let id = B64.encode(&answer.id);
        let response = json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": B64.encode(client),
                "authenticatorData": B64.encode(data),
                "signature": B64.encode(signature.as_ref()),
                "userHandle": answer.user_handle.map(|handle| B64.encode(handle)),
            },
        });
        response.to_string()
    }
}

/// §5.8.1.
fn client_data(answer: &Answer) -> String {
    let mut data = json!({ "type": answer.kind, "challenge": answer.challenge, "origin": answer.origin });
    for (name, value) in answer.client.as_object().into_iter().flatten() {
        data[name] = value.clone();
    }
    data.to_string()
}

/// §6.1, without attested credential data.
fn authenticator_data(answer: &Answer, further: u8) -> Vec<u8> {
    let mut data = digest::digest(&digest::SHA256, answer.rp_id.as_bytes()).as_ref().to_vec();
    data.push(answer.flags | further);
    data.extend(answer.count.to_be_bytes());
    data
}

/// An EC2 key on P-256 (RFC 9053 §7.1.1); `point` is uncompressed (SEC 1 §2.3.3).
fn cose(point: &[u8], algorithm: i8) -> Vec<u8> {
    let algorithm = u8::try_from(-1 - i16::from(algorithm)).expect("a negative number");
    let head: Vec<u8> = if algorithm < 24 { vec![0x20 | algorithm] } else { vec![0x38, algorithm] };
    let (x, y) = (cbor_bytes(&point[1..33]), cbor_bytes(&point[33..65]));
    [vec![0xa5, 0x01, 0x02, 0x03], head, vec![0x20, 0x01, 0x21], x, vec![0x22], y].concat()
}

/// A byte string (RFC 8949 §3.1, major type 2).
pub fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    [cbor_head(0x40, bytes.len()), bytes.to_vec()].concat()
}

fn cbor_text(text: &str) -> Vec<u8> {
    [cbor_head(0x60, text.len()), text.as_bytes().to_vec()].concat()
}

fn cbor_head(major: u8, length: usize) -> Vec<u8> {
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 24 => vec![major | short],
        (Ok(byte), _) => vec![major | 24, byte],
        (_, Ok(two)) => [vec![major | 25], two.to_be_bytes().to_vec()].concat(),
        (_, _) => panic!("nothing here is that long"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
