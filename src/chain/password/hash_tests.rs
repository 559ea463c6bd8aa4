//! Known answers for every format, from its own specification and from another implementation, and what a table may
//! hold instead of a hash.

use super::*;
use crate::types::SystemRng;
use proptest::prelude::*;

fn verify(stored: &str, password: &str) -> bool {
    let hash = StoredHash::parse(stored).unwrap_or_else(|error| panic!("{stored}: {error}"));
    hash.verify(&Password::new(password.to_owned()))
}

/// Each verifies, and no longer does with one character more or the first one changed.
fn all_verify(vectors: &[(&str, &str)]) {
    for (password, stored) in vectors {
        assert!(verify(stored, password), "{stored} is the hash of {password:?}");
        assert!(!verify(stored, &format!("{password}x")), "{stored}: longer");
        assert!(!verify(stored, &format!("x{}", &password[1..])), "{stored}: other");
    }
}

/// The password of the vectors that were made with passlib 1.7.4, argon2-cffi 25.1, Django 5.2 and glibc 2.36.
const PASSWORD: &str = "Correct horse, batt\u{e9}ry";

#[test]
fn bcrypt_as_jbcrypt_crypt_blowfish_and_passlib_make_it() {
    all_verify(&[
        ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
        ("abc", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"),
        ("abcdefghijklmnopqrstuvwxyz", "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz."),
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        (PASSWORD, "$2b$05$abcdefghijklmnopqrstu.Lb.yfKpIM/1qFJy4hk/.JCZ8CObXRJy"),
        (PASSWORD, "$2y$05$abcdefghijklmnopqrstu.Lb.yfKpIM/1qFJy4hk/.JCZ8CObXRJy"),
        (PASSWORD, " {CRYPT}$2b$05$abcdefghijklmnopqrstu.Lb.yfKpIM/1qFJy4hk/.JCZ8CObXRJy  "),
    ]);
}

#[test]
fn argon2_as_its_reference_implementation_and_django_write_it() {
    all_verify(&[
        ("password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"),
        ("password", "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"),
        (PASSWORD, "$argon2i$v=16$m=1024,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$ChnF/xmIXsP9oJbzbYxe+iFWNoKhUmPrbRoL2qz1I3I"),
        (PASSWORD, "$argon2id$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$j3t3DmsGCDJhRRGq9XUOWgoTIUubpQ+pRX1G3oKokP0"),
        (PASSWORD, "$argon2i$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$KZjMIh7E5+ktNIjaRLysia6ReSI31E4qubNtSu0N5vc"),
        (PASSWORD, "$argon2d$v=19$m=1024,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$0ZuaRAAZse2Ht8QFvS0stobboXA+pSbt2SXd2pyA4/c"),
        (
            PASSWORD,
            "argon2$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$vGVc4qUrnyYmGO/egl6s2UD0K72sluq2ZXsO5KwNeWU",
        ),
    ]);
}

#[test]
fn sha_crypt_as_drepper_specifies_it_and_moodle_writes_it() {
    let long = "a very much longer text to encrypt.  This one even stretches over morethan one line.";
    let short = "we have a short salt string but not a short password";
    all_verify(&[
        ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        ("Hello world!", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"),
        ("This is just a test", "$5$rounds=5000$toolongsaltstrin$Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5"),
        (long, "$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1"),
        (short, "$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/"),
        (
            "Hello world!",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ),
        (
            "Hello world!",
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6\
             H9qs/y3RnOaw5v.",
        ),
        (
            long,
            "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7Um\
             JEiDwGqd8p4ur1",
        ),
        (
            PASSWORD,
            "$6$rounds=10000$saltSALTsalt1234$WhLJqfT0cfSHO4cdwV/ar96Re4sva6nwUHpKiGzGE1HCEVJ24Qp9DohDSXqBrdXNcA92ee8u\
             vZisNotL6fUUt/",
        ),
        (PASSWORD, "$5$saltSALTsalt1234$W/w9SiOYASAUOaF./RX0AonzzsobAsR5P2NStB7fvRA"),
    ]);
}

#[test]
fn pbkdf2_as_rfc_6070_django_and_passlib_have_it() {
    all_verify(&[
        ("password", "pbkdf2_sha1$4096$salt$SwB5AbdlSJq+rUnZJvch0GWkKcE="),
        ("l\u{e8}tmein", "pbkdf2_sha256$1000000$seasalt$r1uLUxoxpP2Ued/qxvmje7UH9PUJBkRrvf9gGPL7Cps="),
        (PASSWORD, "pbkdf2_sha256$1200$seasalt$i9PGuKcbE/NBiWLM1yVu6C7YswehHSw9NaeSXzLcYCM="),
        (PASSWORD, "pbkdf2_sha1$1200$seasalt$Qiw3eiK8ZhAo+3km+7sfxoaN3mc="),
        (PASSWORD, "$pbkdf2-sha256$1200$//5zYWx0AGJ5dGVzIQ$5tS0kBDQPX/91sUmzfTSaLjITKNli2LzQDY4S.7wdkU"),
        (
            PASSWORD,
            "$pbkdf2-sha512$1200$//5zYWx0AGJ5dGVzIQ$aj.GR/I.12jAeeR8pqsLRUmG/416I/SHI3AvVBlZN6PT2S.0h/NxIVy9B2XGBkCKy\
             go.VIejgUM5VHQRm3d76Q",
        ),
        (PASSWORD, "$pbkdf2$1200$//5zYWx0AGJ5dGVzIQ$wrG4KhsN.ArZg3IHzEN2b3ERjY8"),
    ]);
}

#[test]
fn phpass_as_its_own_test_and_passlib_have_it() {
    all_verify(&[
        ("test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"),
        (PASSWORD, "$P$5ohUJ.1sdkJpshgkTA7fp3P2m8LM4K."),
        (PASSWORD, "$H$BIQRaTwmfUOIoeyLyaKW2b5O.NsO6v1"),
    ]);
}

#[test]
fn fast_digests_verify_and_are_for_migration_only() {
    let vectors = [
        (PASSWORD, "{SSHA}UTrz+eak9O9gyxQa3PJad7E2AgMxMjM0NTY3OA=="),
        (PASSWORD, "{ssha256}ISnoNopPYNoNncUwgSqZ1Vwp6JOJp+UJSGtQ/3VsmpQxMjM0NTY3OA"),
        (
            PASSWORD,
            "{SSHA512}tpTOjJA3wfetGudCK0gP5vnNcN+yCByWpQYs5JzlUz5lP2whTJyUnSQyFNyzemwtB5sw76mED3TQ8gHETfK72TEyMzQ1Njc4",
        ),
        ("secret", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
        (PASSWORD, "{MD5}nnUZe69VcOI/Yn6hPtZVlA=="),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("abc", "900150983CD24FB0D6963F7D28E17F72"),
    ];
    all_verify(&vectors);
    for (_, stored) in vectors {
        assert!(StoredHash::parse(stored).unwrap().format().is_for_migration(), "{stored}");
    }
    let current = StoredHash::parse(&new_hash(&Password::new("x".into()), &SystemRng)).unwrap();
    assert!(!current.format().is_for_migration());
}

#[test]
fn a_new_hash_has_the_parameters_of_rfc_9106_and_a_salt_of_its_own() {
    let password = Password::new(PASSWORD.into());
    let (one, other) = (new_hash(&password, &SystemRng), new_hash(&password, &SystemRng));
    assert!(one.starts_with("$argon2id$v=19$m=65536,t=3,p=4$") && one != other, "{one}");
    let hash = StoredHash::parse(&one).unwrap();
    assert!(hash.verify(&password) && hash.is_current());
    assert!(!hash.verify(&Password::new("correct horse, batt\u{e9}ry".into())));
    let other = "$argon2id$v=19$m=65536,t=2,p=4$c29tZXNhbHRzb21lc2FsdA$vGVc4qUrnyYmGO/egl6s2UD0K72sluq2ZXsO5KwNeWU";
    assert!(!StoredHash::parse(other).unwrap().is_current());
}

#[test]
fn e9_locked_and_empty_hashes_match_nothing() {
    let locked = [
        "",
        "  ",
        "!",
        "!!",
        "*",
        "*0",
        "*1",
        "x",
        "*LK*",
        "!$6$saltstring$svn8UoSV",
        "not cached",
        "{CRYPT}!",
        "{crypt}",
    ];
    for stored in locked {
        assert_eq!(StoredHash::parse(stored).unwrap_err(), HashError::Locked, "{stored:?}");
    }
    for stored in
        ["plain text", "NP", "$", "$$", "$1$salt$abc", "$2x$06$a", "$2$", "{", "{}", "{SMD5}abc", "pbkdf2_sha9"]
    {
        assert!(matches!(StoredHash::parse(stored), Err(HashError::Unknown | HashError::Malformed(_))), "{stored:?}");
    }
    assert_eq!(StoredHash::parse(&"$".repeat(4000)).unwrap_err(), HashError::Unknown);
}

#[test]
fn e12_what_would_cost_too_much_is_refused_before_any_work() {
    let bcrypt = |cost: &str| format!("$2b${cost}$abcdefghijklmnopqrstu.Lb.yfKpIM/1qFJy4hk/.JCZ8CObXRJy");
    let argon2 = |costs: &str| {
        format!("$argon2id$v=19${costs}$c29tZXNhbHRzb21lc2FsdA$j3t3DmsGCDJhRRGq9XUOWgoTIUubpQ+pRX1G3oKokP0")
    };
    let sha = |rounds: &str| format!("$5$rounds={rounds}$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5");
    let django = |rounds: &str| format!("pbkdf2_sha256${rounds}$salt$i9PGuKcbE/NBiWLM1yVu6C7YswehHSw9NaeSXzLcYCM=");
    let costly = [
        bcrypt("15"),
        bcrypt("31"),
        bcrypt("99"),
        argon2("m=262145,t=1,p=1"),
        argon2("m=4294967295,t=1,p=1"),
        argon2("m=99999999999999999999,t=1,p=1"),
        argon2("m=1024,t=17,p=1"),
        argon2("m=1024,t=1,p=17"),
        argon2("m=262144,t=5,p=1"),
        sha("1000001"),
        sha("99999999999999"),
        django("2000001"),
        django("4294967296"),
        "$pbkdf2-sha256$2000001$//5zYWx0AGJ5dGVzIQ$5tS0kBDQPX/91sUmzfTSaLjITKNli2LzQDY4S.7wdkU".into(),
        "$P$LohUJ.1sdkJpshgkTA7fp3P2m8LM4K.".into(),
    ];
    for stored in costly {
        assert!(matches!(StoredHash::parse(&stored), Err(HashError::TooCostly(_))), "{stored}");
    }
    for stored in [bcrypt("14"), argon2("m=262144,t=4,p=16"), sha("1000000"), django("2000000")] {
        assert!(StoredHash::parse(&stored).is_ok(), "{stored}");
    }
    let nonsense = [bcrypt("03"), bcrypt("+5"), argon2("m=0,t=1,p=1"), argon2("m=8,t=1,p=4"), sha("999"), django("0")];
    for stored in nonsense {
        assert!(matches!(StoredHash::parse(&stored), Err(HashError::Malformed(_))), "{stored}");
    }
}

#[test]
fn e12_a_password_that_a_format_cannot_hold_is_refused_and_not_cut() {
    // Of 72 times `a`, made by passlib.
    let full = "$2b$04$abcdefghijklmnopqrstu.rLn0Q9E.D0VkFn0.C83zml1UCPrYHF2";
    assert!(verify(full, &"a".repeat(72)));
    assert!(!verify(full, &"a".repeat(73)), "the 73rd byte would not count");
    assert!(!verify(full, &format!("{}é", "a".repeat(72))));
    let ends_at_nul = [
        ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
        ("test12345", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"),
    ];
    for (password, stored) in ends_at_nul {
        assert!(verify(stored, password));
        assert!(!verify(stored, &format!("{password}\0")) && !verify(stored, &format!("{password}\0more")), "{stored}");
    }
    let long = "a".repeat(LONGEST_PASSWORD + 1);
    let hash = StoredHash::parse("d41d8cd98f00b204e9800998ecf8427e").unwrap();
    assert!(!hash.verify(&Password::new(String::new())), "MD5 of nothing: an empty password matches nothing");
    assert!(!hash.verify(&Password::new(long)));
}

#[test]
fn e1_a_decoy_costs_what_a_hash_does_and_matches_nothing() {
    let stored = new_hash(&Password::new("x".into()), &SystemRng);
    assert!(StoredHash::parse(&stored).unwrap().is_current());
    assert!(StoredHash::decoy().is_current(), "the same parameters");
    let like = StoredHash::parse("900150983cd24fb0d6963f7d28e17f72").unwrap().decoy_like();
    assert!(!like.verify(&Password::new("abc".into())));
    assert!(!StoredHash::decoy().verify(&Password::new("abc".into())));
}

#[test]
fn debug_shows_the_make_alone() {
    let shown = format!("{:?}", StoredHash::parse("900150983cd24fb0d6963f7d28e17f72").unwrap());
    assert_eq!(shown, "StoredHash(plain MD5)");
}

/// Texts that come close to being hashes: a prefix of each make, then characters that occur in them.
fn nearly() -> impl Strategy<Value = String> {
    let prefix = prop::sample::select(vec![
        "$2b$04$",
        "$2a$",
        "$argon2id$v=19$m=8,t=1,p=1$",
        "$argon2d$",
        "$5$",
        "$6$rounds=1000$",
        "$P$5",
        "$H$",
        "pbkdf2_sha256$1$",
        "pbkdf2_sha1$",
        "$pbkdf2$2$",
        "$pbkdf2-sha512$1$",
        "{SSHA}",
        "{SSHA512}",
        "{MD5}",
        "{",
        "*0",
    ]);
    (prefix, "[./A-Za-z0-9$=,+é]{0,70}").prop_map(|(prefix, rest)| format!("{prefix}{rest}"))
}

/// Every character of a real hash may be another, or be missing.
fn mutated() -> impl Strategy<Value = String> {
    let whole = prop::sample::select(vec![
        "$2b$04$abcdefghijklmnopqrstu.rLn0Q9E.D0VkFn0.C83zml1UCPrYHF2",
        "$argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHRzb21lc2FsdA$j3t3DmsGCDJhRRGq9XUOWgoTIUubpQ+pRX1G3oKokP0",
        "$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1",
        "pbkdf2_sha1$12$seasalt$Qiw3eiK8ZhAo+3km+7sfxoaN3mc=",
        "$pbkdf2$12$//5zYWx0AGJ5dGVzIQ$wrG4KhsN.ArZg3IHzEN2b3ERjY8",
        "$P$5ohUJ.1sdkJpshgkTA7fp3P2m8LM4K.",
        "{SSHA}UTrz+eak9O9gyxQa3PJad7E2AgMxMjM0NTY3OA==",
        "900150983cd24fb0d6963f7d28e17f72",
    ]);
    (whole, any::<prop::sample::Index>(), prop::option::of("[$=,./a0é ]")).prop_map(|(whole, at, with)| {
        let at = at.index(whole.len());
        format!("{}{}{}", &whole[..at], with.unwrap_or_default(), &whole[at + 1..])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn no_stored_text_makes_it_panic(stored in prop_oneof![any::<String>(), nearly(), mutated()], typed in ".{0,80}") {
        if let Ok(hash) = StoredHash::parse(&stored) {
            // A digit before a cost makes an affordable hash that takes a second; one of those proves nothing more.
            let slow = stored.contains("m=") && stored.len() > 100 || stored.contains("$14$");
            prop_assert!(slow || !hash.verify(&Password::new(typed)));
        }
    }
}
