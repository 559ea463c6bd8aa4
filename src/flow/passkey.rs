//! Passkeys in a flow: the question, its one answer, and enrolling one.
//!
//! The question waits with the flow, sealed; it is made where a factor begins to be asked, and anew by a POST after each
//! answer. Its challenge is claimed before the answer is looked at, so that two nodes do not judge it twice; the sign
//! count is claimed in the database after (design R5).

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall, Problem,
    answer::{Judged, ended, load, next},
    enrol::{add_further, enrol_first},
    factors::{end_proven_by, label},
    permit::{counts, host},
    set_up::is_set_up,
    sign_in::enrol_stage,
    step::{Errand, Flow, Stage},
};
use crate::{
    accounts::{Account, Resolved, resume},
    audit::Event,
    keys::{OpenError, Sealed},
    mfa::{
        enrolment::{Enrolment, EnrolmentProof, Enrolments, sealed_place},
        factors::webauthn::{Asking, Assertion, Passkey, Proven, Refusal, Registering, RelyingParty, User, handle},
        policy::is_usable,
    },
    outbound::mail::Message,
    types::{Door, EnrolmentId, FactorKind, FlowId, RngExt},
};

/// The site as its users' authenticators know it; `None` where browsers have no passkeys.
pub(super) fn relying_party(hall: &Hall) -> Option<RelyingParty> {
    RelyingParty::of(&hall.site.public_url)
}

pub(super) fn open_passkey(desk: &Desk, enrolment: &Enrolment) -> Result<Passkey, FlowError> {
    let plain = desk.ring().open("enrolment", &sealed_place(&enrolment.id), enrolment.secret.as_text())?;
    serde_json::from_slice(plain.expose()).map_err(|_| FlowError::Seal(OpenError::Form))
}

fn seal(desk: &Desk, id: &EnrolmentId, passkey: &Passkey) -> Sealed<Vec<u8>> {
    // Texts, numbers and bytes always serialise.
    let plain = serde_json::to_vec(passkey).unwrap_or_default();
    Sealed::from_text(desk.ring().seal(desk.rng.as_ref(), "enrolment", &sealed_place(id), &plain))
}

/// The account's passkeys of this site.
fn passkeys(desk: &Desk, hall: &Hall, enrolments: &Enrolments) -> Result<Vec<Passkey>, FlowError> {
    let own = enrolments.of(FactorKind::Webauthn).filter(|enrolment| is_usable(enrolment, &hall.site.name));
    own.map(|enrolment| open_passkey(desk, enrolment)).collect()
}

/// Puts the question into a flow that asks for a factor, if its account has a passkey.
pub(super) async fn put_question(desk: &Desk, hall: &Hall, flow: &mut Flow) -> Result<(), FlowError> {
    flow.asks.passkey = match flow.stage {
        Stage::Challenge | Stage::Permit if desk.policy.offers(FactorKind::Webauthn) => {
            let enrolments = desk.enrolments.enrolments(&flow.pending.account).await?;
            question(desk, hall, &passkeys(desk, hall, &enrolments)?)
        }
        _ => None,
    };
    Ok(())
}

fn question(desk: &Desk, hall: &Hall, passkeys: &[Passkey]) -> Option<Asking> {
    let settings = desk.settings.mfa.webauthn();
    let party = relying_party(hall).filter(|_| !passkeys.is_empty())?;
    party.begin_authentication(passkeys.iter(), &settings).ok()
}

/// A fresh question for a flow, in exchange for the one that is there. The options for the authenticator; `None`: this
/// flow asks for no passkey.
pub async fn ask_passkey(desk: &Desk, hall: &Hall, id: &FlowId, door: Door) -> Result<Option<String>, FlowError> {
    let Some(mut flow) = load(desk, hall, id, door).await? else { return Ok(None) };
    put_question(desk, hall, &mut flow).await?;
    let options = |flow: &Flow| flow.asks.passkey.as_ref().map(|asking| asking.options().to_owned());
    match desk.flows.replace(&flow).await? {
        true => Ok(options(&flow)),
        // Somebody else has asked at the same time; that question is as good.
        false => Ok(desk.flows.get(id).await?.as_ref().and_then(options)),
    }
}

