//! Passkeys: where browsers have none, and settings that would say nothing.

use crate::{
    config::{
        Config,
        problem::{Problem, at},
    },
    lms::SignIn,
    mfa::factors::webauthn::RelyingParty,
    types::FactorKind,
};

pub(super) fn check(config: &Config, found: &mut Vec<Problem>) {
    for (n, factor) in config.mfa.factors.iter().enumerate().filter(|(_, factor)| factor.kind != FactorKind::Webauthn) {
        let set = [
            ("user_verification", factor.user_verification.is_some()),
            ("attachment", factor.attachment.is_some()),
            ("passwordless", factor.passwordless.is_some()),
        ];
        for (key, _) in set.into_iter().filter(|(_, set)| *set) {
            found.push(Problem::error(
                at("mfa.factors").index(n).key(key),
                format!("has a meaning for webauthn alone, and this is {}", factor.kind),
                "remove it, or move it to { kind: webauthn }",
            ));
        }
    }
    if let Some(n) = config.mfa.factors.iter().position(|factor| factor.kind == FactorKind::Webauthn) {
        places(config, n, found);
    }
}

fn places(config: &Config, n: usize, found: &mut Vec<Problem>) {
    for (m, site) in config.sites.iter().enumerate() {
        if RelyingParty::of(&site.public_url).is_none() {
            found.push(Problem::warning(
                at("sites").index(m).key("public_url"),
                "has no passkeys: browsers make them for a name under https alone, and never for an address",
                "give the site a host name and https, or expect its users to have another factor",
            ));
        }
    }
    let passwordless = config.mfa.factors[n].passwordless.unwrap_or_default();
    if passwordless && config.sites.iter().all(|site| site.sign_in != SignIn::Header) {
        found.push(Problem::error(
            at("mfa.factors").index(n).key("passwordless"),
            "nobody could use it: the sign-in page of the gateway's own is shown where a site says sign_in: header",
            "remove it, or set sign_in: header at a site",
        ));
    }
}
