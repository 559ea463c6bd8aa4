//! Codes that are sent to somebody, at either door: sending one, judging one, and what is known of where they go.
//!
//! **Mail is never waited for** (fault X20): a letter is queued, or its reader is told at once that it was not.
//! **A mailbox is one proof.** The e-mail factor counts nothing for a day after the account's password came by mail, and
//! an address that the source has changed since rests until its owner confirmed it with another factor (attack J10).

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall, Problem,
    answer::{askable, ended, load},
    known::lane_of,
    permit::{counts, host, is_held_here},
    step::{Errand, Flow, Stage},
};
use crate::{
    accounts::{Account, resume},
    audit::Event,
    limits::{Leave, Limit},
    mfa::{
        enrolment::{Enrolment, Enrolments, sealed_place},
        factors::mailed::{Destination, Link, Live, Outcome, Purpose, destination::masked},
        marks::MAIL_COUNTS_AFTER,
        policy::Permitted,
    },
    outbound::mail::{Asker, Message, Sent},
    types::{AccountId, Door, EnrolmentId, FactorKind, FlowId, Secret, agent},
};

/// Where the code of a factor goes, as far as the page tells, and whether one is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentTo {
    pub factor: FactorKind,
    /// Masked.
    pub to: String,
    pub live: bool,
}

/// A code to type, or a page to open: whichever way it goes.
pub(super) struct Target {
    /// What the code is good for, beside account and flow.
    pub name: String,
    pub to: String,
}

/// Sends a fresh code for one factor of the flow; the one before is void. Both doors ask here.
pub async fn send_code(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    (id, door): (&FlowId, Door),
    kind: FactorKind,
) -> Result<Answered, FlowError> {
    let Some(flow) = load(desk, hall, id, door).await? else { return Ok(Answered::Ended(EndedWhy::Expired)) };
    if matches!(flow.errand, Some(Errand::Act { .. })) && !is_held_here(desk, hall, caller, &flow).await? {
        return ended(desk, hall, id, EndedWhy::Expired).await;
    }
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else {
        return ended(desk, hall, id, EndedWhy::Expired).await;
    };
    note_addresses(desk, hall, caller, resolved.account()).await?;
    let account = resolved.account().id.clone();
    let target = match &flow.stage {
        Stage::ProveAddress { kind: asked, to: Some(to), .. } if *asked == kind => Some(first_target(to)),
        Stage::ProveAddress { .. } => None,
        Stage::Challenge | Stage::Permit => {
            let enrolments = desk.enrolments_of(&account).await?;
            match askable(desk, &flow, resolved, &enrolments).await? {
                Some(factors) if factors.contains(&kind) => chosen(desk, &flow, &enrolments, kind).await?,
                Some(_) | None => None,
            }
        }
        _ => return Ok(Answered::Next(flow.stage)),
    };
    let Some(target) = target else { return Ok(Answered::Again(Problem::Incomplete)) };
    deliver(desk, hall, caller, flow, &account, target, kind).await
}

async fn deliver(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    mut flow: Flow,
    account: &AccountId,
    target: Target,
    kind: FactorKind,
) -> Result<Answered, FlowError> {
    let not_sent = |reason: &'static str| Event::CodeNotSent { account: account.clone(), factor: kind, reason };
    let lane = lane_of(desk, hall, caller, flow.door, account).await?;
    let slot = match desk.throttle.send_code(account, flow.id.expose(), &lane).await? {
        Leave::Given(slot) => slot,
        Leave::Refused { limit, .. } => {
            desk.record_sparsely(hall, caller, account.as_str(), not_sent(limit.as_str()));
            return Ok(Answered::Again(match limit {
                Limit::CodesPerMinute => Problem::CodeTooSoon,
                _ => Problem::CodesUsedUp,
            }));
        }
    };
    let purpose = Purpose { account, flow: &flow.id, target: &target.name };
    let (live, code) = Live::make(&desk.ring(), desk.rng.as_ref(), purpose, desk.now());
    flow.asks.sent = Some(live.clone());
    // Before it goes out: what somebody reads must be good already.
    if !desk.flows.replace(&flow).await? {
        desk.throttle.code_not_sent(slot).await?;
        return Ok(match desk.flows.get(&flow.id).await? {
            Some(current) => Answered::CodeSent(current.stage, kind),
            None => Answered::Ended(EndedWhy::AlreadyFinished),
        });
    }
    let sent = match kind {
        FactorKind::Sms => desk.texter.send_code(&target.to, caller.language, &code, &host(hall)).await,
        _ => {
            let message = letter(desk, hall, &flow, &live, code);
            desk.mailer.send(&target.to, caller.language, message).await == Sent::Queued
        }
    };
    if !sent {
        desk.throttle.code_not_sent(slot).await?;
        desk.record(hall, caller, not_sent("unavailable"));
        return Ok(Answered::Again(Problem::CodeNotSent));
    }
    desk.record(hall, caller, Event::CodeSent { account: account.clone(), factor: kind, door: flow.door });
    Ok(Answered::CodeSent(flow.stage, kind))
}

