//! Where a directory is reached and how the way there is protected, from the URLs in gateway.yaml and in referrals.

use http::Uri;
use percent_encoding::percent_decode_str;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// `ldaps:`
    Tls,
    /// `ldap:`, upgraded before anything else is said.
    StartTls,
    /// `ldap:`, readable on the way. Only where the operator wrote `plaintext: allow`.
    Plain,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
    pub security: Security,
}

/// What `ldap:` means for this instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    pub starttls: bool,
    pub plaintext: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    #[error("it is no ldaps://HOST or ldap://HOST, with or without :PORT")]
    Malformed,
    #[error("without TLS everybody on the way reads the passwords")]
    Unprotected,
}

impl Endpoint {
    /// Of `urls:`. A path there would be mistaken for the search base, which has a key of its own.
    pub fn parse(url: &str, rules: Rules) -> Result<Self, BadUrl> {
        let (endpoint, base) = parse(url, rules)?;
        if base.is_empty() { Ok(endpoint) } else { Err(BadUrl::Malformed) }
    }

    /// Of a referral (RFC 4516): also the base it names, if any. Its scope and filter stay ours.
    pub fn of_referral(url: &str, rules: Rules) -> Result<(Self, Option<String>), BadUrl> {
        // Some directories leave spaces in the DN as they are.
        let (endpoint, base) = parse(&url.replace(' ', "%20"), rules)?;
        Ok((endpoint, (!base.is_empty()).then_some(base)))
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.security == Security::Tls { "ldaps" } else { "ldap" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{scheme}://{host}:{}", self.port)
    }
}

fn parse(url: &str, rules: Rules) -> Result<(Endpoint, String), BadUrl> {
    let uri: Uri = url.parse().map_err(|_| BadUrl::Malformed)?;
    let (security, port) = match uri.scheme_str().unwrap_or_default() {
        "ldaps" => (Security::Tls, 636),
        "ldap" if rules.starttls => (Security::StartTls, 389),
        "ldap" if rules.plaintext => (Security::Plain, 389),
        "ldap" => return Err(BadUrl::Unprotected),
        _ => return Err(BadUrl::Malformed),
    };
    let authority = uri.authority().ok_or(BadUrl::Malformed)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if host.is_empty() || authority.as_str().contains('@') {
        return Err(BadUrl::Malformed);
    }
    let base = percent_decode_str(uri.path().trim_start_matches('/')).decode_utf8().map_err(|_| BadUrl::Malformed)?;
    Ok((Endpoint { host, port: authority.port_u16().unwrap_or(port), security }, base.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAFE: Rules = Rules { starttls: false, plaintext: false };

    #[test]
    fn urls_say_where_and_how() {
        let parse = |url, rules| Endpoint::parse(url, rules).map(|endpoint| (endpoint.to_string(), endpoint.security));
        assert_eq!(parse("ldaps://dc1.example.org", SAFE), Ok(("ldaps://dc1.example.org:636".into(), Security::Tls)));
        let starttls = Rules { starttls: true, ..SAFE };
        assert_eq!(parse("ldap://[::1]:1389/", starttls), Ok(("ldap://[::1]:1389".into(), Security::StartTls)));
        let plaintext = Rules { plaintext: true, ..SAFE };
        assert_eq!(parse("ldap://localhost", plaintext), Ok(("ldap://localhost:389".into(), Security::Plain)));
        let both = Rules { starttls: true, plaintext: true };
        assert_eq!(parse("ldap://localhost", both).unwrap().1, Security::StartTls, "never less than was asked for");
    }

    #[test]
    fn e8_ldap_without_tls_needs_to_be_asked_for() {
        assert_eq!(Endpoint::parse("ldap://localhost", SAFE), Err(BadUrl::Unprotected));
        assert_eq!(Endpoint::of_referral("ldap://elsewhere/dc=x", SAFE), Err(BadUrl::Unprotected));
    }

    #[test]
    fn what_is_no_ldap_url_is_refused() {
        for url in ["", "localhost", "https://localhost", "ldaps://", "ldaps://user@host", "ldaps://host/dc=x"] {
            assert_eq!(Endpoint::parse(url, SAFE), Err(BadUrl::Malformed), "{url}");
        }
    }

    #[test]
    fn a_referral_names_a_base_too() {
        let (endpoint, base) =
            Endpoint::of_referral("ldaps://DC2.example.org/ou=far away,dc=example%2Cdc=org??sub", SAFE).unwrap();
        assert_eq!(endpoint.host, "dc2.example.org");
        assert_eq!(base.as_deref(), Some("ou=far away,dc=example,dc=org"));
        assert_eq!(Endpoint::of_referral("ldaps://dc2.example.org", SAFE).unwrap().1, None);
    }
}
