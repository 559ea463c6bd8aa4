//! The account page: what its owner may do with an account's ways of signing in and its factors. What is done needs a
//! factor of its own ([`super::permit`], design §2 "Accounts"), whatever the session was given for. What the page
//! shows is in [`super::sheet`].

use super::{
    Caller, Desk, FlowError, Hall,
    begin::{open, waiting},
    factors::addable,
    lms_half::Half,
    permit::strength,
    set_up::begin_set_up,
    step::{Action, Errand, Flow, Stage},
};
use crate::{
    accounts::{Method, Pending, Resolved, resume},
    chain::Instance,
    lms::Held,
    mfa::policy::{ENOUGH, Permission},
    sessions::{Session, Who},
    types::{ClientAddr, Door, EnrolmentId, FactorKind, FlowId, SourceId, Subject},
};

/// What the page's forms ask for; methods by their handles.
pub enum Wish {
    Link,
    Unlink(String),
    MakePrimary(String),
    AddFactor(FactorKind),
    RemoveFactor(EnrolmentId),
    RenameFactor(EnrolmentId, String),
    NewRecoveryCodes,
    /// A first factor, that nobody demands yet.
    SetUp,
    ConfirmAddress(EnrolmentId),
}

/// Opens the flow in which a factor, or for the first one its proof, is asked for what they wish; it begins at this
/// stage. `None`: this may not be done.
pub async fn begin_action(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    session: &Session,
    wish: Wish,
) -> Result<Option<(FlowId, Stage)>, FlowError> {
    let Some((resolved, methods)) = owner(desk, session).await? else { return Ok(None) };
    let find = |wanted: &str| methods.iter().find(|method| handle(desk, method) == wanted);
    let named = |method: &Method| (method.source.clone(), method.subject.clone());
    let action = match &wish {
        Wish::Link => further(hall, &methods).next().map(|_| Action::Link),
        Wish::Unlink(wanted) => find(wanted).map(|method| {
            let (source, subject) = named(method);
            Action::Unlink { source, subject }
        }),
        Wish::MakePrimary(wanted) => find(wanted).map(|method| {
            let (source, subject) = named(method);
            Action::MakePrimary { source, subject }
        }),
        Wish::SetUp => return begin_set_up(desk, hall, caller, session, resolved).await,
        Wish::AddFactor(kind) => Some(Action::AddFactor { kind: *kind }).filter(|_| addable(desk, hall, *kind)),
        Wish::RemoveFactor(id) => Some(Action::RemoveFactor { id: id.clone() }),
        Wish::ConfirmAddress(id) => Some(Action::ConfirmAddress { id: id.clone() }),
        Wish::RenameFactor(id, label) => Some(Action::RenameFactor { id: id.clone(), label: label.clone() }),
        Wish::NewRecoveryCodes => Some(Action::NewRecoveryCodes).filter(|_| desk.policy.offers(FactorKind::Recovery)),
    };
    let Some(action) = action.filter(|action| may(hall, &methods, action, session_source(session))) else {
        return Ok(None);
    };
    let half = Half { held: Held::ByHeader { service: None }, lms_user: None };
    let flow = Flow {
        errand: Some(Errand::Act { session: session.key.clone(), action: action.clone() }),
        ..waiting(desk, hall, caller, Door::Browser, &resolved, Stage::Permit, half)
    };
    match permission(desk, hall, caller.client, resolved, Some(&action)).await? {
        Permission::Ask(_) => {
            open(desk, hall, &flow).await?;
            Ok(Some((flow.id, flow.stage)))
        }
        Permission::Given(_) | Permission::NoFactor => Ok(None),
    }
}

/// What would have to be answered, for this action or for any.
pub(super) async fn permission(
    desk: &Desk,
    hall: &Hall,
    client: ClientAddr,
    resolved: Resolved,
    action: Option<&Action>,
) -> Result<Permission, FlowError> {
    let enrolments = desk.enrolments_of(&resolved.account().id).await?;
    let stand = desk.standpoint(hall, Door::Browser, client, &resolved, &enrolments).await?;
    let need = action.map_or(ENOUGH, |action| strength(desk, action, &enrolments));
    Ok(desk.policy.permit(resolved, &enrolments, Vec::new(), &stand.case(), need))
}