fn letter(desk: &Desk, hall: &Hall, flow: &Flow, live: &Live, code: Secret<String>) -> Message {
    let asker = Asker { address: flow.client.to_string(), browser: agent::called(&flow.agent) };
    let link = Link {
        flow: flow.id.clone(),
        account: flow.pending.account.clone(),
        letter: live.letter.clone(),
        sent: live.sent,
        address: asker.address.clone(),
        browser: asker.browser.clone(),
    };
    let token = link.seal(&desk.ring(), desk.rng.as_ref(), &hall.site.name);
    let link = Secret::new(format!("{}/vestibule/mailed/{token}", hall.site.public_url));
    Message::MailedCode { site: host(hall), code, link, asker }
}

/// An address that is proven for the first time.
pub(super) fn first_target(to: &str) -> Target {
    Target { name: format!("address:{to}"), to: to.to_owned() }
}

/// Of several, the one that was used last.
async fn chosen(
    desk: &Desk,
    flow: &Flow,
    enrolments: &Enrolments,
    kind: FactorKind,
) -> Result<Option<Target>, FlowError> {
    let usable = usable(desk, flow, enrolments, kind).await?;
    let Some(enrolment) = usable.into_iter().max_by_key(|enrolment| enrolment.last_used) else { return Ok(None) };
    Ok(Some(Target { name: enrolment.id.to_string(), to: desk.destination(enrolment)?.to }))
}

/// Those of this kind that count where the flow is.
async fn usable<'e>(
    desk: &Desk,
    flow: &Flow,
    enrolments: &'e Enrolments,
    kind: FactorKind,
) -> Result<Vec<&'e Enrolment>, FlowError> {
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else { return Ok(Vec::new()) };
    let stand = desk.standpoint_of(flow, &resolved, enrolments).await?;
    Ok(enrolments.of(kind).filter(|enrolment| counts(desk, flow, &stand, enrolment)).collect())
}

/// Which enrolment a typed code is right for.
pub(super) async fn judge_sent(
    desk: &Desk,
    flow: &Flow,
    enrolments: &Enrolments,
    kind: FactorKind,
    typed: &str,
) -> Result<Option<EnrolmentId>, FlowError> {
    let Some(live) = &flow.asks.sent else { return Ok(None) };
    let Some(enrolment) = sent_to(desk, flow, enrolments, kind, live).await? else { return Ok(None) };
    let purpose = Purpose { account: &flow.pending.account, flow: &flow.id, target: &live.target };
    let right = live.judge(&desk.ring(), purpose, typed, desk.now()) == Outcome::Right;
    if right {
        desk.enrolments.used(&enrolment, desk.now()).await?;
    }
    Ok(right.then_some(enrolment))
}

/// The enrolment that the live code went to, if it still counts.
pub(super) async fn sent_to(
    desk: &Desk,
    flow: &Flow,
    enrolments: &Enrolments,
    kind: FactorKind,
    live: &Live,
) -> Result<Option<EnrolmentId>, FlowError> {
    let usable = usable(desk, flow, enrolments, kind).await?;
    Ok(usable.into_iter().find(|enrolment| enrolment.id.as_str() == live.target).map(|e| e.id.clone()))
}

/// What the page says of each factor that is sent.
pub(super) async fn sent_codes(
    desk: &Desk,
    flow: &Flow,
    enrolments: &Enrolments,
    factors: &[FactorKind],
) -> Result<Vec<SentTo>, FlowError> {
    let mut sent = Vec::new();
    for factor in factors.iter().copied().filter(|kind| matches!(kind, FactorKind::Email | FactorKind::Sms)) {
        if let Some(target) = chosen(desk, flow, enrolments, factor).await? {
            let live = flow.asks.sent.as_ref();
            let live = live.is_some_and(|live| live.target == target.name && live.is_good(desk.now()));
            sent.push(SentTo { factor, to: masked(&target.to), live });
        }
    }
    Ok(sent)
}