/// Judges an assertion for the flow's account.
pub(super) async fn judge(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: &Flow,
    resolved: &Resolved,
    answer: &str,
    enrolments: &Enrolments,
) -> Result<Judged, FlowError> {
    let (Some(asking), Some(party)) = (&flow.asks.passkey, relying_party(hall)) else { return Ok(Judged::Used) };
    if !first_answer(desk, asking).await? {
        return Ok(Judged::Used);
    }
    let assertion = match Assertion::parse(answer) {
        Ok(assertion) => assertion,
        Err(refusal) => return Ok(Judged::NotAccepted(refusal)),
    };
    let stand = desk.standpoint_of(flow, resolved, enrolments).await?;
    let wanted = handle(&desk.ring(), assertion.credential_id());
    let mut own = enrolments.of(FactorKind::Webauthn).filter(|enrolment| counts(desk, flow, &stand, enrolment));
    let Some(enrolment) = own.find(|enrolment| enrolment.handle.as_deref() == Some(wanted.as_str())) else {
        return Ok(Judged::NotAccepted(Refusal::Unknown));
    };
    Ok(match judge_one(desk, hall, caller, (&party, asking, &assertion), (enrolment, resolved.account())).await? {
        Ok(_) => Judged::Right(Some(enrolment.id.clone())),
        Err(refusal) => Judged::NotAccepted(refusal),
    })
}

/// True for the first answer to a question, on all nodes.
pub(super) async fn first_answer(desk: &Desk, asking: &Asking) -> Result<bool, FlowError> {
    let Some(challenge) = asking.challenge() else { return Ok(false) };
    Ok(desk.throttle.first(&format!("passkey/{challenge}"), desk.settings.flow_life()).await?)
}

/// Judges an assertion by the enrolment that it names, claims its sign count, and writes down what it changed.
pub(super) async fn judge_one(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    (party, asking, assertion): (&RelyingParty, &Asking, &Assertion),
    (enrolment, account): (&Enrolment, &Account),
) -> Result<Result<Proven, Refusal>, FlowError> {
    let passkey = open_passkey(desk, enrolment)?;
    let last = u32::try_from(enrolment.counter).unwrap_or(u32::MAX);
    let proven = match party.judge(assertion, asking, &passkey, last) {
        Ok(proven) => proven,
        Err(Refusal::SignCount) => {
            suspend(desk, hall, caller, enrolment, account).await?;
            return Ok(Err(Refusal::SignCount));
        }
        Err(refusal) => return Ok(Err(refusal)),
    };
    match proven.counter {
        0 => desk.enrolments.used(&enrolment.id, desk.now()).await?,
        counter => {
            if !desk.enrolments.claim_counter(&enrolment.id, i64::from(counter), desk.now()).await? {
                // Two answers at the same moment, of which this one is the older: refused, and no sign of a copy yet.
                alarm(desk, hall, caller, enrolment);
                return Ok(Err(Refusal::SignCount));
            }
        }
    }
    if let Some(changed) = &proven.changed {
        desk.enrolments.update_secret(&enrolment.id, &seal(desk, &enrolment.id, changed)).await?;
    }
    Ok(Ok(proven))
}

/// A count that does not rise may be a copied key (Level 3 §6.1.1). Which of the two is the copy nobody knows: neither
/// counts until its owner has answered another factor for it.
async fn suspend(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    enrolment: &Enrolment,
    account: &Account,
) -> Result<(), FlowError> {
    alarm(desk, hall, caller, enrolment);
    if desk.enrolments.suspend(&enrolment.id, true).await? {
        // Whoever has the copy may be in by it already.
        end_proven_by(desk, None, account, enrolment).await?;
        let (factor, label) = (enrolment.kind, enrolment.label.clone());
        desk.tell(caller, account, Message::FactorSuspended { site: host(hall), factor, label }).await;
    }
    Ok(())
}

fn alarm(desk: &Desk, hall: &Hall, caller: &Caller, enrolment: &Enrolment) {
    let (account, id) = (enrolment.account.clone(), enrolment.id.clone());
    tracing::warn!(account = %account, "a passkey's sign count did not rise: there may be a copy of the key");
    desk.record(hall, caller, Event::SignCountRegressed { account, enrolment: id });
    desk.metrics.factor_answer(FactorKind::Webauthn, "copied");
}

/// The stage in which a factor of that kind is enrolled; `None`: not at this site, or not at all.
pub(super) async fn enrolment_stage(
    desk: &Desk,
    hall: &Hall,
    account: &Account,
    kind: FactorKind,
    (proof, rule): (EnrolmentProof, String),
) -> Result<Option<Stage>, FlowError> {
    Ok(match kind {
        FactorKind::Totp => Some(enrol_stage(desk, proof, rule)),
        FactorKind::Webauthn => {
            let begun = begin(desk, hall, account).await?;
            begun.map(|begun| Stage::EnrolPasskey { begun: Box::new(begun), proof, rule })
        }
        FactorKind::Email | FactorKind::Sms | FactorKind::Recovery => None,
    })
}

