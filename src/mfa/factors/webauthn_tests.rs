//! What is accepted, and everything of attack F8 that is not, with an authenticator that lies.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

#[path = "../../../tests/gateway/authenticator.rs"]
mod authenticator;
use authenticator::{Answer, BACKED_UP, BACKUP_ELIGIBLE, PRESENT, SoftKey, VERIFIED};

const ORIGIN: &str = "https://lms.example.org:8443";

fn site() -> RelyingParty {
    RelyingParty::of(&ORIGIN.parse().unwrap()).unwrap()
}

fn account() -> AccountId {
    AccountId::new("0123456789abcdef0123456789abcdef")
}

fn demanding(user_verification: UserVerification) -> Settings {
    Settings { user_verification, ..Settings::default() }
}

fn begin(present: &[Passkey], settings: &Settings) -> Registering {
    let account = account();
    let user = User { account: &account, name: "alice", display_name: "Alice Ahrens" };
    site().begin_registration(&user, present.iter(), settings).unwrap()
}

fn register(settings: &Settings, lie: impl FnOnce(&mut Answer)) -> Result<(SoftKey, Passkey), Refusal> {
    let begun = begin(&[], settings);
    let (key, answer) = SoftKey::create(begun.options(), ORIGIN, lie);
    Ok((key, site().finish_registration(&answer, &begun)?))
}

fn honest() -> (SoftKey, Passkey) {
    register(&Settings::default(), |_| {}).unwrap()
}

fn ask(passkey: &Passkey, verification: UserVerification) -> Asking {
    site().begin_authentication([passkey].into_iter(), &demanding(verification)).unwrap()
}

fn judge(asking: &Asking, answer: &str, passkey: &Passkey, counter: u32) -> Result<Proven, Refusal> {
    site().judge(&Assertion::parse(answer)?, asking, passkey, counter)
}

/// A whole authentication with this lie.
fn with(lie: impl FnOnce(&mut Answer)) -> Result<Proven, Refusal> {
    let (mut key, passkey) = honest();
    let asking = ask(&passkey, UserVerification::Preferred);
    let answer = key.get(asking.options(), ORIGIN, lie);
    judge(&asking, &answer, &passkey, passkey.counter())
}

#[test]
fn a_passkey_is_made_and_answers() {
    let (mut key, passkey) = honest();
    assert_eq!((passkey.id(), passkey.counter(), passkey.discoverable()), (key.id.as_slice(), 1, Some(true)));
    assert!(!passkey.synced());
    let asking = ask(&passkey, UserVerification::Required);
    let proven = judge(&asking, &key.get(asking.options(), ORIGIN, |_| {}), &passkey, 1).unwrap();
    assert!(proven.user_verified && proven.changed.is_none());
    assert_eq!(proven.counter, 2);
}

#[test]
fn what_waits_between_the_halves_is_the_same_after_the_store() {
    let begun = begin(&[], &Settings::default());
    let (mut key, answer) = SoftKey::create(begun.options(), ORIGIN, |_| {});
    let begun: Registering = serde_json::from_str(&serde_json::to_string(&begun).unwrap()).unwrap();
    let passkey = site().finish_registration(&answer, &begun).unwrap();
    let passkey: Passkey = serde_json::from_str(&serde_json::to_string(&passkey).unwrap()).unwrap();
    let asking = ask(&passkey, UserVerification::Preferred);
    let asking: Asking = serde_json::from_str(&serde_json::to_string(&asking).unwrap()).unwrap();
    assert!(judge(&asking, &key.get(asking.options(), ORIGIN, |_| {}), &passkey, 1).is_ok());
}

#[test]
fn the_options_say_what_the_settings_ask() {
    let (_, present) = honest();
    let settings = Settings {
        user_verification: UserVerification::Required,
        attachment: Attachment::CrossPlatform,
        passwordless: false,
    };
    let options: Value = serde_json::from_str(begin(std::slice::from_ref(&present), &settings).options()).unwrap();
    let selection = &options["authenticatorSelection"];
    assert_eq!(selection["userVerification"], "required");
    assert_eq!(selection["authenticatorAttachment"], "cross-platform");
    assert_eq!(selection["residentKey"], "preferred");
    assert_eq!(options["attestation"], "none");
    assert_eq!(options["rp"]["id"], "lms.example.org");
    assert_eq!(options["user"]["name"], "alice");
    assert_eq!(options["excludeCredentials"][0]["id"], B64.encode(present.id()));
    let discouraged = begin(&[], &demanding(UserVerification::Discouraged));
    let options: Value = serde_json::from_str(discouraged.options()).unwrap();
    assert_eq!(options["authenticatorSelection"]["userVerification"], "discouraged");
    assert_eq!(options["authenticatorSelection"].get("authenticatorAttachment"), None);
}

