//! Issuing a session: the one place where `Satisfied` becomes something that lasts.

use super::{Config, Identity, LmsHalf, Session, Who};
use crate::{
    accounts::Bound,
    keys,
    mfa::policy::{Permitted, Satisfied},
    types::{ClientAddr, Fact, FirstProof, LmsUserId, Rng, RngExt, Secret, SiteName, Timestamp},
};
use std::time::Duration;

/// The circumstances of a sign-in.
#[derive(Clone, Debug)]
pub struct Visit {
    pub site: SiteName,
    pub client: ClientAddr,
    pub agent: String,
    pub now: Timestamp,
}

/// A new session and the opaque id that its browser alone gets.
pub struct Issued {
    pub session: Session,
    pub id: Secret<String>,
}

/// For an account that answered everything.
pub fn issue(
    satisfied: Satisfied,
    bound: &Bound,
    log_user: Option<String>,
    visit: Visit,
    config: &Config,
    rng: &dyn Rng,
) -> Issued {
    let no_setup = satisfied.had_no_setup();
    let first = satisfied.resolved().by();
    let (resolved, facts) = satisfied.into_parts();
    let account = resolved.account();
    let who = Who::Account(Identity {
        account: account.id.clone(),
        epoch: account.epoch,
        source: resolved.source().clone(),
        username: account.username.clone().filter(|_| account.username_verified),
        name: account.display_name.clone(),
        email: account.email.clone(),
        groups: account.groups.clone(),
    });
    let lms = LmsHalf { user: bound.user_of(&account.id), seal_key: rng.array(), log_user };
    let mut issued = new(who, lms, visit, config, rng);
    issued.session.no_setup = no_setup;
    issued.session.first = first;
    issued.session.facts = facts;
    issued.session.auth_time = resolved.at();
    issued
}

/// For the LMS's guest, who has no account and needs no proof (design §2 "Sessions").
pub fn issue_guest(guest: LmsUserId, log_user: Option<String>, visit: Visit, config: &Config, rng: &dyn Rng) -> Issued {
    let lms = LmsHalf { user: guest, seal_key: rng.array(), log_user };
    new(Who::Guest, lms, visit, config, rng)
}

/// How long an id is honoured that was left at a step-up.
const LEAVING: Duration = Duration::from_secs(10);

/// The same session with what was answered for more: under a new id, because its privilege is another (attack D3).
/// Everything else stays, the seal key and the end among it. The second is what the old id is still good for.
pub fn step_up(session: &Session, permitted: Permitted, now: Timestamp, rng: &dyn Rng) -> (Issued, Session) {
    let (_, answered) = permitted.into_parts();
    let id = Secret::new(rng.opaque());
    let again = |fact: &Fact| answered.iter().any(|a| a.factor == fact.factor && a.enrolment == fact.enrolment);
    let mut facts: Vec<Fact> = session.facts.iter().filter(|fact| !again(fact)).cloned().collect();
    facts.extend(answered.iter().cloned());
    let key = keys::session_key(id.expose());
    let renewed = Session { key, facts, last_used: now, no_setup: false, ..session.clone() };
    let left = Session { leaving: true, ends: session.ends.min(now.plus(LEAVING)), ..session.clone() };
    (Issued { session: renewed, id }, left)
}

fn new(who: Who, lms: LmsHalf, visit: Visit, config: &Config, rng: &dyn Rng) -> Issued {
    let id = Secret::new(rng.opaque());
    let session = Session {
        key: keys::session_key(id.expose()),
        site: visit.site,
        who,
        lms: Some(lms),
        facts: Vec::new(),
        auth_time: visit.now,
        created: visit.now,
        last_used: visit.now,
        ends: visit.now.plus(config.absolute()),
        client: visit.client,
        agent: visit.agent,
        parent: None,
        device: None,
        no_setup: false,
        first: FirstProof::Password,
        leaving: false,
    };
    Issued { session, id }
}

impl Config {
    pub fn absolute(&self) -> Duration {
        Duration::from_secs(self.absolute_hours.saturating_mul(3600))
    }
    pub fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_minutes.saturating_mul(60))
    }
    pub fn lms_timeout(&self) -> Duration {
        Duration::from_secs(self.lms_timeout_hours.saturating_mul(3600))
    }
    /// Whether a session is alive at `now`. A clock that went back never prolongs one past its absolute end, and a
    /// session from the future (a clock that had jumped ahead) is not believed for longer than its idle time.
    pub fn alive(&self, session: &Session, now: Timestamp) -> bool {
        !session.leaving && self.lasts(session, now)
    }

    /// Whether an id that was left at a step-up may still read something.
    pub fn honours(&self, session: &Session, now: Timestamp) -> bool {
        session.leaving && session.ends.since(now) <= LEAVING && self.lasts(session, now)
    }

    /// Whether its time is up, and nothing else: a session that is over otherwise is no expired one.
    pub fn expired(&self, session: &Session, now: Timestamp) -> bool {
        !session.leaving && !self.lasts(session, now) && now.since(session.last_used) < self.lms_timeout()
    }

    fn lasts(&self, session: &Session, now: Timestamp) -> bool {
        now < session.ends && now.since(session.last_used) < self.idle() && session.created.since(now) < self.idle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemRng;

    fn guest_at(now: Timestamp) -> Session {
        let visit = Visit {
            site: SiteName::new("campus"),
            client: ClientAddr::new([192, 0, 2, 1].into()),
            agent: String::new(),
            now,
        };
        issue_guest(LmsUserId(1), None, visit, &Config::default(), &SystemRng).session
    }

    #[test]
    fn x18_no_session_outlives_its_ends_whatever_the_clock_does() {
        let config = Config::default();
        let start = Timestamp::from_secs(1_700_000_000);
        let mut session = guest_at(start);
        assert!(config.alive(&session, start.plus(Duration::from_secs(5))));
        assert!(config.alive(&session, start.minus(Duration::from_secs(5))), "±5 s sign nobody out");
        assert!(!config.alive(&session, start.plus(config.idle())));
        session.last_used = start.plus(config.absolute());
        assert!(!config.alive(&session, start.plus(config.absolute())));
        assert!(!config.alive(&session, start.minus(Duration::from_secs(100_000))));
    }

    #[test]
    fn an_id_that_was_left_is_no_session_and_is_honoured_for_seconds() {
        let config = Config::default();
        let now = Timestamp::from_secs(1_700_000_000);
        let left = Session { leaving: true, ends: now.plus(LEAVING), ..guest_at(now) };
        assert!(!config.alive(&left, now) && config.honours(&left, now));
        assert!(!config.honours(&left, now.plus(LEAVING)));
        assert!(!config.honours(&left, now.minus(Duration::from_secs(60))), "a clock that goes back prolongs nothing");
        assert!(!config.expired(&left, now.plus(LEAVING)), "it cannot be followed either");
        assert!(!config.honours(&guest_at(now), now) && config.alive(&guest_at(now), now));
    }

    #[test]
    fn d3_every_session_has_an_id_of_its_own() {
        let (a, b) = (guest_at(Timestamp(0)), guest_at(Timestamp(0)));
        assert_ne!(a.key, b.key);
        assert_ne!(a.lms.unwrap().seal_key, b.lms.unwrap().seal_key);
    }
}