/// The source says another address than it did: the enrolment rests from now on, and the old address is told, once.
pub(super) async fn note_addresses(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    account: &Account,
) -> Result<(), FlowError> {
    let enrolments = desk.enrolments.enrolments(&account.id).await?;
    for enrolment in enrolments.of(FactorKind::Email).filter(|enrolment| !enrolment.suspended) {
        let destination = desk.destination(enrolment)?;
        if destination.was_overtaken(&desk.ring(), &account.id, account.email.as_deref())
            && desk.enrolments.suspend(&enrolment.id, true).await?
        {
            desk.record(hall, caller, Event::AddressOvertaken { account: account.id.clone() });
            let message = Message::AddressAboutToChange { site: host(hall) };
            desk.mailer.send(&destination.to, caller.language, message).await;
        }
    }
    Ok(())
}

/// Its owner answered another factor for it: codes go where the source says, if they went there before, and the old
/// address is told.
pub(super) async fn confirm_address(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    permitted: Permitted,
    id: &EnrolmentId,
) -> Result<Answered, FlowError> {
    let account = permitted.resolved().account();
    let enrolments = desk.enrolments.enrolments(&account.id).await?;
    let enrolment = enrolments.find(id).filter(|e| e.kind == FactorKind::Email && e.suspended);
    let Some(enrolment) = enrolment else { return Ok(Answered::Acted) };
    let (old, stated) = (desk.destination(enrolment)?, account.email.as_deref());
    let to = match stated {
        Some(address) if old.follows_source(&desk.ring(), &account.id) => address,
        Some(_) | None => old.to.as_str(),
    };
    let new = Destination::mail(&desk.ring(), &account.id, to, stated);
    desk.enrolments.update_secret(id, &desk.seal_destination(id, &new)).await?;
    desk.enrolments.rename(&account.id, id, &masked(to)).await?;
    desk.enrolments.suspend(id, false).await?;
    desk.record(hall, caller, Event::AddressConfirmed { account: account.id.clone() });
    if !old.to.eq_ignore_ascii_case(to) {
        desk.mailer.send(&old.to, caller.language, Message::AddressChanged { site: host(hall) }).await;
    }
    Ok(Answered::Acted)
}

impl Desk {
    /// What an account can be asked for now: an address that was overtaken, and any while a mailbox would be counted
    /// twice, rests.
    pub(super) async fn enrolments_of(&self, account: &AccountId) -> Result<Enrolments, FlowError> {
        let mut enrolments = self.enrolments.enrolments(account).await?;
        if enrolments.of(FactorKind::Email).next().is_none() {
            return Ok(enrolments);
        }
        let stated = self.accounts.account(account).await?.and_then(|account| account.email);
        let by_mail = self.password_came_by_mail(account).await?;
        for enrolment in enrolments.all.iter_mut().filter(|enrolment| enrolment.kind == FactorKind::Email) {
            let overtaken = self.destination(enrolment)?.was_overtaken(&self.ring(), account, stated.as_deref());
            enrolment.suspended |= by_mail || overtaken;
        }
        Ok(enrolments)
    }

    /// The account's password proves nothing but its mailbox yet.
    pub(super) async fn password_came_by_mail(&self, account: &AccountId) -> Result<bool, FlowError> {
        let last = self.marks.last_mailed_password(account, None).await?;
        Ok(last.is_some_and(|at| self.now().since(at) < MAIL_COUNTS_AFTER))
    }

    pub(super) fn destination(&self, enrolment: &Enrolment) -> Result<Destination, FlowError> {
        let plain = self.ring().open("enrolment", &sealed_place(&enrolment.id), enrolment.secret.as_text())?;
        Ok(Destination::from_plain(&plain).ok_or(crate::keys::OpenError::Form)?)
    }

    pub(super) fn seal_destination(&self, id: &EnrolmentId, to: &Destination) -> crate::keys::Sealed<Vec<u8>> {
        let plain = to.to_plain();
        let sealed = self.ring().seal(self.rng.as_ref(), "enrolment", &sealed_place(id), plain.expose());
        crate::keys::Sealed::from_text(sealed)
    }

    /// To every address that is known of an account, the one before among them: the new may be an intruder's.
    pub(super) async fn tell_everywhere(
        &self,
        caller: &Caller,
        account: &Account,
        message: Message,
    ) -> Result<(), FlowError> {
        let mut addresses: Vec<String> = account.email.iter().chain(&account.email_before).cloned().collect();
        for enrolment in self.enrolments.enrolments(&account.id).await?.of(FactorKind::Email) {
            addresses.push(self.destination(enrolment)?.to);
        }
        addresses.sort_by_key(|address| address.to_lowercase());
        addresses.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        for address in addresses {
            self.mailer.send(&address, caller.language, message.clone()).await;
        }
        Ok(())
    }
}
