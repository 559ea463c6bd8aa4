//! `vestibule check --probe`: can the LMS be reached around the gateway, and is it ready for header sign-in (J2)?
//!
//! It looks from this machine, the one place from which the LMS may be reached, so it can prove that something is open
//! and never that all is shut. What it cannot see it says.

use crate::{
    keys::{SharedKeyring, TrustedHeader},
    lms::{HeaderIdentity, Held, Judgement, Lms, LmsError, Site, moodle::Moodle},
    outbound::Upstream,
    types::{ClientAddr, Rng},
};
use nix::ifaddrs::getifaddrs;
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// For each connection; a firewall that drops gives no answer at all.
const WAIT: Duration = Duration::from_secs(3);
/// A machine with more addresses than this is probed by its first ones.
const MOST_ADDRESSES: usize = 16;
/// Who is named with the guessed header: nobody. No LMS believes a header of 128 random bits, so nobody is created.
const NOBODY: &str = "vestibule-probe";

/// One site, and from where.
pub struct Plan<'a> {
    pub site: &'a Site,
    pub upstream: Upstream,
    pub ring: SharedKeyring,
    /// This machine's addresses, without loopback ([`own_addresses`]).
    pub own: Vec<IpAddr>,
    /// An account of the LMS that header sign-in is tried with.
    pub user: Option<&'a str>,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    Good,
    /// Could not be looked at.
    Unknown,
    /// Open as far as this machine can tell.
    Warning,
    /// Certainly wrong.
    Bad,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub weight: Weight,
    pub what: String,
    pub advice: Option<String>,
}

/// What was found at one site.
#[derive(Debug)]
pub struct Report {
    site: String,
    upstream: String,
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn worst(&self) -> Weight {
        self.findings.iter().map(|finding| finding.weight).max().unwrap_or(Weight::Good)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: around the gateway (LMS at {})", self.site, self.upstream)?;
        for Finding { weight, what, advice } in &self.findings {
            let mark = match weight {
                Weight::Good => "ok",
                Weight::Unknown => "unknown",
                Weight::Warning => "warning",
                Weight::Bad => "BAD",
            };
            writeln!(f, "  {mark:<8} {what}")?;
            if let Some(advice) = advice {
                writeln!(f, "  {:<8}   → {advice}", "")?;
            }
        }
        Ok(())
    }
}

/// The addresses of this machine's interfaces, without loopback and link-local ones.
pub fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    let mut found: Vec<IpAddr> = Vec::new();
    for storage in interfaces.filter_map(|interface| interface.address) {
        let v4 = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip()));
        if let Some(address) = v4.or(v6).filter(|address| !address.is_loopback() && !is_link_local(*address))
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found.truncate(MOST_ADDRESSES);
    found
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Looks at one site. Signs nobody in but `plan.user`, and logs that session out.
pub async fn probe(plan: &Plan<'_>, rng: &dyn Rng) -> Report {
    let mut findings = Vec::new();
    match seen(plan).await {
        Ok(all) => findings.extend(all.iter().flat_map(judge)),
        Err(why) => findings.push(bad(why, "correct upstream.url, or start the LMS")),
    }
    findings.push(guess(plan, rng).await);
    findings.push(real(plan).await);
    findings.push(Finding {
        weight: Weight::Unknown,
        what: "what other machines can reach is not seen from here".into(),
        advice: Some(format!(
            "from one that has no business with the LMS: `curl -m 5 http://LMS-ADDRESS:{}/` must fail",
            plan.site.upstream.url.port()
        )),
    });
    let (site, upstream) = (plan.site.name.to_string(), plan.site.upstream.url.to_string());
    Report { site, upstream, findings }
}

/// One address of the LMS, as the network shows it.
#[derive(Debug)]
struct Seen {
    address: SocketAddr,
    answers: bool,
    /// Own address, and whether the port answered there (LMS on loopback) or from there (LMS elsewhere).
    own: Vec<(IpAddr, bool)>,
}

