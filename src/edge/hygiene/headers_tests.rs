//! Attacks B1–B3, B6–B8, B10, A10 and A11 on names and values alone.

use super::*;
use proptest::prelude::*;

fn rules() -> HeaderRules {
    HeaderRules::new(["X-Vestibule-User", "X-V-0123456789abcdef0123456789abcdef", "X_Campus_Person"])
}

fn names(fields: &[(&str, &str)], rules: &HeaderRules) -> Vec<String> {
    let pairs = fields.iter().map(|(n, v)| (*n, v.as_bytes()));
    scrub(pairs, rules).unwrap().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn b1_identity_headers_are_dropped_in_every_spelling() {
    for name in [
        "X-Vestibule-User",
        "x-vestibule-assertion",
        "X_Vestibule_User",
        "x-vestibule_user",
        "X-VESTIBULE-ANYTHING",
        "X.Vestibule.User",
        "X-Vestibule-User ",
        "X-Vestibule-User\t",
        "X-V-0123456789abcdef0123456789abcdef",
        "x_v_0123456789abcdef0123456789abcdef",
        // A name that a rotation has just made, which no rule was told, and the attributes beside it.
        "X-V-fedcba9876543210fedcba9876543210",
        "x-V_fedcba9876543210fedcba9876543210-Firstname",
        "X-V-fedcba9876543210fedcba9876543210-Email",
        "X-Campus-Person",
        "x-campus_person",
        "Remote-User",
        "REMOTE_USER",
        "X-Remote-User",
        "Shib-Session-ID",
        "Shib_mail",
        "Redirect-Remote-User",
        "REDIRECT_REMOTE_USER",
        "Auth-User",
        "OIDC-Claim-Sub",
        "X-Forwarded-User",
        "X-Moodleuser",
        "Cookie",
        "",
        "ü",
    ] {
        assert_eq!(rules().fate(name), Fate::Drop, "{name:?}");
    }
    for name in
        ["Accept", "User-Agent", "X-Requested-With", "Content-Type", "X-Vest", "Range", "Origin", "Sec-Fetch-Mode"]
    {
        assert_eq!(rules().fate(name), Fate::Keep, "{name}");
    }
}

#[test]
fn b2_connection_takes_only_the_clients_own_fields_away() {
    let fields = [("Connection", "close, X-Vestibule-User, x-own"), ("X-Own", "1"), ("Accept", "*/*")];
    assert_eq!(names(&fields, &rules()), ["Accept"]);
    for value in ["Host", "close, content-length", "Cookie", "content-TYPE", "transfer-encoding", "a b", "x\u{e9}"] {
        let fields = [("Connection", value)];
        assert!(scrub(fields.iter().map(|(n, v)| (*n, v.as_bytes())), &rules()).is_err(), "{value}");
    }
}

#[test]
fn b3_nobody_else_says_where_a_client_is() {
    for name in [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded",
        "X-Real-IP",
        "Client-IP",
        "CF-Connecting-IP",
        "True-Client-IP",
        "Via",
    ] {
        assert_eq!(rules().fate(name), Fate::Drop, "{name}");
    }
}

#[test]
fn b6_b7_hop_by_hop_fields_and_proxy_are_dropped() {
    for name in ["TE", "Trailer", "Proxy", "Proxy-Authorization", "Keep-Alive", "Upgrade", "Connection", "Expect"] {
        assert_eq!(rules().fate(name), Fate::Drop, "{name}");
    }
    for name in ["X-MOODLEUSER", "X-Accel-Redirect", "x-accel-buffering", "Trailer", "X-Vestibule-User", "Connection"] {
        assert!(drop_response_header(name), "{name}");
    }
    for name in ["Content-Type", "Set-Cookie", "Location", "X-Frame-Options", "Access-Control-Allow-Origin"] {
        assert!(!drop_response_header(name), "{name}");
    }
}

#[test]
fn b10_authorization_passes_only_where_configured() {
    assert_eq!(rules().fate("Authorization"), Fate::Drop);
    assert_eq!(rules().with_authorization().fate("authorization"), Fate::Keep);
    assert_eq!(rules().with_authorization().fate("Proxy-Authorization"), Fate::Drop);
}

#[test]
fn a10_a11_nobody_else_says_what_is_asked_for() {
    for name in [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Uri",
        "X-HTTP-Method-Override",
        "x-http-method",
        "X-Method-Override",
    ] {
        assert_eq!(rules().fate(name), Fate::Drop, "{name}");
    }
}

#[test]
fn a15_validators_that_moodle_signs_in_lose_their_name() {
    let fields = [("User-Agent", "W3C_Validator/1.3"), ("user-agent", "x cynthia 1"), ("User-Agent", "MoodleMobile 5")];
    let values: Vec<_> =
        scrub(fields.iter().map(|(n, v)| (*n, v.as_bytes())), &rules()).unwrap().into_iter().map(|(_, v)| v).collect();
    assert_eq!(values, [&b"Mozilla/5.0 (compatible)"[..], b"Mozilla/5.0 (compatible)", b"MoodleMobile 5"]);
}

/// How the most lenient server names the variable of a header.
fn cgi(name: &str) -> String {
    name.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

proptest! {
    /// R7: whatever is left cannot become the variable of one of our headers.
    #[test]
    fn b1_no_identity_header_survives_in_any_spelling(
        which in 0usize..6,
        case in any::<u64>(),
        signs in "[-_. ]{0,40}",
        tail in "[ \t]{0,2}",
    ) {
        let ours = ["x-vestibule-user", "x-vestibule-auth-time", "x-v-0123456789abcdef0123456789abcdef",
            "x-campus-person", "remote-user", "x-forwarded-for"][which];
        let mut signs = signs.chars();
        let spelled: String = ours.chars().enumerate().map(|(n, c)| match c {
            '-' => signs.next().unwrap_or('-'),
            c if case >> (n % 64) & 1 == 1 => c.to_ascii_uppercase(),
            c => c,
        }).chain(tail.chars()).collect();
        let kept = scrub([(spelled.as_str(), &b"x"[..])].into_iter(), &rules()).unwrap();
        prop_assert!(kept.is_empty(), "{spelled:?}");
    }

    #[test]
    fn b1_any_name_that_survives_folds_to_none_of_ours(name in "[ -~]{0,30}") {
        if rules().fate(&name) == Fate::Keep {
            let folded = cgi(&name);
            prop_assert!(!folded.starts_with("X_VESTIBULE_") && !folded.starts_with("X_V_"));
            prop_assert!(folded != "X_CAMPUS_PERSON" && folded != "REMOTE_USER" && !folded.starts_with("X_FORWARDED"));
        }
    }
}