#[test]
fn two_ceremonies_have_two_challenges() {
    let (_, passkey) = honest();
    let challenge = |asking: Asking| {
        let options: Value = serde_json::from_str(asking.options()).unwrap();
        assert_eq!(B64.decode(options["challenge"].as_str().unwrap()).unwrap().len(), 32);
        options["challenge"].clone()
    };
    let of = || challenge(ask(&passkey, UserVerification::Preferred));
    assert_ne!(of(), of());
}

#[test]
fn an_address_is_no_relying_party_and_neither_is_http() {
    for url in ["https://192.0.2.7:8443", "https://[2001:db8::1]", "http://lms.example.org"] {
        assert!(RelyingParty::of(&url.parse().unwrap()).is_none(), "{url}");
    }
    assert!(RelyingParty::of(&"https://localhost:8443".parse().unwrap()).is_some());
}

#[test]
fn f8_another_origin_is_refused() {
    let origins = [
        "https://evil.example.org:8443",
        "https://lms.example.org",
        "https://lms.example.org:8444",
        "http://lms.example.org:8443",
        "https://sub.lms.example.org:8443",
        "https://example.org:8443",
        "https://lms.example.org:8443/",
        "https://lms.example.org:8443/path",
        "https://LMS.example.org:8443",
        "https://lms.example.org.:8443",
        "https://user@lms.example.org:8443",
        "android:apk-key-hash:AAAA",
        "null",
        "",
    ];
    for origin in origins {
        assert_eq!(with(|a| a.origin = origin.to_owned()).unwrap_err(), Refusal::Origin, "{origin}");
        let made = register(&Settings::default(), |a| a.origin = origin.to_owned());
        assert_eq!(made.err(), Some(Refusal::Origin), "{origin}");
    }
}

#[test]
fn f8_a_frame_of_another_site_is_refused() {
    let framed = [
        serde_json::json!({ "crossOrigin": true }),
        serde_json::json!({ "crossOrigin": true, "topOrigin": "https://evil.example" }),
        serde_json::json!({ "crossOrigin": false, "topOrigin": "https://evil.example" }),
    ];
    for client in framed {
        assert_eq!(with(|a| a.client = client.clone()).unwrap_err(), Refusal::CrossOrigin, "{client}");
        let made = register(&Settings::default(), |a| a.client = client.clone());
        assert_eq!(made.err(), Some(Refusal::CrossOrigin), "{client}");
    }
}

#[test]
fn f8_another_relying_party_is_refused() {
    for rp_id in ["example.org", "evil.example.org", "sub.lms.example.org", ""] {
        assert_eq!(with(|a| a.rp_id = rp_id.to_owned()).unwrap_err(), Refusal::RelyingParty, "{rp_id}");
        let made = register(&Settings::default(), |a| a.rp_id = rp_id.to_owned());
        assert_eq!(made.err(), Some(Refusal::RelyingParty), "{rp_id}");
    }
}

#[test]
fn f8_an_unverified_user_is_refused_where_verification_is_required() {
    let required = demanding(UserVerification::Required);
    assert_eq!(register(&required, |a| a.flags = PRESENT).err(), Some(Refusal::Unverified));
    // Enrolled without, asked with.
    let (mut key, passkey) = register(&Settings::default(), |a| a.flags = PRESENT).unwrap();
    let asking = ask(&passkey, UserVerification::Required);
    let answer = key.get(asking.options(), ORIGIN, |a| a.flags = PRESENT);
    assert_eq!(judge(&asking, &answer, &passkey, 1).unwrap_err(), Refusal::Unverified);
    // Enrolled with: it can, so it must, also where it is only preferred.
    assert_eq!(with(|a| a.flags = PRESENT).unwrap_err(), Refusal::Unverified);
    // A key that never could is good where it is only preferred.
    let asking = ask(&passkey, UserVerification::Preferred);
    let proven = judge(&asking, &key.get(asking.options(), ORIGIN, |a| a.flags = PRESENT), &passkey, 1).unwrap();
    assert!(!proven.user_verified);
}

