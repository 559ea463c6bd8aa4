//! The link in a letter. Looking at it changes nothing, whoever fetches it: mail scanners do. It passes the flow it was
//! sent for in the browser that holds that flow's cookie (attack J9), and lets its reader say in any browser that this
//! was somebody else.

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall, Problem,
    address::{proven, slot},
    answer::{advance, askable, drop_flow, load},
    permit::{answered, host, is_held_here},
    sent::sent_to,
    step::{Asks, Flow, Stage},
};
use crate::{
    accounts::resume,
    audit::Event,
    keys,
    mfa::factors::mailed::Link,
    outbound::mail::{Asker, Message},
    sessions::cookie,
    types::{AccountId, Door, Fact, FactorKind, FlowId, Timestamp},
};
use std::time::Duration;

/// The help desk is told once of each letter.
const ONCE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What the link's page shows.
pub struct Seen {
    pub sent: Timestamp,
    pub address: String,
    pub browser: String,
    /// It can pass the flow here: whose form token its button carries.
    pub here: Option<FlowId>,
}

/// `None`: it is no link of ours, or too old.
pub async fn look(desk: &Desk, hall: &Hall, caller: &Caller, token: &str) -> Result<Option<Seen>, FlowError> {
    let Some(link) = Link::open(&desk.ring(), &hall.site.name, token, desk.now()) else { return Ok(None) };
    let here = passable(desk, hall, caller, &link).await?.map(|flow| flow.id);
    let Link { sent, address, browser, .. } = link;
    Ok(Some(Seen { sent, address, browser, here }))
}

/// The flow of this link, if this browser holds it, it still asks, and the letter is its newest.
async fn passable(desk: &Desk, hall: &Hall, caller: &Caller, link: &Link) -> Result<Option<Flow>, FlowError> {
    let held = caller.cookie(cookie::FLOW).unwrap_or_default();
    if !keys::same(held.as_bytes(), link.flow.expose().as_bytes()) {
        return Ok(None);
    }
    let Some(flow) = load(desk, hall, &link.flow, Door::Browser).await? else { return Ok(None) };
    let newest = flow.asks.sent.as_ref();
    let newest = newest.is_some_and(|live| live.letter == link.letter && live.is_good(desk.now()));
    let asks = matches!(flow.stage, Stage::Challenge | Stage::Permit | Stage::ProveAddress { .. });
    Ok((newest && asks).then_some(flow))
}

/// "Yes, that is me", in the browser that signs in: as good as the code. The flow's form token was seen to. `None`: it
/// cannot pass what this browser holds, which stays as it is.
pub async fn pass(desk: &Desk, hall: &Hall, caller: &Caller, token: &str) -> Result<Option<Answered>, FlowError> {
    let Some(link) = Link::open(&desk.ring(), &hall.site.name, token, desk.now()) else { return Ok(None) };
    match passable(desk, hall, caller, &link).await? {
        Some(flow) => Ok(Some(passed(desk, hall, caller, flow).await?)),
        None => Ok(None),
    }
}

async fn passed(desk: &Desk, hall: &Hall, caller: &Caller, flow: Flow) -> Result<Answered, FlowError> {
    let slot = match slot(desk, hall, caller, &flow, FactorKind::Email).await? {
        Ok(slot) => slot,
        Err(answered) => return Ok(answered),
    };
    if let Stage::ProveAddress { kind: FactorKind::Email, .. } = flow.stage {
        desk.throttle.factor_right(slot).await?;
        return proven(desk, hall, caller, flow).await;
    }
    let Some(fact) = fact(desk, &flow).await? else {
        desk.throttle.factor_not_wrong(slot).await?;
        return Ok(Answered::Again(Problem::Incomplete));
    };
    desk.throttle.factor_right(slot).await?;
    let (account, factor) = (flow.pending.account.clone(), FactorKind::Email);
    desk.record(hall, caller, Event::FactorAccepted { account, factor, door: flow.door });
    desk.metrics.factor_answer(factor, "accepted");
    if matches!(flow.stage, Stage::Challenge) {
        return advance(desk, hall, caller, flow, fact).await;
    }
    if !is_held_here(desk, hall, caller, &flow).await? {
        return Ok(Answered::Ended(EndedWhy::Expired));
    }
    let facts = [flow.facts.clone(), vec![fact]].concat();
    answered(desk, hall, caller, Flow { facts, asks: Asks::default(), ..flow }).await
}

