//! Signing in elsewhere: the browser is sent to a redirect source and comes back with that source's answer.
//!
//! What was asked, and for whom, travels sealed in a cookie of this browser; the address carries a random `state` that
//! must be the same. So nobody can be made to finish somebody else's journey (login CSRF), an answer of one source
//! cannot be handed in at another's address (mix-up), and nothing is stored for a journey that nobody makes. Coming
//! back counts once, on all nodes (design R5).

use super::{
    Answered, Caller, Desk, EndedWhy, FlowError, Hall,
    account::{instance, redirects},
    answer::load,
    link::proven,
    permit::is_held_here,
    sign_in::{SignIn, proceed, refuse},
    step::Stage,
};
use crate::{
    audit::Event,
    chain::{self, Attempt, Credentials, End, Trace},
    keys,
    lms::LoginForm,
    sessions::cookie,
    types::{Door, FlowId, Password, RngExt, SourceId, Timestamp},
};
use serde::{Deserialize, Serialize};

/// What the cookie is sealed for.
const SEAL: &str = "away";

/// Where the browser goes, and what it keeps meanwhile.
pub struct Away {
    pub url: String,
    pub label: String,
    /// The value of [`cookie::AWAY`].
    pub cookie: String,
}

/// How coming back ends.
pub enum Arrived {
    SignIn(SignIn),
    /// It was the second source of a link.
    Linking(FlowId, Answered),
    Over(EndedWhy),
}

#[derive(Serialize, Deserialize)]
struct Journey {
    state: String,
    source: SourceId,
    wanted: Option<String>,
    /// The linking flow that it belongs to.
    flow: Option<FlowId>,
    until: Timestamp,
}

/// The way to a source. `None`: it has no button here, or cannot be asked now.
pub async fn depart(
    desk: &Desk,
    hall: &Hall,
    source: &SourceId,
    wanted: Option<String>,
    flow: Option<FlowId>,
) -> Result<Option<Away>, FlowError> {
    let Some(instance) = instance(hall, source).filter(|instance| redirects(hall, instance)) else { return Ok(None) };
    let Some(elsewhere) = &instance.redirect else { return Ok(None) };
    let state = desk.rng.opaque();
    let begun = tokio::time::timeout(instance.deadline, elsewhere.begin(&state, &callback(hall, source))).await;
    let url = match begun.unwrap_or_else(|_| Err("no answer in time".into())) {
        Ok(url) => url,
        Err(reason) => {
            tracing::warn!(source = %instance.name, %reason, "nobody can be sent to this sign-in source");
            return Ok(None);
        }
    };
    let until = desk.now().plus(desk.settings.flow_life());
    let journey = Journey { state, source: source.clone(), wanted, flow, until };
    // Texts and a number always serialise.
    let plain = serde_json::to_vec(&journey).unwrap_or_default();
    let cookie = desk.ring().seal(desk.rng.as_ref(), SEAL, hall.site.name.as_str(), &plain);
    Ok(Some(Away { url, label: instance.label().to_owned(), cookie }))
}

/// The browser is back, at this source's address with these parameters, each name once.
pub async fn arrive(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    source: &SourceId,
    parameters: &[(String, String)],
) -> Result<Arrived, FlowError> {
    let Some(journey) = journey(desk, hall, caller, source, parameters) else {
        let event = Event::ReturnRefused { source: source.clone(), reason: "not this browser's journey" };
        // Anybody can invent names of sources: they are one as far as counting goes.
        desk.record_sparsely(hall, caller, "callback", event);
        return Ok(Arrived::Over(EndedWhy::Expired));
    };
    if !desk.throttle.first(&format!("away/{}", journey.state), desk.settings.flow_life()).await? {
        return Ok(Arrived::Over(EndedWhy::AlreadyFinished));
    }
    let Some(instance) = instance(hall, source).filter(|instance| redirects(hall, instance)) else {
        return Ok(Arrived::Over(EndedWhy::Expired));
    };
    let outcome = chain::complete(instance, parameters, &callback(hall, source), desk.clock.as_ref()).await;
    let event = Event::ReturnJudged {
        source: source.clone(),
        accepted: outcome.accepted(),
        verdicts: outcome.verdicts.clone(),
    };
    desk.record(hall, caller, event);
    let unavailable = outcome.unavailable;
    match (outcome.end, journey.flow) {
        (End::Authenticated(proof), Some(id)) => linking(desk, hall, caller, id, *proof).await,
        (End::Authenticated(proof), None) => {
            let name = proof.username().map(|name| name.as_str().to_owned()).unwrap_or_default();
            // Nobody typed anything here; an LMS that should share the password gets an empty one, and says no.
            let form = LoginForm { username: name.clone(), password: Password::new(String::new()), others: Vec::new() };
            let attempt = Attempt { credentials: Credentials::Form(form), client: caller.client, trace: Trace::off() };
            let signed_in = proceed(desk, hall, caller, (*proof, &attempt), &name, journey.wanted).await?;
            Ok(Arrived::SignIn(signed_in))
        }
        (End::Refused { .. }, _) if unavailable => Err(FlowError::SourceDown),
        (End::Refused { .. }, Some(id)) => Ok(Arrived::Linking(id, Answered::Next(Stage::SecondSource))),
        (End::Refused { .. }, None) => Ok(Arrived::SignIn(refuse(hall, caller, "").await?)),
    }
}

async fn linking(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: FlowId,
    proof: chain::Authenticated,
) -> Result<Arrived, FlowError> {
    let own = caller.cookie(cookie::FLOW) == Some(id.expose());
    let flow = load(desk, hall, &id, Door::Browser).await?.filter(|_| own);
    let Some(flow) = flow.filter(|flow| matches!(flow.stage, Stage::SecondSource)) else {
        return Ok(Arrived::Over(EndedWhy::Expired));
    };
    if !is_held_here(desk, hall, caller, &flow).await? {
        return Ok(Arrived::Over(EndedWhy::Expired));
    }
    let answered = proven(desk, hall, caller, flow, proof).await?;
    Ok(Arrived::Linking(id, answered))
}

/// What this browser took along, if it fits what came back.
fn journey(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    source: &SourceId,
    parameters: &[(String, String)],
) -> Option<Journey> {
    let sealed = caller.cookie(cookie::AWAY)?;
    let plain = desk.ring().open(SEAL, hall.site.name.as_str(), sealed).ok()?;
    let journey: Journey = serde_json::from_slice(plain.expose()).ok()?;
    let (_, state) = parameters.iter().find(|(name, _)| name == "state")?;
    let same = keys::same(state.as_bytes(), journey.state.as_bytes());
    (same && journey.source == *source && desk.now() < journey.until).then_some(journey)
}

/// Where a source sends the browser back to.
fn callback(hall: &Hall, source: &SourceId) -> String {
    format!("{}/vestibule/callback/{source}", hall.site.public_url)
}