#[test]
fn f8_nobody_present_is_refused() {
    assert_eq!(with(|a| a.flags = VERIFIED).unwrap_err(), Refusal::Absent);
    assert_eq!(register(&Settings::default(), |a| a.flags = VERIFIED).err(), Some(Refusal::Absent));
}

#[test]
fn f8_an_answer_to_another_challenge_is_refused() {
    let (mut key, passkey) = honest();
    let (first, second) = (ask(&passkey, UserVerification::Preferred), ask(&passkey, UserVerification::Preferred));
    let answer = key.get(first.options(), ORIGIN, |_| {});
    assert!(judge(&first, &answer, &passkey, 1).is_ok());
    // Replayed: the second ceremony has a challenge of its own, and the first one's count is spent.
    assert_eq!(judge(&second, &answer, &passkey, 1).unwrap_err(), Refusal::Challenge);
    assert_eq!(judge(&first, &answer, &passkey, 2).unwrap_err(), Refusal::SignCount);
    let begun = begin(&[], &Settings::default());
    let (_, made) = SoftKey::create(begun.options(), ORIGIN, |_| {});
    let other = begin(&[], &Settings::default());
    assert_eq!(site().finish_registration(&made, &other).unwrap_err(), Refusal::Challenge);
    // An answer of the other kind of ceremony.
    assert!(with(|a| a.kind = "webauthn.create").is_err());
    assert!(register(&Settings::default(), |a| a.kind = "webauthn.get").is_err());
}

#[test]
fn f8_somebody_elses_credential_is_refused() {
    let ((mut theirs, _), (own, passkey)) = (honest(), honest());
    let asking = ask(&passkey, UserVerification::Preferred);
    let answer = theirs.get(asking.options(), ORIGIN, |_| {});
    assert_eq!(judge(&asking, &answer, &passkey, 1).unwrap_err(), Refusal::Unknown);
    // Under our id, with their key.
    let answer = theirs.get(asking.options(), ORIGIN, |a| a.id.clone_from(&own.id));
    assert_eq!(judge(&asking, &answer, &passkey, 1).unwrap_err(), Refusal::Signature);
    // Of another user, as the authenticator says.
    let refused = with(|a| a.user_handle = Some(b"fedcba9876543210fedcba9876543210".to_vec()));
    assert_eq!(refused.unwrap_err(), Refusal::Unknown);
    // A security key keeps no user, and says none: `null`, or nothing at all.
    assert!(with(|a| a.user_handle = None).is_ok());
    let asking = ask(&passkey, UserVerification::Preferred);
    let mut own = own;
    let mut silent: Value = serde_json::from_str(&own.get(asking.options(), ORIGIN, |_| {})).unwrap();
    silent["response"].as_object_mut().unwrap().remove("userHandle");
    assert!(judge(&asking, &silent.to_string(), &passkey, 1).is_ok());
}

#[test]
fn f8_who_is_not_named_must_be_said_by_the_authenticator() {
    let (mut key, passkey) = honest();
    for (handle, accepted) in [(Some(key.user_handle.clone()), true), (None, false), (Some(b"x".to_vec()), false)] {
        let asking = site().begin_discoverable().unwrap();
        let options: Value = serde_json::from_str(asking.options()).unwrap();
        assert_eq!(
            (&options["userVerification"], &options["allowCredentials"]),
            (&"required".into(), &Value::Array(vec![]))
        );
        let last = key.count;
        let answer = key.get(asking.options(), ORIGIN, |a| a.user_handle.clone_from(&handle));
        assert_eq!(judge(&asking, &answer, &passkey, last).is_ok(), accepted, "{handle:?}");
    }
    let asking = site().begin_discoverable().unwrap();
    let answer = key.get(asking.options(), ORIGIN, |a| a.flags = PRESENT);
    assert_eq!(judge(&asking, &answer, &passkey, 1).unwrap_err(), Refusal::Unverified);
}

#[test]
fn f8_a_sign_count_that_does_not_rise_is_refused() {
    for (last, given, accepted) in
        [(5, 6, true), (5, 5, false), (5, 4, false), (5, 0, false), (0, 0, true), (0, 1, true)]
    {
        let (mut key, passkey) = honest();
        let asking = ask(&passkey, UserVerification::Preferred);
        let answer = key.get(asking.options(), ORIGIN, |a| a.count = given);
        let judged = judge(&asking, &answer, &passkey, last);
        match accepted {
            true => assert_eq!(judged.unwrap().counter, given, "{last} → {given}"),
            false => assert_eq!(judged.unwrap_err(), Refusal::SignCount, "{last} → {given}"),
        }
    }
}

