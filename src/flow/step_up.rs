//! A factor for a place that asks for a fresh one: in a flow of its own and in the very session that came there
//! (design §2 "Sessions"). What was answered joins that session's facts, under a new id. A form that was on its way
//! waits in the flow, and goes on at its owner's click.
//!
//! No signal, no trusted device and no older answer opens such a place: [`Policy::permit_path`] looks at what was
//! answered here.
//!
//! [`Policy::permit_path`]: crate::mfa::policy::Policy::permit_path

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall,
    account::owner,
    answer::load,
    begin::{open, waiting},
    lms_half::Half,
    permit::{judged, present},
    step::{Errand, Flow, Form, Stage},
};
use crate::{
    accounts::Resolved,
    audit::Event,
    keys,
    limits::Leave,
    lms::Held,
    mfa::policy::{Permission, Permitted},
    sessions::{self, Issued, Session, cookie},
    types::{Door, FlowId},
};
use std::sync::Arc;

/// What a request to such a place begins.
pub enum Begun {
    /// A factor is asked in this flow.
    Ask(FlowId),
    /// The account has nothing that counts there.
    NothingToAsk,
    /// As many forms wait as may.
    TooManyForms,
    /// The session is not its account's any more.
    Over,
}

/// A session that is worth more, and what the browser gets for it.
pub struct Stepped {
    pub issued: Issued,
    /// Keeps the form that is still to be sent.
    pub waiting: Option<FlowId>,
    /// Same-origin path and query.
    pub location: String,
}

/// Opens the flow, or finds the one that another tab of this browser has opened. `wanted` is where a GET was going.
pub async fn begin_step_up(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    session: &Session,
    (path, wanted): (&str, String),
    form: Option<Form>,
) -> Result<Begun, FlowError> {
    if form.is_none()
        && let Some(id) = open_here(desk, hall, caller, session).await?
    {
        return Ok(Begun::Ask(id));
    }
    let Some((resolved, _)) = owner(desk, session).await? else { return Ok(Begun::Over) };
    if form.is_some() && !may_keep(desk, caller, &resolved).await? {
        return Ok(Begun::TooManyForms);
    }
    let (had, path) = (session.facts.clone(), path.to_owned());
    let errand = Errand::StepUp { session: session.key.clone(), had, path, form };
    let flow = Flow { errand: Some(errand), wanted, ..bare(desk, hall, caller, &resolved, Stage::Permit) };
    if !asks(desk, &flow, resolved).await? {
        return Ok(Begun::NothingToAsk);
    }
    open(desk, hall, &flow).await?;
    Ok(Begun::Ask(flow.id))
}

/// Whether this session's account could answer for that path at all.
pub async fn has_answer_for(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    session: &Session,
    path: &str,
) -> Result<bool, FlowError> {
    let Some((resolved, _)) = owner(desk, session).await? else { return Ok(false) };
    let (had, path) = (session.facts.clone(), path.to_owned());
    let errand = Some(Errand::StepUp { session: session.key.clone(), had, path, form: None });
    let flow = Flow { errand, ..bare(desk, hall, caller, &resolved, Stage::Permit) };
    asks(desk, &flow, resolved).await
}

/// The session that this browser had until its time was up.
pub async fn expired_here(desk: &Desk, hall: &Hall, caller: &Caller) -> Result<Option<Arc<Session>>, FlowError> {
    let Some(id) = caller.cookie(cookie::SESSION) else { return Ok(None) };
    let session = desk.sessions.get(&keys::session_key(id)).await?;
    let expired = |s: &Arc<Session>| {
        s.site == hall.site.name && s.account().is_some() && desk.settings.sessions.expired(s, desk.now())
    };
    Ok(session.filter(expired))
}

/// Keeps a form for the next sign-in of an expired session's account. `None`: it is not kept.
pub async fn keep_form(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    expired: &Session,
    form: Form,
) -> Result<Option<FlowId>, FlowError> {
    let Some((resolved, _)) = owner(desk, expired).await? else { return Ok(None) };
    if !may_keep(desk, caller, &resolved).await? {
        return Ok(None);
    }
    let flow = Flow { errand: Some(Errand::Send { form }), ..bare(desk, hall, caller, &resolved, Stage::Send) };
    open(desk, hall, &flow).await?;
    Ok(Some(flow.id))
}

