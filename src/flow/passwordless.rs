//! Signing in with a passkey alone, on the gateway's own sign-in page, where the site allows it.
//!
//! Nobody has a flow there yet, and showing a page stores nothing: the question travels in the page, sealed, and its
//! challenge is claimed when an answer comes. The passkey must have verified its user and say whose it is; then the
//! account's primary source is asked about them, as at every sign-in without a password (design §2 "Leavers"), and from
//! there the sign-in goes on as any other. Every refusal reads alike.

use super::{
    Caller, Desk, FlowError, Hall, Refused,
    account::instance,
    begin::{Asking as Whom, Whose, account, leavers, refused_unasked, settle},
    known::slot_beside,
    lms_half::Half,
    passkey::{first_answer, judge_one, relying_party},
    sign_in::{SignIn, go_on},
};
use crate::{
    accounts::{Account, Resolved},
    audit::Event,
    chain::{self, Authenticated, End},
    limits::Leave,
    lms::{self, Held},
    mfa::{
        enrolment::Enrolment,
        factors::webauthn::{Asking, Assertion, Refusal, handle},
        policy::is_usable,
    },
    types::{Door, Fact, FactorKind, Timestamp},
};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What the question is sealed for.
const SEAL: &str = "passkey-question";

/// What the sign-in page hands to the browser.
#[derive(Clone)]
pub struct Doorway {
    pub options: String,
    /// Comes back with the answer.
    pub ticket: String,
}

#[derive(Serialize, Deserialize)]
struct Ticket {
    asking: Asking,
    until: Timestamp,
}

/// `None`: nobody signs in here with a passkey alone.
pub fn doorway(desk: &Desk, hall: &Hall) -> Option<Doorway> {
    let asking = relying_party(hall).filter(|_| is_open(desk, hall))?.begin_discoverable().ok()?;
    let options = asking.options().to_owned();
    let until = desk.now().plus(desk.settings.flow_life());
    let plain = serde_json::to_vec(&Ticket { asking, until }).ok()?;
    let ticket = desk.ring().seal(desk.rng.as_ref(), SEAL, hall.site.name.as_str(), &plain);
    Some(Doorway { options, ticket })
}

fn is_open(desk: &Desk, hall: &Hall) -> bool {
    let allowed = desk.policy.offers(FactorKind::Webauthn) && desk.settings.mfa.webauthn().passwordless;
    allowed && hall.site.sign_in == lms::SignIn::Header
}

/// The answer to the question in `ticket`.
pub async fn sign_in_by_passkey(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    (ticket, answer): (&str, &str),
    wanted: Option<String>,
) -> Result<SignIn, FlowError> {
    let began = Instant::now();
    let signed_in = judged(desk, hall, caller, (ticket, answer), wanted).await;
    if matches!(signed_in, Ok(SignIn::Refused(_)) | Err(FlowError::SourceDown)) {
        settle(desk, began).await;
    }
    signed_in
}

async fn judged(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    (ticket, answer): (&str, &str),
    wanted: Option<String>,
) -> Result<SignIn, FlowError> {
    let refused = |reason| {
        refused_unasked(desk, hall, caller, Door::Browser, reason);
        Ok(SignIn::Refused(Refused::Ours))
    };
    let Some(asking) = opened(desk, hall, ticket) else { return refused("passkey_question_over") };
    if !first_answer(desk, &asking).await? {
        return refused("passkey_question_used");
    }
    let Ok(assertion) = Assertion::parse(answer) else { return refused("passkey_malformed") };
    let known = desk.enrolments.by_handle(&handle(&desk.ring(), assertion.credential_id())).await?;
    let Some(enrolment) = known.filter(|e| e.kind == FactorKind::Webauthn && is_usable(e, &hall.site.name)) else {
        return refused("passkey_unknown");
    };
    let Some(owner) = desk.accounts.account(&enrolment.account).await? else { return refused("passkey_unknown") };
    if let Err(reason) = shown(desk, hall, caller, (&asking, &assertion), &enrolment, &owner).await? {
        let (account, factor, door) = (owner.id, FactorKind::Webauthn, Door::Browser);
        desk.record(hall, caller, Event::FactorRefused { account, factor, door, reason });
        return Ok(SignIn::Refused(Refused::Ours));
    }
    let Some(proof) = vouched(desk, hall, caller, &owner).await? else { return Ok(SignIn::Refused(Refused::Ours)) };
    let name = owner.username.clone().unwrap_or_default();
    let whom = Whom { proof: &proof, lms: None, canonical: &name, beside_candidates: false };
    let resolved = match account(desk, hall, caller, Door::Browser, &whom).await? {
        Whose::Account(resolved) if resolved.account().id == owner.id => *resolved,
        Whose::Account(_) | Whose::Candidates(_) | Whose::Nobody => return Ok(SignIn::Refused(Refused::Ours)),
    };
    let half = Half { held: Held::ByHeader { service: None }, lms_user: None };
    hall.lms.can_open(&half.held)?;
    let facts = facts(desk, hall, caller, &resolved, &enrolment).await?;
    let signed_in = go_on(desk, hall, caller, resolved, half, facts, wanted).await?;
    Ok(signed_in.unwrap_or(SignIn::Refused(Refused::Ours)))
}