async fn seen(plan: &Plan<'_>) -> Result<Vec<Seen>, String> {
    let url = &plan.site.upstream.url;
    let host = url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let resolved =
        lookup_host((host.as_str(), url.port())).await.map_err(|e| format!("{host} does not resolve: {e}"))?;
    let mut all = Vec::new();
    for address in resolved.take(MOST_ADDRESSES) {
        let mut own = Vec::new();
        for from in plan.own.iter().copied().take(MOST_ADDRESSES) {
            if address.ip().is_loopback() {
                own.push((from, connects(None, SocketAddr::new(from, address.port())).await));
            } else if from.is_ipv4() == address.is_ipv4() {
                own.push((from, connects(Some(from), address).await));
            }
        }
        all.push(Seen { address, answers: connects(None, address).await, own });
    }
    Ok(all)
}

async fn connects(from: Option<IpAddr>, to: SocketAddr) -> bool {
    let connecting = async {
        match from {
            None => TcpStream::connect(to).await,
            Some(from) => {
                let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
                socket.bind(SocketAddr::new(from, 0))?;
                socket.connect(to).await
            }
        }
    };
    tokio::time::timeout(WAIT, connecting).await.is_ok_and(|connected| connected.is_ok())
}

const SHUT: &str =
    "let the LMS's web server listen on a loopback address alone, or a firewall admit this machine alone";

fn judge(seen: &Seen) -> Vec<Finding> {
    let Seen { address, answers, own } = seen;
    let port = address.port();
    let places = |wanted: bool| {
        let of: Vec<String> = own.iter().filter(|(_, at)| *at == wanted).map(|(ip, _)| ip.to_string()).collect();
        (!of.is_empty()).then(|| of.join(", "))
    };
    let mut found = Vec::new();
    if !answers {
        found.push(bad(format!("nothing answers at {address}"), "correct upstream.url, or start the LMS"));
    }
    if address.ip().is_loopback() {
        if *answers {
            found.push(good(format!("{address} is a loopback address: other machines cannot name it")));
        }
        if let Some(at) = places(true) {
            found.push(warning(
                format!("port {port} answers at {at} too: whoever reaches this machine may reach the LMS there"),
                SHUT,
            ));
        } else if let Some(at) = places(false) {
            found.push(good(format!("port {port} does not answer at {at}")));
        }
    } else {
        let from = places(true).map_or_else(|| "".to_owned(), |at| format!(" and answers connections from {at}"));
        found.push(warning(
            format!("{address} is no loopback address{from}: the network between may hold others who reach it"),
            SHUT,
        ));
    }
    if own.is_empty() {
        found.push(Finding {
            weight: Weight::Unknown,
            what: format!("this machine has no address from which {address} could be tried as an outsider would"),
            advice: None,
        });
    }
    found
}

/// J2: a header nobody told the LMS about.
async fn guess(plan: &Plan<'_>, rng: &dyn Rng) -> Finding {
    let name = plan.user.unwrap_or(NOBODY);
    match moodle(plan).believes(&TrustedHeader::generate(rng), name).await {
        Ok(false) => good("a guessed header name signs nobody in".into()),
        Ok(true) => bad(
            "the LMS signed somebody in by a header name that was only guessed".into(),
            "find out what it believes: auth_shibboleth/user_attribute in Moodle, and its web server's own modules; \
             until then anybody who reaches it is whoever they say",
        ),
        Err(error) => unknown(format!("a guessed header name could not be tried: {error}"), None),
    }
}

