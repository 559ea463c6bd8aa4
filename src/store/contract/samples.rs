//! Records to put into a store, each with random names.

use crate::{
    accounts::{Account, Binding, BoundBy, LinkedBy, Method, State},
    flow::step::{Flow, Held, Pending, Stage, Trust},
    keys::Sealed,
    mfa::{
        enrolment::{Enrolment, EnrolmentProof},
        factors::device::TrustedDevice,
    },
    sessions::{Identity, LmsHalf, Session, Who},
    store::Stores,
    tokens::{Device, Holder, TokenRecord},
    types::{
        AccountId, Amr, ClientAddr, Clock, DeviceId, Door, EnrolmentId, Fact, FactorKind, FirstProof, FlowId,
        LmsUserId, RngExt, ServiceName, SessionKey, SiteName, SourceId, Subject, SystemRng, Timestamp, TokenId,
    },
};
use std::{net::Ipv4Addr, time::Duration};

/// Makes records as of one moment.
#[derive(Clone, Copy)]
pub struct Samples {
    pub now: Timestamp,
}

impl Samples {
    pub fn at(clock: &dyn Clock) -> Self {
        Self { now: clock.now() }
    }

    pub fn account(&self) -> Account {
        Account {
            id: AccountId::new(SystemRng.hex(16)),
            username: Some(format!("user-{}", SystemRng.hex(4))),
            username_verified: true,
            display_name: Some("Ünï Cøde \" ' \\".into()),
            given_name: Some("Ünï".into()),
            family_name: Some("Cøde".into()),
            email: None,
            email_verified_by: None,
            groups: vec!["staff".into(), "a,b\"c".into()],
            email_before: None,
            email_changed: None,
            groups_at: Some(self.now),
            state: State::Active,
            epoch: 0,
            created: self.now,
            enrol_by_help_desk_only: false,
        }
    }

    pub fn method(&self, account: &AccountId) -> Method {
        Method {
            source: SourceId::new("campus-lms"),
            subject: Subject::new(SystemRng.hex(8)),
            account: account.clone(),
            linked: self.now,
            linked_by: LinkedBy::FirstSignIn,
            primary: true,
            password_mark: Some("mark".into()),
            groups: Some(vec!["staff".into()]),
            vouched: self.now,
        }
    }

    pub fn binding(&self, account: &AccountId) -> Binding {
        Binding {
            site: SiteName::new("campus"),
            lms_user: LmsUserId(u64::from_le_bytes(SystemRng.array())),
            account: account.clone(),
            created: self.now,
            lms_username: Some("student1".into()),
            bound_by: BoundBy::Created,
        }
    }

    /// An account that is in the database.
    pub async fn stored_account(&self, stores: &Stores) -> Account {
        let account = self.account();
        stores.accounts.create(&account, &self.method(&account.id), None, &[]).await.expect("an account is created");
        account
    }

    pub fn session(&self, account: Option<&Account>) -> Session {
        let who = account.map_or(Who::Guest, |account| {
            Who::Account(Identity {
                account: account.id.clone(),
                epoch: account.epoch,
                source: SourceId::new("campus-lms"),
                username: account.username.clone(),
                name: account.display_name.clone(),
                email: None,
                groups: account.groups.clone(),
            })
        });
        Session {
            key: SessionKey::from_digest(SystemRng.opaque()),
            site: SiteName::new("campus"),
            who,
            lms: Some(LmsHalf { user: LmsUserId(7), seal_key: SystemRng.array(), log_user: None }),
            facts: vec![Fact { factor: FactorKind::Totp, at: self.now, enrolment: None, made: None }],
            auth_time: self.now,
            created: self.now,
            last_used: self.now,
            ends: self.now.plus(Duration::from_secs(12 * 3600)),
            client: self.client(),
            agent: "Firefox".into(),
            parent: None,
            device: None,
            no_setup: false,
            first: FirstProof::Password,
            leaving: false,
        }
    }

    pub fn flow(&self, account: &AccountId, client: ClientAddr) -> Flow {
        Flow {
            id: FlowId::parse(&SystemRng.opaque()).expect("an opaque text is a flow's handle"),
            version: 0,
            door: Door::Browser,
            site: SiteName::new("campus"),
            created: self.now,
            expires: self.now.plus(Duration::from_secs(600)),
            client,
            agent: "Firefox".into(),
            pending: Pending {
                account: account.clone(),
                epoch: 0,
                source: SourceId::new("campus-lms"),
                subject: Subject::new("7"),
                at: self.now,
                by: FirstProof::Password,
            },
            facts: Vec::new(),
            asks: Default::default(),
            stage: Stage::Challenge,
            device: None,
            trust: Trust::No,
            errand: None,
            held: Held::Session {
                cookies: vec![("MoodleSession".into(), "canary-cookie".into())],
                location: "/my/".into(),
                log_user: None,
            },
            lms_user: Some(LmsUserId(7)),
            wanted: "/my/".into(),
        }
    }

    /// One address in a /64 of its own as far as tests can tell.
    pub fn client(&self) -> ClientAddr {
        let [a, b, c] = SystemRng.array();
        ClientAddr::new(Ipv4Addr::new(10, a, b, c).into())
    }

    pub fn token(&self, account: &Account, parent: Option<&TokenId>) -> TokenRecord {
        TokenRecord {
            id: TokenId::new(SystemRng.hex(8)),
            digest: SystemRng.opaque(),
            account: account.id.clone(),
            epoch: account.epoch,
            site: SiteName::new("campus"),
            lms_user: LmsUserId(u64::MAX),
            holder: Holder::default(),
            source: SourceId::new("campus-lms"),
            log_user: Some("student1".into()),
            service: ServiceName::new("moodle_mobile_app"),
            device: Device { label: "Pixel 9".into(), address: "10.0.0.1".into() },
            issued: self.now,
            factor_at: Some(self.now),
            amr: Amr::of(
                FirstProof::Password,
                &[Fact { factor: FactorKind::Totp, at: self.now, enrolment: None, made: None }],
            ),
            unproven: None,
            last_used: self.now,
            expires: self.now.plus(Duration::from_secs(84 * 86_400)),
            revoked: None,
            parent: parent.cloned(),
            lms_token: Sealed::from_text("sealed-token"),
            private_token: None,
            private_digest: None,
            file_key: None,
            file_digest: None,
        }
    }

    pub fn device(&self, account: &AccountId) -> TrustedDevice {
        TrustedDevice {
            id: DeviceId::new(SystemRng.hex(16)),
            account: account.clone(),
            site: SiteName::new("campus"),
            door: Door::Browser,
            epoch: 0,
            counter: 0,
            moved: self.now,
            created: self.now,
            expires: self.now.plus(Duration::from_secs(86_400)),
            last_used: self.now,
            label: "Firefox on Linux".into(),
            address: "10.0.0.1".into(),
        }
    }

    pub fn totp(&self, account: &AccountId) -> Enrolment {
        Enrolment {
            id: EnrolmentId::new(SystemRng.hex(16)),
            account: account.clone(),
            kind: FactorKind::Totp,
            label: "phone".into(),
            secret: Sealed::from_text("sealed-secret"),
            detail: "{}".into(),
            counter: 10,
            handle: None,
            created: self.now,
            last_used: None,
            site: SiteName::new("campus"),
            rule: "everybody".into(),
            proof: EnrolmentProof::AtSignIn,
            suspended: false,
        }
    }
}
