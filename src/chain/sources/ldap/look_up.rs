//! Looking for exactly one entry, here and wherever the operator lets the directory refer to.

use super::{
    dial::Errand,
    endpoint::Endpoint,
    entry::Entry,
    line::{Fault, Line, Query},
    settings,
    source::LdapSource,
};
use ldap3::Scope;

/// Referrals followed for one name.
const HOPS: usize = 4;

/// Whom a search found.
pub enum Found {
    Nobody,
    One(Box<Entry>, Endpoint),
    Several,
}

impl LdapSource {
    pub fn query<'a>(&'a self, base: &'a str, scope: Scope, filter: &'a str, limit: usize) -> Query<'a> {
        let seconds = i32::try_from(self.parts.deadline.as_secs().max(1)).unwrap_or(i32::MAX);
        let dialect = self.parts.dialect;
        Query { base, scope, filter, attributes: &self.wanted, limit, seconds, dialect }
    }

    pub fn base(&self) -> Result<(&str, Scope), Fault> {
        let search = self.parts.search.as_ref().ok_or_else(|| Fault::Other("no `search` is configured".into()))?;
        let scope = match search.scope {
            settings::Scope::Subtree => Scope::Subtree,
            settings::Scope::OneLevel => Scope::OneLevel,
        };
        Ok((&search.base, scope))
    }

    /// Looks for exactly one entry, as the service account.
    pub async fn look_up(&self, filter: &str, errand: &Errand<'_>) -> Result<Found, Fault> {
        let (base, scope) = self.base()?;
        let (hits, at) =
            self.parts.pool.search(&self.parts.dialer, &self.query(base, scope, filter, 1), errand).await?;
        let mut found: Vec<(Entry, Endpoint)> = hits.entries.into_iter().map(|entry| (entry, at.clone())).collect();
        let (mut more, mut elsewhere, mut refused) = (hits.more, hits.references, false);
        let mut visited: Vec<(Endpoint, String)> = vec![(at, base.to_owned())];
        while let Some(url) = elsewhere.pop() {
            let Some((endpoint, other_base)) = self.may_follow(&url) else {
                errand.trace.note("search", || "a referral is not followed".to_owned());
                refused = true;
                continue;
            };
            let place = (endpoint, other_base.unwrap_or_else(|| base.to_owned()));
            if visited.contains(&place) || visited.len() > HOPS {
                return Err(Fault::Other("referrals lead on and on".into()));
            }
            let (endpoint, other_base) = &place;
            errand.asks(endpoint);
            let line = Line::open(endpoint, &self.parts.dialer.tls, errand.trace).await?;
            let (mut line, ()) = self.parts.pool.bind(line, errand).await?;
            let hits = line.search(&self.query(other_base, scope, filter, 1)).await?;
            found.extend(hits.entries.into_iter().map(|entry| (entry, endpoint.clone())));
            more |= hits.more;
            elsewhere.extend(hits.references);
            visited.push(place);
        }
        errand.trace.note("search", || {
            let dns: Vec<&str> = found.iter().map(|(entry, _)| entry.dn.as_str()).collect();
            let tail = if more { " and more" } else { "" };
            format!("{filter} below {base:?}: {} found {}{tail}", dns.len(), dns.join(" | "))
        });
        match (found.pop(), found.is_empty() && !more) {
            (Some((entry, at)), true) => Ok(Found::One(Box::new(entry), at)),
            (Some(_), false) => Ok(Found::Several),
            // It has no entry within its own limits, or somebody else may have it: that is not "unknown".
            (None, false) => Err(Fault::Other("the directory's own limits cut the search off".into())),
            (None, true) if refused => {
                Err(Fault::Other("the directory refers to a server that `referrals.follow` does not name".into()))
            }
            (None, true) => Ok(Found::Nobody),
        }
    }

    /// Only hosts that the operator named are sent a password.
    fn may_follow(&self, url: &str) -> Option<(Endpoint, Option<String>)> {
        let (endpoint, base) = Endpoint::of_referral(url, self.parts.rules).ok()?;
        self.parts.follow.contains(&endpoint.host).then_some((endpoint, base))
    }
}
