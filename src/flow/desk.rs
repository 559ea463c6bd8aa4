//! What every story needs at hand: the stores, the rules, the clock, and one hall per site.

use crate::{
    accounts::{Account, AccountStore},
    audit::{Audit, Context, Event},
    chain::{Instance, Strangers},
    keys::{Keyring, SharedKeyring},
    language::Lang,
    limits::{Sprays, Throttle},
    lms::{Held, Lms, LmsError, Site, farewell, groups as lms_groups},
    mfa::{
        self, enrolment::EnrolmentStore, factors::device::DeviceStore, known::KnownStore, marks::MarkStore,
        policy::Policy,
    },
    outbound::{
        mail::{Mailer, Message},
        sms::Texter,
    },
    sessions::{self, SessionStore, Visit},
    telemetry::Metrics,
    tokens::{self, LedgerStore},
    types::{ClientAddr, Clock, RequestId, Rng, Secret, SourceId, Timestamp, Unavailable},
};
use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{
    GroupReader,
    step::{Caps, FlowStore},
};

/// One per gateway.
pub struct Desk {
    pub accounts: Arc<dyn AccountStore>,
    pub enrolments: Arc<dyn EnrolmentStore>,
    pub devices: Arc<dyn DeviceStore>,
    pub marks: Arc<dyn MarkStore>,
    pub sessions: Arc<dyn SessionStore>,
    pub flows: Arc<dyn FlowStore>,
    pub known: Arc<dyn KnownStore>,
    pub group_reader: GroupReader,
    pub ledger: Arc<dyn LedgerStore>,
    pub throttle: Throttle,
    pub sprays: Arc<Sprays>,
    pub policy: Policy,
    pub ring: SharedKeyring,
    pub audit: Arc<Audit>,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    pub mailer: Mailer,
    pub texter: Texter,
    pub settings: Settings,
}

/// What gateway.yaml says of the stories.
#[derive(Clone, Debug)]
pub struct Settings {
    pub mfa: mfa::Config,
    pub sessions: sessions::Config,
    pub tokens: tokens::Config,
    pub strangers: Strangers,
    pub flow_caps: Caps,
    /// A refusal is answered at a multiple of this after its question.
    pub refusals: Duration,
}

/// One per site: its LMS, and the sources that are asked for its visitors.
pub struct Hall {
    pub site: Site,
    pub lms: Arc<dyn Lms>,
    /// How the LMS's groups are read, where they are.
    pub groups: Option<Arc<dyn lms_groups::Groups>>,
    /// Those that are enabled, in their order.
    pub instances: Vec<Instance>,
    /// All that are meant for this site's visitors, enabled or not: an account of one of them never floats.
    pub sources: HashSet<SourceId>,
}

/// Who is asking, as far as the connection and the browser say.
#[derive(Clone, Debug)]
pub struct Caller {
    pub client: ClientAddr,
    /// From the User-Agent, cut short.
    pub agent: String,
    pub request: RequestId,
    /// What its reader reads.
    pub language: Lang,
    /// The request's cookies, as (name, value).
    pub cookies: Vec<(String, String)>,
    /// What an app shows so as to be known (RFC 6750): its live token, or its device secret. It lets nobody in.
    pub bearer: Option<Secret<String>>,
}

impl Caller {
    /// The one cookie of that name. Two of a name are ambiguous and count as none (attack D4).
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut found = self.cookies.iter().filter(|(n, _)| n == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            (Some(_), Some(_)) | (None, _) => None,
        }
    }
}

/// A story that could not be told to its end; nobody is signed in for it (design R4).
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    #[error(transparent)]
    Store(#[from] Unavailable),
    #[error(transparent)]
    Lms(#[from] LmsError),
    /// A sealed value of ours did not open.
    #[error(transparent)]
    Seal(#[from] crate::keys::OpenError),
    /// Some source was in ERROR and none accepted.
    #[error("sign-in may be temporarily unavailable")]
    SourceDown,
    /// What must be recorded cannot be (a full disk, design §8).
    #[error("the audit log cannot be written, and nobody is signed in without a record of it")]
    Unrecorded,
}

impl Desk {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn ring(&self) -> arc_swap::Guard<Arc<Keyring>> {
        self.ring.load()
    }

    pub(super) fn record(&self, hall: &Hall, caller: &Caller, event: Event) {
        self.audit.record(context(hall, caller), event);
    }

    /// For what somebody can cause as often as they like.
    pub(super) fn record_sparsely(&self, hall: &Hall, caller: &Caller, about: &str, event: Event) {
        self.audit.record_sparsely(context(hall, caller), about, event);
    }

    /// Nobody is signed in while the audit log cannot be written; proven sessions go on.
    pub(super) fn must_record(&self) -> Result<(), FlowError> {
        if self.audit.is_writing() { Ok(()) } else { Err(FlowError::Unrecorded) }
    }

    /// Tells the account's address what was done to it.
    pub(super) async fn tell(&self, caller: &Caller, account: &Account, message: Message) {
        if let Some(address) = &account.email {
            self.mailer.send(address, caller.language, message).await;
        }
    }

    pub(super) fn visit(&self, hall: &Hall, caller: &Caller) -> Visit {
        Visit { site: hall.site.name.clone(), client: caller.client, agent: caller.agent.clone(), now: self.now() }
    }
}

fn context(hall: &Hall, caller: &Caller) -> Context {
    Context {
        site: Some(hall.site.name.clone()),
        client: Some(caller.client),
        request: Some(caller.request.clone()),
        by: None,
    }
}

impl Hall {
    /// Whether some source cannot answer now: every refusal says so.
    pub(super) fn fails(&self) -> bool {
        self.instances.iter().any(|instance| instance.password.is_some() && instance.health.is_failing())
    }

    /// Whether the LMS alone judges here: then its own words are the refusal.
    pub fn asks_its_lms_alone(&self) -> bool {
        self.sources.len() == 1 && self.instances.iter().all(|instance| instance.kind.name == "lms")
    }

    /// Logs out an LMS session that ends without `Satisfied`, without keeping anybody waiting for it.
    pub(super) fn give_back(&self, held: Held) {
        match held {
            Held::Session { cookies, .. } => self.log_out_later(cookies),
            // Moodle hands the same token to every sign-in of a user and service: there is nothing to end.
            Held::Token { .. } | Held::ByHeader { .. } => {}
        }
    }

    /// Ends an LMS session in the background.
    pub fn log_out_later(&self, cookies: Vec<(String, String)>) {
        farewell::later(self.lms.clone(), cookies);
    }
}