/// The same conditions as for a typed code: the factor is asked, and the enrolment the letter went to still counts.
async fn fact(desk: &Desk, flow: &Flow) -> Result<Option<Fact>, FlowError> {
    let (Some(live), Some(resolved)) = (&flow.asks.sent, resume(desk.accounts.as_ref(), &flow.pending).await?) else {
        return Ok(None);
    };
    let enrolments = desk.enrolments_of(&flow.pending.account).await?;
    let asked = askable(desk, flow, resolved, &enrolments).await?;
    if !asked.is_some_and(|factors| factors.contains(&FactorKind::Email)) {
        return Ok(None);
    }
    let Some(id) = sent_to(desk, flow, &enrolments, FactorKind::Email, live).await? else { return Ok(None) };
    desk.enrolments.used(&id, desk.now()).await?;
    Ok(enrolments.find(&id).map(|enrolment| enrolment.fact(desk.now())))
}

/// "This was not me". The link is all it takes: whoever has it reads the account's mail, and all they can do is end what
/// the letter was about. False: it is no link of ours, or too old.
pub async fn disown(desk: &Desk, hall: &Hall, caller: &Caller, token: &str) -> Result<bool, FlowError> {
    let Some(link) = Link::open(&desk.ring(), &hall.site.name, token, desk.now()) else { return Ok(false) };
    drop_flow(desk, hall, &link.flow).await?;
    end_since(desk, hall, caller, &link.account, link.sent).await?;
    desk.marks.disowned(&link.account, desk.now()).await?;
    if !desk.throttle.first(&format!("disowned/{}", link.letter), ONCE).await? {
        return Ok(true);
    }
    desk.record(hall, caller, Event::SignInDisowned { account: link.account.clone() });
    let account = desk.accounts.account(&link.account).await?;
    let name = account.and_then(|account| account.username).unwrap_or_else(|| link.account.to_string());
    let asker = Asker { address: link.address, browser: link.browser };
    let message = Message::NotMe { site: host(hall), account: name, asker };
    desk.mailer.tell_help_desk(caller.language, message).await;
    Ok(true)
}

/// Whoever talked somebody out of the code is in by now: what was opened since the letter ends, and what they made theirs
/// to come back by.
async fn end_since(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &AccountId,
    sent: Timestamp,
) -> Result<(), FlowError> {
    let mut forgotten = Vec::new();
    for device in desk.devices.devices(id).await? {
        if device.created >= sent && desk.devices.forget(id, &device.id).await? {
            forgotten.push(device.id);
        }
    }
    let account = desk.accounts.account(id).await?;
    for enrolment in desk.enrolments.enrolments(id).await?.all {
        // With the last one it is the help desk's to open the next.
        if enrolment.created >= sent && desk.enrolments.remove(id, &enrolment.id).await? {
            let (factor, label) = (enrolment.kind, enrolment.label);
            desk.record(hall, caller, Event::FactorRemoved { account: id.clone(), factor });
            if let Some(account) = &account {
                desk.tell(caller, account, Message::FactorRemoved { site: host(hall), factor, label }).await;
            }
        }
    }
    for session in desk.sessions.of_account(id).await? {
        let since = session.facts.iter().any(|fact| fact.at >= sent);
        if since || forgotten.iter().any(|device| session.rests_on(device)) {
            desk.sessions.remove(&session.key).await?;
        }
    }
    for token in desk.ledger.of_account(id).await? {
        if token.revoked.is_none() && token.issued >= sent {
            desk.ledger.revoke(&token.id, desk.now()).await?;
        }
    }
    Ok(())
}