/// The form, for its owner's click on `target`: to exactly one caller, and to nobody else's session (attack D14).
pub async fn claim_form(
    desk: &Desk,
    hall: &Hall,
    session: &Session,
    id: &FlowId,
    target: &str,
) -> Result<Option<Form>, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else { return Ok(None) };
    let own = session.account() == Some(&flow.pending.account);
    let meant = |flow: &Flow| matches!(&flow.errand, Some(Errand::Send { form }) if form.target == target);
    if !own || !matches!(flow.stage, Stage::Send) || !meant(&flow) {
        return Ok(None);
    }
    Ok(match desk.flows.take(id).await?.and_then(|taken| taken.errand) {
        Some(Errand::Send { form }) => Some(form),
        Some(Errand::Act { .. } | Errand::StepUp { .. } | Errand::Adopt { .. }) | None => None,
    })
}

/// The flow is taken and everything is answered: the session's facts and its id change.
pub(super) async fn stepped_up(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    permitted: Permitted,
    taken: Flow,
    (path, form): (&str, Option<Form>),
) -> Result<Answered, FlowError> {
    let Some(session) = present(desk, hall, caller).await? else { return Ok(Answered::Ended(EndedWhy::Expired)) };
    // It may have been revoked while its owner was typing; then it stays dead (attack F13).
    if !desk.sessions.confirmed(&session.key).await? {
        return Ok(Answered::Ended(EndedWhy::Expired));
    }
    let resolved = permitted.resolved();
    let account = resolved.account().id.clone();
    let enrolments = desk.enrolments.enrolments(&account).await?;
    let stand = desk.standpoint_of(&taken, resolved, &enrolments).await?;
    let rule = desk.policy.rule(&stand.case_at(path)).name;
    let kept = form
        .map(|form| Flow { errand: Some(Errand::Send { form }), ..bare(desk, hall, caller, resolved, Stage::Send) });
    let (issued, left) = sessions::step_up(&session, permitted, desk.now(), desk.rng.as_ref());
    desk.sessions.put(&issued.session).await?;
    if let Err(error) = desk.sessions.put(&left).await {
        // Two ids of one session would be one too many.
        desk.sessions.remove(&issued.session.key).await?;
        return Err(error.into());
    }
    desk.record(hall, caller, Event::SteppedUp { account, rule });
    if let Some(flow) = &kept {
        open(desk, hall, flow).await?;
    }
    Ok(Answered::Stepped(Box::new(Stepped { issued, waiting: kept.map(|flow| flow.id), location: taken.wanted })))
}

/// The step-up that another tab waits for in this very session. Whatever opens for that one opens for this one too.
async fn open_here(desk: &Desk, hall: &Hall, caller: &Caller, session: &Session) -> Result<Option<FlowId>, FlowError> {
    let Some(id) = caller.cookie(cookie::FLOW).and_then(FlowId::parse) else { return Ok(None) };
    let Some(flow) = load(desk, hall, &id, Door::Browser).await? else { return Ok(None) };
    let same = matches!(&flow.errand, Some(Errand::StepUp { session: of, form: None, .. }) if *of == session.key);
    Ok(same.then_some(id))
}

/// Whether a factor can be asked in it.
async fn asks(desk: &Desk, flow: &Flow, resolved: Resolved) -> Result<bool, FlowError> {
    let enrolments = desk.enrolments.enrolments(&resolved.account().id).await?;
    let stand = desk.standpoint_of(flow, &resolved, &enrolments).await?;
    Ok(matches!(judged(desk, flow, resolved, &enrolments, &stand), Permission::Ask(_)))
}

async fn may_keep(desk: &Desk, caller: &Caller, resolved: &Resolved) -> Result<bool, FlowError> {
    let leave = desk.throttle.form(&resolved.account().id, caller.client, desk.settings.flow_life()).await?;
    Ok(matches!(leave, Leave::Given(())))
}

/// Nothing of the LMS waits in it.
fn bare(desk: &Desk, hall: &Hall, caller: &Caller, resolved: &Resolved, stage: Stage) -> Flow {
    let half = Half { held: Held::ByHeader { service: None }, lms_user: None };
    waiting(desk, hall, caller, Door::Browser, resolved, stage, half)
}