#[test]
fn f8_an_algorithm_that_was_not_offered_is_refused() {
    // RFC 9053 and 8812: EdDSA, PS256, ES512.
    for algorithm in [-8, -37, -36] {
        assert!(register(&Settings::default(), |a| a.algorithm = algorithm).is_err(), "{algorithm}");
    }
    let options: Value = serde_json::from_str(begin(&[], &Settings::default()).options()).unwrap();
    let offered: Vec<i64> =
        options["pubKeyCredParams"].as_array().unwrap().iter().map(|p| p["alg"].as_i64().unwrap()).collect();
    assert_eq!(offered, [-7, -35, -257]);
    // The key that was enrolled says how a signature is read, whatever the answer would like.
    let (mut key, passkey) = honest();
    let asking = ask(&passkey, UserVerification::Preferred);
    let answer = key.get(asking.options(), ORIGIN, |_| {});
    let mut read: Value = serde_json::from_str(&answer).unwrap();
    read["alg"] = (-257).into();
    read["response"]["signature"] = B64.encode([0u8; 256]).into();
    assert_eq!(judge(&asking, &read.to_string(), &passkey, 1).unwrap_err(), Refusal::Signature);
}

#[test]
fn f8_huge_and_deep_cbor_is_refused_at_once() {
    let long = register(&Settings::default(), |a| a.padding = vec![0; 64 * 1024]);
    assert_eq!(long.err(), Some(Refusal::TooLong));
    // Lengths that promise what does not come, and arrays in arrays.
    let promises = [
        vec![0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0xbb, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0x81; 8 * 1024],
        vec![0xd8, 0x40, 0xd8, 0x40],
    ];
    for statement in promises {
        let made = register(&Settings::default(), |a| a.attestation = ("none", statement.clone()));
        assert!(made.is_err(), "{:x?}", &statement[..4]);
    }
    let trailing = register(&Settings::default(), |a| a.padding = vec![0xff; 16]);
    assert!(trailing.is_err());
}

#[test]
fn f8_a_passkey_that_is_enrolled_is_not_enrolled_again() {
    let (key, passkey) = honest();
    let begun = begin(std::slice::from_ref(&passkey), &Settings::default());
    let (_, answer) = SoftKey::create(begun.options(), ORIGIN, |a| a.id.clone_from(&key.id));
    assert_eq!(site().finish_registration(&answer, &begun).unwrap_err(), Refusal::Present);
    // Under another name than the one that is signed.
    let begun = begin(&[], &Settings::default());
    let (_, answer) = SoftKey::create(begun.options(), ORIGIN, |_| {});
    let mut renamed: Value = serde_json::from_str(&answer).unwrap();
    renamed["id"] = B64.encode(b"another").into();
    assert_eq!(site().finish_registration(&renamed.to_string(), &begun).unwrap_err(), Refusal::Malformed);
    renamed["rawId"] = renamed["id"].clone();
    assert_eq!(site().finish_registration(&renamed.to_string(), &begun).unwrap_err(), Refusal::Malformed);
}

#[test]
fn f8_attestation_is_neither_required_nor_believed() {
    let (_, passkey) = honest();
    assert!(matches!(passkey.credential.attestation.data, webauthn_rs_core::proto::ParsedAttestationData::None));
    // A statement that does not hold is no better than none.
    let forged = [0xa2, 0x63, b'a', b'l', b'g', 0x26, 0x63, b's', b'i', b'g', 0x42, 0x00, 0x00];
    let made = register(&Settings::default(), |a| a.attestation = ("packed", forged.to_vec()));
    assert!(made.is_err());
    assert!(register(&Settings::default(), |a| a.attestation = ("android-safetynet", vec![0xa0])).is_err());
    assert!(register(&Settings::default(), |a| a.attestation = ("made-up", vec![0xa0])).is_err());
}