/// Whose session it is, if that account is still as it was when the session was given, with its methods.
pub(super) async fn owner(desk: &Desk, session: &Session) -> Result<Option<(Resolved, Vec<Method>)>, FlowError> {
    let Who::Account(identity) = &session.who else { return Ok(None) };
    let methods = desk.accounts.methods(&identity.account).await?;
    let Some(own) = methods.iter().find(|method| method.source == identity.source) else { return Ok(None) };
    let pending = Pending {
        account: identity.account.clone(),
        epoch: identity.epoch,
        source: own.source.clone(),
        subject: own.subject.clone(),
        at: session.auth_time,
        by: session.first,
    };
    Ok(resume(desk.accounts.as_ref(), &pending).await?.map(|resolved| (resolved, methods)))
}

pub(super) fn session_source(session: &Session) -> Option<&SourceId> {
    match &session.who {
        Who::Account(identity) => Some(&identity.source),
        Who::Guest => None,
    }
}

/// Whether an action is one that this account's owner may do, as far as its methods and their instances go.
pub(super) fn may(hall: &Hall, methods: &[Method], action: &Action, current: Option<&SourceId>) -> bool {
    let find = |source: &SourceId, subject: &Subject| {
        methods.iter().find(|method| method.source == *source && method.subject == *subject)
    };
    match action {
        Action::Link
        | Action::AddFactor { .. }
        | Action::RemoveFactor { .. }
        | Action::RenameFactor { .. }
        | Action::NewRecoveryCodes
        | Action::ConfirmAddress { .. }
        | Action::SetUp => true,
        Action::Unlink { source, subject } => {
            find(source, subject).is_some_and(|method| may_unlink(hall, methods, method, current))
        }
        Action::MakePrimary { source, subject } => {
            find(source, subject).is_some_and(|method| may_make_primary(hall, method))
        }
    }
}

/// Never the primary, never the last, and not the one that the present session came in by: it would end with it.
pub(super) fn may_unlink(hall: &Hall, methods: &[Method], method: &Method, current: Option<&SourceId>) -> bool {
    let allowed = instance(hall, &method.source).is_some_and(|instance| instance.rules.users_may_unlink);
    allowed && !method.primary && methods.len() > 1 && current != Some(&method.source)
}

pub(super) fn may_make_primary(hall: &Hall, method: &Method) -> bool {
    !method.primary && instance(hall, &method.source).is_some_and(|instance| instance.rules.users_may_make_primary)
}

/// The sources of this site that the account has no method of.
pub(super) fn further<'a>(hall: &'a Hall, methods: &[Method]) -> impl Iterator<Item = &'a Instance> {
    let has = |instance: &Instance| methods.iter().any(|method| method.source == instance.name);
    let usable = |instance: &Instance| instance.password.is_some() || redirects(hall, instance);
    hall.instances.iter().filter(|instance| usable(instance) && !has(instance)).collect::<Vec<_>>().into_iter()
}

/// A redirect source has a button on our own sign-in page, and nowhere else.
pub(super) fn redirects(hall: &Hall, instance: &Instance) -> bool {
    instance.redirect.is_some() && hall.site.sign_in == crate::lms::SignIn::Header
}

pub(super) fn instance<'a>(hall: &'a Hall, source: &SourceId) -> Option<&'a Instance> {
    hall.instances.iter().find(|instance| instance.name == *source)
}

/// What people read of a source; of one that is not asked here, its name.
pub(super) fn label(hall: &Hall, source: &SourceId) -> String {
    instance(hall, source).map_or_else(|| source.to_string(), |instance| instance.label().to_owned())
}

pub(super) fn handle(desk: &Desk, method: &Method) -> String {
    desk.ring().digest("method", format!("{}\n{}", method.source, method.subject).as_bytes())
}
