//! One account as its owner sees it: ways to sign in, factors, and what is signed in now. It only reads.

use super::{
    Desk, FlowError, Hall,
    account::{further, handle, instance, label, may_make_primary, may_unlink, owner, permission, session_source},
    factors::addable,
    trusted::trusted_devices,
};
use crate::{
    accounts::{Account, Method, Resolved},
    chain::Standing,
    mfa::{
        enrolment::{EnrolmentProof, Enrolments},
        factors::device::TrustedDevice,
        policy::Permission,
    },
    sessions::Session,
    tokens::TokenRecord,
    types::{AccountId, DeviceId, Door, EnrolmentId, FactorKind, SessionKey, Timestamp, TokenId, agent},
};
use futures_util::future::join_all;
use std::{cmp::Reverse, time::Duration};

/// What the page shows of a method's name must not keep its reader waiting for a slow directory.
const NAMES_WITHIN: Duration = Duration::from_millis(800);
/// The most sessions and apps that are shown, those used last. Who has more ends all at once.
const MOST_LINES: usize = 50;

#[derive(Clone)]
pub struct Sheet {
    pub name: Option<String>,
    pub ways: Vec<Way>,
    /// Whether there is another source that could be linked.
    pub more: bool,
    /// Without a factor nothing here can be changed.
    pub has_factor: bool,
    pub factors: Vec<OwnFactor>,
    /// The kinds of which another may be added.
    pub addable: Vec<FactorKind>,
    /// How many recovery codes are left; `None` where there is nothing that they stand in for.
    pub recovery_left: Option<u32>,
    /// A first factor may be set up.
    pub set_up: Option<SetUp>,
    /// Browsers that are not asked for a factor.
    pub devices: Vec<TrustedLine>,
    /// The present one first.
    pub sessions: Vec<SessionLine>,
    pub apps: Vec<AppLine>,
}

/// One way to sign in.
#[derive(Clone)]
pub struct Way {
    /// Names it in a form; tells nothing.
    pub handle: String,
    pub label: String,
    /// What its source calls this person, where it says so.
    pub name: Option<String>,
    pub linked: Timestamp,
    pub primary: bool,
    /// The present session came in by it.
    pub current: bool,
    pub may_unlink: bool,
    pub may_make_primary: bool,
}

#[derive(Clone)]
pub struct OwnFactor {
    pub id: EnrolmentId,
    pub kind: FactorKind,
    pub label: String,
    pub added: Timestamp,
    pub last_used: Option<Timestamp>,
    /// It does not count until another factor was answered for it.
    pub suspended: bool,
}

/// What setting up a first factor takes.
#[derive(Clone)]
pub struct SetUp {
    pub proof: EnrolmentProof,
    /// From then on nobody is let in without.
    pub due: Option<Timestamp>,
}

/// A browser that was trusted after an asked factor.
#[derive(Clone)]
pub struct TrustedLine {
    pub id: DeviceId,
    pub label: String,
    pub address: String,
    pub last_used: Timestamp,
    pub expires: Timestamp,
}

#[derive(Clone)]
pub struct SessionLine {
    pub handle: String,
    /// As [`agent::called`]; empty where the browser says nothing of itself.
    pub label: String,
    pub address: String,
    pub last_used: Timestamp,
    /// The one that asks.
    pub current: bool,
}

#[derive(Clone)]
pub struct AppLine {
    pub id: TokenId,
    pub label: String,
    pub address: String,
    pub service: String,
    pub issued: Timestamp,
    pub last_used: Timestamp,
}

/// `None`: the session is not this account's any more, or nobody's.
pub async fn sheet(desk: &Desk, hall: &Hall, session: &Session) -> Result<Option<Sheet>, FlowError> {
    let Some((resolved, methods)) = owner(desk, session).await? else { return Ok(None) };
    let account = resolved.account().clone();
    let enrolments = desk.enrolments_of(&account.id).await?;
    let set_up = set_up(desk, hall, session, &resolved, &enrolments).await?;
    let permission = permission(desk, hall, session.client, resolved, None).await?;
    let has_factor = matches!(permission, Permission::Ask(_) | Permission::Given(_));
    let kinds = FactorKind::ALL.into_iter().filter(|kind| has_factor && addable(desk, hall, *kind));
    let recovery = has_factor && desk.policy.offers(FactorKind::Recovery);
    Ok(Some(Sheet {
        ways: ways(desk, hall, session, &methods, account.username.as_deref()).await,
        more: further(hall, &methods).next().is_some(),
        has_factor,
        factors: factors(&enrolments),
        addable: kinds.collect(),
        recovery_left: recovery.then_some(enrolments.recovery_left),
        set_up,
        devices: devices(desk, &account).await?,
        sessions: sessions(desk, session, &account.id).await?,
        apps: apps(desk, &account.id).await?,
        name: account.username,
    }))
}