#[test]
fn a_passkey_that_comes_to_several_devices_is_noted_or_refused() {
    let synced = |a: &mut Answer| a.flags = PRESENT | VERIFIED | BACKUP_ELIGIBLE;
    let (mut key, passkey) = register(&Settings::default(), synced).unwrap();
    assert!(passkey.synced());
    let asking = ask(&passkey, UserVerification::Preferred);
    let answer = key.get(asking.options(), ORIGIN, |a| a.flags = PRESENT | VERIFIED | BACKUP_ELIGIBLE | BACKED_UP);
    let proven = judge(&asking, &answer, &passkey, 1).unwrap();
    assert!(proven.changed.unwrap().credential.backup_state);
    // One that was bound to its device does not leave it.
    assert_eq!(with(synced).unwrap_err(), Refusal::Backup);
}

#[test]
fn an_imported_passkey_says_at_its_first_answer_whether_it_is_synced() {
    let synced = |a: &mut Answer| a.flags = PRESENT | VERIFIED | BACKUP_ELIGIBLE;
    let (mut key, made) = register(&Settings::default(), synced).unwrap();
    let imported = Passkey::imported(key.id.clone(), key_of(&made), 0, true).unwrap();
    let asking = ask(&imported, UserVerification::Preferred);
    let proven = judge(&asking, &key.get(asking.options(), ORIGIN, synced), &imported, 0).unwrap();
    let learned = proven.changed.unwrap();
    assert!(learned.synced());
    let asking = ask(&learned, UserVerification::Preferred);
    let answer = key.get(asking.options(), ORIGIN, |_| {});
    assert_eq!(judge(&asking, &answer, &learned, 2).unwrap_err(), Refusal::Backup);
    let answer = key.get(asking.options(), ORIGIN, |a| (a.user_handle, a.flags) = (Some(b"x".to_vec()), 0b1101));
    assert_eq!(judge(&asking, &answer, &learned, 2).unwrap_err(), Refusal::Unknown, "another user handle than before");
    // Before its first answer nobody has said whose it is: it is no name by itself.
    let asking = site().begin_discoverable().unwrap();
    let answer = key.get(asking.options(), ORIGIN, synced);
    assert_eq!(judge(&asking, &answer, &imported, 2).unwrap_err(), Refusal::Unknown);
    assert!(judge(&asking, &answer, &learned, 2).is_ok());
    assert!(Passkey::imported(Vec::new(), key_of(&made), 0, false).is_none());
}

fn key_of(passkey: &Passkey) -> Key {
    match &passkey.credential.cred.key {
        COSEKeyType::EC_EC2(key) => Key::Es256 { x: key.x.clone(), y: key.y.clone() },
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_answer_is_malformed() {
    for text in ["", "{}", "null", "[]", "{\"id\":\"\"}", "123456", "\u{0}"] {
        assert_eq!(Assertion::parse(text).err(), Some(Refusal::Malformed), "{text}");
    }
    assert_eq!(Assertion::parse(&"x".repeat(LONGEST_ANSWER + 1)).err(), Some(Refusal::TooLong));
    let of_another_kind = with(|a| a.client = serde_json::json!({ "type": 1 }));
    assert!(of_another_kind.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_byte_of_an_answer_can_be_another(at in 0usize..4096, bit in 0u8..8) {
        let (mut key, passkey) = honest();
        let asking = ask(&passkey, UserVerification::Preferred);
        let answer = key.get(asking.options(), ORIGIN, |_| {});
        let mut read: Value = serde_json::from_str(&answer).unwrap();
        for part in ["clientDataJSON", "authenticatorData", "signature"] {
            let mut bytes = B64.decode(read["response"][part].as_str().unwrap()).unwrap();
            let whole = read["response"][part].clone();
            let place = at % bytes.len();
            bytes[place] ^= 1 << bit;
            read["response"][part] = B64.encode(&bytes).into();
            prop_assert!(judge(&asking, &read.to_string(), &passkey, 1).is_err(), "{part} {place}");
            read["response"][part] = whole;
        }
        prop_assert!(judge(&asking, &read.to_string(), &passkey, 1).is_ok());
    }

    #[test]
    fn no_attestation_object_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let begun = begin(&[], &Settings::default());
        let (_, answer) = SoftKey::create(begun.options(), ORIGIN, |a| a.attestation = ("packed", bytes.clone()));
        let _ = site().finish_registration(&answer, &begun);
        let mut read: Value = serde_json::from_str(&answer).unwrap();
        read["response"]["attestationObject"] = B64.encode(&bytes).into();
        prop_assert!(site().finish_registration(&read.to_string(), &begun).is_err());
    }
}