async fn real(plan: &Plan<'_>) -> Finding {
    let site = &plan.site.name;
    if plan.ring.load().trusted_header(site).is_none() {
        let advice = format!("only if it is wanted: `vestibule keys rotate-header {site}`");
        return unknown("header sign-in: the keyring holds no header name for this site".into(), Some(advice));
    }
    let Some(name) = plan.user else {
        let advice = "`--as USER`: an account of the LMS whose `auth` is `shibboleth`, best one for tests; a name the \
                      LMS does not know would be created there";
        return unknown("header sign-in was not tried, because it signs somebody in".into(), Some(advice.into()));
    };
    let lms = moodle(plan);
    let who = HeaderIdentity { username: name.to_owned(), first_name: None, last_name: None, email: None };
    match lms.sign_in_by_header(&who, client()).await {
        Ok(Judgement::Accepted { user, held }) => {
            if let Held::Session { cookies, .. } = held {
                // Where it fails, the session ends by the LMS's own time-out.
                let _ = lms.log_out(&cookies).await;
            }
            match user.username {
                Some(known) if known == name => good(format!("header sign-in works: {name} is user {}", user.id)),
                Some(known) => bad(
                    format!("the LMS signed in {known:?} (user {}) when told {name}", user.id),
                    "its database folds names; such an account cannot be used with header sign-in: rename it",
                ),
                None => warning(
                    format!("header sign-in opened a session of user {}, but the LMS does not say its name", user.id),
                    "set headerloguser=3 in Moodle, or enable the mobile app's web service",
                ),
            }
        }
        Ok(Judgement::Refused(_) | Judgement::Barred(_)) => {
            bad(format!("header sign-in was refused for {name}"), "see deploy/moodle/README.md")
        }
        Err(error @ LmsError::Outbound(_)) => unknown(format!("header sign-in could not be tried: {error}"), None),
        Err(error @ (LmsError::Unsuitable(_) | LmsError::HeaderRefused(_) | LmsError::Name)) => {
            bad(format!("header sign-in does not work for {name}"), &error.to_string())
        }
    }
}

fn moodle(plan: &Plan<'_>) -> Moodle {
    let url = plan.site.public_url.to_string();
    Moodle::new(plan.upstream.clone(), &url, plan.ring.clone(), plan.site.name.clone())
}

fn client() -> ClientAddr {
    ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn good(what: String) -> Finding {
    Finding { weight: Weight::Good, what, advice: None }
}

fn unknown(what: String, advice: Option<String>) -> Finding {
    Finding { weight: Weight::Unknown, what, advice }
}

fn warning(what: String, advice: &str) -> Finding {
    Finding { weight: Weight::Warning, what, advice: Some(advice.to_owned()) }
}

fn bad(what: String, advice: &str) -> Finding {
    Finding { weight: Weight::Bad, what, advice: Some(advice.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(address: &str, answers: bool, own: &[(&str, bool)]) -> Vec<(Weight, String)> {
        let own = own.iter().map(|(ip, at)| (ip.parse().unwrap(), *at)).collect();
        let seen = Seen { address: address.parse().unwrap(), answers, own };
        judge(&seen).into_iter().map(|finding| (finding.weight, finding.what)).collect()
    }

    #[test]
    fn j2_an_lms_that_others_could_reach_is_warned_of() {
        use Weight::{Bad, Good, Unknown, Warning};
        let weights = |found: Vec<(Weight, String)>| found.into_iter().map(|(w, _)| w).collect::<Vec<_>>();
        let outside = ("192.0.2.2", true);
        assert_eq!(weights(seen("127.0.0.1:80", true, &[("192.0.2.2", false)])), [Good, Good]);
        let open = seen("127.0.0.1:80", true, &[("192.0.2.2", true), ("2001:db8::2", false)]);
        assert!(open[1].0 == Warning && open[1].1.contains("at 192.0.2.2 too"), "{open:?}");
        let inner = seen("10.0.0.5:80", true, &[outside]);
        assert!(inner[0].0 == Warning && inner[0].1.contains("from 192.0.2.2"), "{inner:?}");
        assert_eq!(weights(seen("127.0.0.1:80", true, &[])), [Good, Unknown]);
        assert_eq!(weights(seen("[::1]:80", false, &[("192.0.2.2", false)])), [Bad, Good]);
    }

    #[test]
    fn a_report_is_as_bad_as_its_worst_finding() {
        let findings = vec![good("a".into()), warning("b".into(), "do c"), unknown("d".into(), None)];
        let report = Report { site: "campus".into(), upstream: "http://127.0.0.1:8081".into(), findings };
        assert_eq!(report.worst(), Weight::Warning);
        assert_eq!(
            report.to_string(),
            "campus: around the gateway (LMS at http://127.0.0.1:8081)\n  ok       a\n  warning  b\n             → do c\n  unknown  d\n"
        );
    }
}