/// The question, if it is one of ours for this site and still good.
fn opened(desk: &Desk, hall: &Hall, ticket: &str) -> Option<Asking> {
    let plain = desk.ring().open(SEAL, hall.site.name.as_str(), ticket).ok()?;
    let ticket: Ticket = serde_json::from_slice(plain.expose()).ok()?;
    (is_open(desk, hall) && desk.now() < ticket.until).then_some(ticket.asking)
}

/// Whether the assertion is right, under the limits of every other answer for this account.
async fn shown(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    (asking, assertion): (&Asking, &Assertion),
    enrolment: &Enrolment,
    owner: &Account,
) -> Result<Result<(), &'static str>, FlowError> {
    let Some(party) = relying_party(hall) else { return Ok(Err(Refusal::RelyingParty.reason())) };
    let kind = FactorKind::Webauthn;
    // Each question is a flow of its own as far as limits go: it has one answer.
    let flow = asking.challenge().unwrap_or_default();
    let slot = match slot_beside(desk, hall, caller, Door::Browser, &owner.id, (kind.as_str(), &flow)).await? {
        Leave::Given(slot) => slot,
        Leave::Refused { limit, .. } => {
            desk.metrics.factor_answer(kind, "locked");
            return Ok(Err(limit.as_str()));
        }
    };
    match judge_one(desk, hall, caller, (&party, asking, assertion), (enrolment, owner)).await? {
        Ok(_) => {
            desk.throttle.factor_right(slot).await?;
            desk.metrics.factor_answer(kind, "accepted");
            Ok(Ok(()))
        }
        Err(refusal) => {
            desk.throttle.factor_wrong(slot).await?;
            desk.metrics.factor_answer(kind, "wrong");
            Ok(Err(refusal.reason()))
        }
    }
}

/// The word of the account's primary source. `None`: it does not let them in, or is not asked at this site.
async fn vouched(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    owner: &Account,
) -> Result<Option<Authenticated>, FlowError> {
    let methods = desk.accounts.methods(&owner.id).await?;
    let primary = methods.iter().find(|method| method.primary);
    let Some((method, source)) = primary.and_then(|m| Some((m, instance(hall, &m.source)?))) else {
        refused_unasked(desk, hall, caller, Door::Browser, "no_source_here");
        return Ok(None);
    };
    let outcome = chain::vouch(source, &method.subject, desk.clock.as_ref()).await;
    for judged in &outcome.verdicts {
        desk.metrics.source_verdict(judged.instance.as_str(), judged.verdict);
    }
    let (accepted, verdicts) = (outcome.accepted(), outcome.verdicts.clone());
    let (account, source) = (owner.id.clone(), method.source.clone());
    desk.record(hall, caller, Event::PasskeyJudged { account, source, accepted, verdicts });
    match outcome.end {
        End::Authenticated(proof) => Ok(Some(*proof)),
        End::Refused { .. } if outcome.unavailable => Err(FlowError::SourceDown),
        End::Refused { .. } => {
            // What they still have ends with the source's word, as when the worker hears it.
            leavers(desk).still_welcome(&hall.instances, &owner.id).await?;
            Ok(None)
        }
    }
}

/// The passkey is the factor as well, under rules that count it.
async fn facts(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    resolved: &Resolved,
    enrolment: &Enrolment,
) -> Result<Vec<Fact>, FlowError> {
    let enrolments = desk.enrolments_of(&resolved.account().id).await?;
    let stand = desk.standpoint(hall, Door::Browser, caller.client, resolved, &enrolments).await?;
    if !desk.policy.scores(&desk.policy.rule(&stand.case()), enrolment) {
        return Ok(Vec::new());
    }
    let (account, factor, door) = (resolved.account().id.clone(), FactorKind::Webauthn, Door::Browser);
    desk.record(hall, caller, Event::FactorAccepted { account, factor, door });
    Ok(vec![enrolment.fact(desk.now())])
}