async fn set_up(
    desk: &Desk,
    hall: &Hall,
    session: &Session,
    resolved: &Resolved,
    enrolments: &Enrolments,
) -> Result<Option<SetUp>, FlowError> {
    let stand = desk.standpoint(hall, Door::Browser, session.client, resolved, enrolments).await?;
    let opens = desk.policy.set_up(resolved.account(), enrolments, &stand.case());
    Ok(opens.map(|(proof, _)| SetUp { proof, due: desk.policy.due(enrolments, &stand.case()) }))
}

async fn ways(desk: &Desk, hall: &Hall, session: &Session, methods: &[Method], own: Option<&str>) -> Vec<Way> {
    let names = join_all(methods.iter().map(|method| name_of(desk, hall, method, own))).await;
    let source = session_source(session);
    let way = |(method, name): (&Method, Option<String>)| Way {
        handle: handle(desk, method),
        label: label(hall, &method.source),
        name,
        linked: method.linked,
        primary: method.primary,
        current: source == Some(&method.source),
        may_unlink: may_unlink(hall, methods, method, source),
        may_make_primary: may_make_primary(hall, method),
    };
    methods.iter().zip(names).map(way).collect()
}

/// The primary's name is the account's; another source is asked, if it can be and is quick.
async fn name_of(desk: &Desk, hall: &Hall, method: &Method, own: Option<&str>) -> Option<String> {
    if method.primary {
        return own.map(str::to_owned);
    }
    let instance = instance(hall, &method.source)?;
    if instance.kind.name == "lms" {
        let binding = desk.accounts.binding(&hall.site.name, &method.account).await.ok()??;
        return binding.lms_username;
    }
    let directory = instance.directory.as_ref().filter(|_| !instance.health.is_open())?;
    let within = NAMES_WITHIN.min(instance.deadline);
    match tokio::time::timeout(within, directory.standing(&method.subject)).await {
        Ok(Ok(Standing::Active(person))) => person.username,
        Ok(Ok(Standing::Barred(_) | Standing::Unknown) | Err(_)) | Err(_) => None,
    }
}

fn factors(enrolments: &Enrolments) -> Vec<OwnFactor> {
    let line = |enrolment: &crate::mfa::enrolment::Enrolment| OwnFactor {
        id: enrolment.id.clone(),
        kind: enrolment.kind,
        label: enrolment.label.clone(),
        added: enrolment.created,
        last_used: enrolment.last_used,
        suspended: enrolment.suspended,
    };
    enrolments.all.iter().map(line).collect()
}

/// Those that are alive, of all sites: it is one account that is signed in there.
pub(super) async fn live(desk: &Desk, account: &AccountId) -> Result<Vec<Session>, FlowError> {
    let sessions = desk.sessions.of_account(account).await?.into_iter();
    Ok(sessions.filter(|session| desk.settings.sessions.alive(session, desk.now())).collect())
}

async fn sessions(desk: &Desk, present: &Session, account: &AccountId) -> Result<Vec<SessionLine>, FlowError> {
    let mut live = live(desk, account).await?;
    live.sort_by_key(|session| (session.key != present.key, Reverse(session.last_used)));
    let line = |session: Session| SessionLine {
        handle: session_handle(desk, &session.key),
        label: agent::called(&session.agent),
        address: session.client.to_string(),
        last_used: session.last_used,
        current: session.key == present.key,
    };
    Ok(live.into_iter().take(MOST_LINES).map(line).collect())
}

/// Names a session in a form, and cannot be turned into it.
pub(super) fn session_handle(desk: &Desk, key: &SessionKey) -> String {
    desk.ring().digest("session-line", key.as_str().as_bytes())
}

async fn devices(desk: &Desk, account: &Account) -> Result<Vec<TrustedLine>, FlowError> {
    let line = |device: TrustedDevice| TrustedLine {
        id: device.id,
        label: device.label,
        address: device.address,
        last_used: device.last_used,
        expires: device.expires,
    };
    Ok(trusted_devices(desk, account).await?.into_iter().take(MOST_LINES).map(line).collect())
}

async fn apps(desk: &Desk, account: &AccountId) -> Result<Vec<AppLine>, FlowError> {
    let tokens = desk.ledger.of_account(account).await?.into_iter();
    let mut live: Vec<TokenRecord> = tokens.filter(|token| desk.settings.tokens.alive(token, desk.now())).collect();
    live.sort_by_key(|token| Reverse(token.last_used));
    let line = |token: TokenRecord| AppLine {
        id: token.id,
        label: agent::called(&token.device.label),
        address: token.device.address,
        service: token.service.to_string(),
        issued: token.issued,
        last_used: token.last_used,
    };
    Ok(live.into_iter().take(MOST_LINES).map(line).collect())
}