/// The stage of a first enrolment: an authenticator app where one is offered, which every device can have.
pub(super) async fn first_stage(
    desk: &Desk,
    hall: &Hall,
    account: &Account,
    proof: EnrolmentProof,
    rule: String,
) -> Result<Stage, FlowError> {
    if !desk.policy.offers(FactorKind::Totp)
        && let Some(stage) = enrolment_stage(desk, hall, account, FactorKind::Webauthn, (proof, rule.clone())).await?
    {
        return Ok(stage);
    }
    Ok(enrol_stage(desk, proof, rule))
}

/// Whether a passkey can be enrolled at this site.
pub(super) fn is_offered(desk: &Desk, hall: &Hall) -> bool {
    desk.policy.offers(FactorKind::Webauthn) && relying_party(hall).is_some()
}

async fn begin(desk: &Desk, hall: &Hall, account: &Account) -> Result<Option<Registering>, FlowError> {
    let Some(party) = relying_party(hall).filter(|_| is_offered(desk, hall)) else { return Ok(None) };
    let enrolments = desk.enrolments.enrolments(&account.id).await?;
    let present = passkeys(desk, hall, &enrolments)?;
    let name = account.username.as_deref().unwrap_or("account");
    let user = User {
        account: &account.id,
        name,
        display_name: account.display_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(name),
    };
    Ok(party.begin_registration(&user, present.iter(), &desk.settings.mfa.webauthn()).ok())
}

/// Another kind of factor than the one whose set-up is shown. Each begins anew.
pub async fn choose_enrolment(desk: &Desk, hall: &Hall, id: &FlowId, kind: FactorKind) -> Result<Answered, FlowError> {
    let Some(mut flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::Expired));
    };
    let (Stage::Enrol { proof, rule, .. } | Stage::EnrolPasskey { proof, rule, .. }) = flow.stage.clone() else {
        return Ok(Answered::Next(flow.stage));
    };
    // For an action it is the kind that a factor was answered for.
    let free = (flow.errand.is_none() || is_set_up(&flow)) && desk.policy.offers(kind);
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await?.filter(|_| free) else {
        return ended(desk, hall, id, EndedWhy::Expired).await;
    };
    match enrolment_stage(desk, hall, resolved.account(), kind, (proof, rule)).await? {
        Some(stage) => {
            flow.stage = stage;
            next(desk, flow).await
        }
        None => Ok(Answered::Next(flow.stage)),
    }
}

/// What the browser's authenticator made. With it the enrolment stands.
pub async fn confirm_passkey(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    answer: &str,
    name: &str,
) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::Expired));
    };
    let Stage::EnrolPasskey { begun, proof, rule } = flow.stage.clone() else { return Ok(Answered::Next(flow.stage)) };
    let Some(party) = relying_party(hall) else { return ended(desk, hall, id, EndedWhy::Expired).await };
    if answer.is_empty() {
        return Ok(Answered::Again(Problem::Incomplete));
    }
    let passkey = match party.finish_registration(answer, &begun) {
        Ok(passkey) => passkey,
        Err(refusal) => {
            let account = flow.pending.account.clone();
            let (factor, door, reason) = (FactorKind::Webauthn, Door::Browser, refusal.reason());
            desk.record(hall, caller, Event::FactorRefused { account, factor, door, reason });
            return Ok(Answered::Again(Problem::WrongCode));
        }
    };
    let make = |resolved: &Resolved| enrolment(desk, hall, resolved, &passkey, (proof, rule.clone()), name);
    if matches!(flow.errand, Some(Errand::Act { .. })) && !is_set_up(&flow) {
        return add_further(desk, hall, caller, flow, make).await;
    }
    // Whose it is already is seen before anything is written; two at the same moment, by the store.
    if desk.enrolments.by_handle(&handle(&desk.ring(), passkey.id())).await?.is_some() {
        return ended(desk, hall, id, EndedWhy::FactorTaken).await;
    }
    enrol_first(desk, hall, caller, flow, proof, make).await
}

/// What may be read of it without the keyring.
#[derive(serde::Serialize)]
struct Detail {
    synced: bool,
    discoverable: Option<bool>,
}

fn enrolment(
    desk: &Desk,
    hall: &Hall,
    resolved: &Resolved,
    passkey: &Passkey,
    (proof, rule): (EnrolmentProof, String),
    name: &str,
) -> Enrolment {
    let id = EnrolmentId::new(desk.rng.hex(16));
    let detail = Detail { synced: passkey.synced(), discoverable: passkey.discoverable() };
    Enrolment {
        account: resolved.account().id.clone(),
        kind: FactorKind::Webauthn,
        label: label(name, "Passkey"),
        secret: seal(desk, &id, passkey),
        detail: serde_json::to_string(&detail).unwrap_or_default(),
        counter: i64::from(passkey.counter()),
        handle: Some(handle(&desk.ring(), passkey.id())),
        created: desk.now(),
        last_used: None,
        site: hall.site.name.clone(),
        rule,
        proof,
        suspended: false,
        id,
    }
}
