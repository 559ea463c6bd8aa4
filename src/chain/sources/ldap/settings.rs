//! The keys of an `ldap` instance, what is wrong with them, and the source they make.

use super::{
    LdapSource,
    dial::Dialer,
    endpoint::{BadUrl, Endpoint, Rules},
    entry::Attributes,
    names,
    pool::Pool,
    source::{GroupsFrom, Parts},
    state::Dialect,
};
use crate::{
    chain::sources::{self, BuildError, Finding, Needs, Source},
    types::Secret,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde::Deserialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `ldaps://HOST[:PORT]` or `ldap://HOST[:PORT]`, asked in this order.
    pub urls: Vec<String>,
    /// Upgrade `ldap:` connections to TLS before anything else is said.
    #[serde(default)]
    pub starttls: bool,
    #[serde(default)]
    pub plaintext: Plaintext,
    /// The CA that signed the servers' certificates, as PEM. Without it, the public ones (Mozilla's).
    pub ca_file: Option<PathBuf>,
    #[serde(default)]
    pub directory: Dialect,
    /// The service account. Without it, searches are anonymous.
    pub bind: Option<ServiceAccount>,
    /// Where a name is looked for.
    pub search: Option<Search>,
    /// The name to bind as, without a search: `uid={username},ou=people,dc=…` or `{username}@example.org`.
    pub direct: Option<String>,
    #[serde(default)]
    pub attributes: AttributeNames,
    #[serde(default)]
    pub groups: Groups,
    #[serde(default)]
    pub referrals: Referrals,
}

/// Whether passwords may go over a connection that anybody on the way can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plaintext {
    #[default]
    Refuse,
    Allow,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccount {
    pub dn: String,
    /// `env:NAME` or `file:PATH`.
    pub password: String,
}

/// The same with the password behind the reference.
pub struct Service {
    pub dn: String,
    pub password: Secret<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    pub base: String,
    #[serde(default)]
    pub scope: Scope,
    /// With `{username}`. Default: by `uid`, or `sAMAccountName` in Active Directory.
    pub filter: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    #[default]
    Subtree,
    OneLevel,
}

/// Names of attributes, where they are not the dialect's own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttributeNames {
    pub subject: Option<String>,
    pub username: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub password_mark: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Groups {
    pub from: From,
    /// Groups directly below it go by their short names, all others by their whole DNs.
    pub base: Option<String>,
    /// With `{dn}` or `{username}`.
    pub filter: Option<String>,
    /// Groups of groups too (Active Directory).
    pub nested: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// Groups are not read.
    #[default]
    None,
    /// The entry's `memberOf`.
    MemberOf,
    /// A search below `base`.
    Search,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Referrals {
    /// Hosts that the service account's and the users' passwords may be sent to when a directory refers to them.
    pub follow: Vec<String>,
}

impl Settings {
    fn rules(&self) -> Rules {
        Rules { starttls: self.starttls, plaintext: self.plaintext == Plaintext::Allow }
    }

    fn filter(&self) -> String {
        let own = self.search.as_ref().and_then(|search| search.filter.clone());
        own.unwrap_or_else(|| match self.directory {
            Dialect::Standard => "(uid={username})".to_owned(),
            Dialect::ActiveDirectory => {
                "(&(objectCategory=person)(objectClass=user)(sAMAccountName={username}))".to_owned()
            }
        })
    }

    fn attributes(&self) -> Attributes {
        let names = &self.attributes;
        let or = |own: &Option<String>, standard: &str, active_directory: &str| match (own, self.directory) {
            (Some(own), _) => own.clone(),
            (None, Dialect::Standard) => standard.to_owned(),
            (None, Dialect::ActiveDirectory) => active_directory.to_owned(),
        };
        Attributes {
            subject: or(&names.subject, "entryUUID", "objectGUID"),
            username: or(&names.username, "uid", "sAMAccountName"),
            first_name: or(&names.first_name, "givenName", "givenName"),
            last_name: or(&names.last_name, "sn", "sn"),
            name: or(&names.name, "cn", "displayName"),
            email: or(&names.email, "mail", "mail"),
            password_mark: or(&names.password_mark, "pwdChangedTime", "pwdLastSet"),
        }
    }

    fn groups(&self) -> GroupsFrom {
        let Groups { from, base, filter, nested } = self.groups.clone();
        match (from, base) {
            (From::None, _) => GroupsFrom::Nowhere,
            (From::MemberOf, base) => GroupsFrom::MemberOf { base },
            (From::Search, base) => {
                // LDAP_MATCHING_RULE_IN_CHAIN (MS-ADTS §3.1.1.3.4.4.3): the directory itself walks groups of groups.
                let member = if nested { "(member:1.2.840.113556.1.4.1941:={dn})" } else { "(member={dn})" };
                let filter = filter.unwrap_or_else(|| member.to_owned());
                GroupsFrom::Search { base: base.unwrap_or_default(), filter }
            }
        }
    }

    fn check_urls(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        if self.urls.is_empty() {
            found.push(Finding::error("urls", "no server is named", "name one: [\"ldaps://ldap.example.org\"]"));
        }
        for url in &self.urls {
            match Endpoint::parse(url, self.rules()) {
                Ok(endpoint) if endpoint.security == super::endpoint::Security::Plain => found.push(Finding::warning(
                    "urls",
                    format!("passwords go to {endpoint} without TLS"),
                    "use ldaps:// or `starttls: true`; leave it only where no network lies between",
                )),
                Ok(_) => {}
                Err(BadUrl::Unprotected) => found.push(Finding::error(
                    "urls",
                    format!("{url}: {}", BadUrl::Unprotected),
                    "use ldaps:// or add `starttls: true`; `plaintext: allow` is for a directory on this machine",
                )),
                Err(bad) => {
                    found.push(Finding::error("urls", format!("{url}: {bad}"), "write ldaps://ldap.example.org"));
                }
            }
        }
        found
    }

    fn check_names(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut wants = |key: &str, text: &str| {
            if !text.contains(names::USERNAME) {
                let what = "it names everybody alike: `{username}` is missing";
                found.push(Finding::error(key, what, "put {username} where the name goes"));
            }
        };
        wants("search.filter", &self.filter());
        if let Some(direct) = &self.direct {
            wants("direct", direct);
        }
        let filters = [
            ("search.filter", Some(names::filter_for(&self.filter(), "a"))),
            (
                "groups.filter",
                self.groups.filter.as_ref().map(|text| names::filter_for(text, "a").replace(names::DN, "a")),
            ),
        ];
        for (key, filter) in filters {
            if filter.is_some_and(|filter| ldap3::parse_filter(filter).is_err()) {
                found.push(Finding::error(key, "it is no LDAP filter", "write it like (uid={username}) (RFC 4515)"));
            }
        }
        found
    }

    fn check_together(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let needs_search = self.direct.as_deref().is_none_or(|name| !names::is_dn(name));
        if self.search.is_none() && needs_search {
            let what = "it is not said where people are looked for";
            found.push(Finding::error("search", what, "add search: {base: \"ou=people,dc=example,dc=org\"}"));
        }
        if self.groups.from == From::Search && self.groups.base.is_none() {
            let what = "it is not said where groups are looked for";
            found.push(Finding::error("groups.base", what, "add base: \"ou=groups,dc=example,dc=org\""));
        }
        if self.groups.nested && (self.directory != Dialect::ActiveDirectory || self.groups.from != From::Search) {
            let what = "only a group search in Active Directory follows groups of groups";
            found.push(Finding::error("groups.nested", what, "use `directory: active_directory`, `from: search`"));
        }
        let inline = |text: &str| !text.starts_with("env:") && !text.starts_with("file:");
        if self.bind.as_ref().is_some_and(|bind| inline(&bind.password)) {
            let what = "the service account's password stands in the file itself";
            found.push(Finding::error("bind.password", what, "write env:NAME or file:PATH"));
        }
        if self.direct.is_some() && self.bind.is_none() {
            let what = "without a service account nobody can be asked about without a password: leavers stay signed in \
                        until their sessions end";
            found.push(Finding::warning("direct", what, "add `bind` and `search`"));
        }
        if !self.referrals.follow.is_empty() {
            let hosts = self.referrals.follow.join(", ");
            let what = format!("passwords are sent to {hosts} when the directory says so");
            found.push(Finding::warning("referrals.follow", what, "leave it out where one directory holds everybody"));
        }
        found
    }
}

impl sources::Settings for Settings {
    fn check(&self) -> Vec<Finding> {
        [self.check_urls(), self.check_names(), self.check_together()].concat()
    }

    fn references(&self) -> Vec<(&'static str, &str)> {
        self.bind.iter().map(|bind| ("bind.password", bind.password.as_str())).collect()
    }

    fn files(&self) -> Vec<(&'static str, &Path)> {
        self.ca_file.iter().map(|path| ("ca_file", path.as_path())).collect()
    }

    fn states_groups(&self) -> bool {
        self.groups.from != From::None
    }

    fn build(&self, needs: &Needs<'_>) -> Result<Source, BuildError> {
        let endpoints = self.urls.iter().map(|url| Endpoint::parse(url, self.rules())).collect::<Result<Vec<_>, _>>();
        let endpoints = endpoints.map_err(|error| BuildError::new("urls", error))?;
        let tls = tls(self.ca_file.as_deref()).map_err(|said| BuildError::new("ca_file", said))?;
        let service = self.bind.as_ref().map(|bind| {
            let password = (needs.secret)(&bind.password).map_err(|said| BuildError::new("bind.password", said))?;
            if password.expose().is_empty() {
                return Err(BuildError::new("bind.password", "it is empty, which would bind as nobody"));
            }
            Ok(Service { dn: bind.dn.clone(), password })
        });
        let service = service.transpose()?;
        // A direct bind says nothing about others; a search does, as somebody or as nobody.
        let asks_without_password = self.search.is_some() && (self.direct.is_none() || service.is_some());
        let source = Arc::new(LdapSource::new(Parts {
            dialer: Dialer::new(endpoints, tls, needs.deadline),
            pool: Pool::new(service),
            rules: self.rules(),
            follow: self.referrals.follow.iter().map(|host| host.to_ascii_lowercase()).collect(),
            search: self.search.clone(),
            filter: self.filter(),
            direct: self.direct.clone(),
            attributes: self.attributes(),
            dialect: self.directory,
            groups: self.groups(),
            deadline: needs.deadline,
            clock: needs.clock.clone(),
            rng: needs.rng.clone(),
        }));
        Ok(Source {
            password: Some(source.clone()),
            redirect: None,
            directory: asks_without_password.then_some(source),
        })
    }
}

/// What servers' certificates are verified against: one CA, or the public ones.
pub fn tls(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unreadable = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                roots.add(certificate).map_err(|error| unreadable(&error))?;
            }
            if roots.is_empty() {
                return Err(unreadable(&"it holds no certificate"));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
