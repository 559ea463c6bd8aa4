//! What its owner ends at the account page: sessions in other browsers, apps, or everything at once. Ending asks for no
//! factor: whoever takes access away by it gains none.

use super::{
    Caller, Desk, FlowError, Hall,
    account::owner,
    sheet::{live, session_handle},
    sign_in::pairs,
    trusted::{forget_device, forget_devices},
};
use crate::{
    audit::Event,
    sessions::{
        Session,
        cookie::{self, Jar},
    },
    types::{AccountId, DeviceId, Secret, TokenId},
};

/// What is to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// One other session, by its handle.
    Session(String),
    /// All sessions but the one that asks.
    OtherSessions,
    /// One app.
    App(TokenId),
    /// The trust in one browser or app.
    Device(DeviceId),
    /// Everything that was issued before: all sessions, apps and trusted devices of the account.
    Everything,
}

/// `None`: the session is not this account's any more.
pub async fn end(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    session: &Session,
    ending: Ending,
) -> Result<Option<()>, FlowError> {
    let Some((resolved, _)) = owner(desk, session).await? else { return Ok(None) };
    let account = &resolved.account().id;
    match ending {
        Ending::Session(handle) => {
            let chosen = |other: &Session| other.key != session.key && session_handle(desk, &other.key) == handle;
            end_sessions(desk, hall, caller, account, chosen).await?;
        }
        Ending::OtherSessions => end_sessions(desk, hall, caller, account, |other| other.key != session.key).await?,
        Ending::App(id) => end_app(desk, hall, caller, account, &id).await?,
        Ending::Device(id) => drop(forget_device(desk, hall, caller, account, &id).await?),
        Ending::Everything => end_everything(desk, hall, caller, account, session).await?,
    }
    Ok(Some(()))
}

async fn end_sessions(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    account: &AccountId,
    chosen: impl Fn(&Session) -> bool,
) -> Result<(), FlowError> {
    for session in live(desk, account).await?.iter().filter(|session| chosen(session)) {
        if desk.sessions.remove(&session.key).await? {
            let session = session.key.short().to_owned();
            desk.record(hall, caller, Event::SessionRevoked { account: Some(account.clone()), session });
        }
    }
    Ok(())
}

async fn end_app(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    account: &AccountId,
    id: &TokenId,
) -> Result<(), FlowError> {
    let tokens = desk.ledger.of_account(account).await?;
    if tokens.iter().any(|token| token.id == *id) && desk.ledger.revoke(id, desk.now()).await? > 0 {
        desk.record(hall, caller, Event::TokenRevoked { account: account.clone(), token: id.clone() });
    }
    Ok(())
}

/// The epoch first: what comes in between is of the old one.
async fn end_everything(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    account: &AccountId,
    session: &Session,
) -> Result<(), FlowError> {
    desk.accounts.raise_epoch(account).await?;
    desk.sessions.remove_account(account).await?;
    desk.ledger.revoke_account(account, desk.now()).await?;
    forget_devices(desk, hall, caller, account).await?;
    if let Some(half) = &session.lms {
        let key = Secret::new(half.seal_key);
        hall.log_out_later(cookie::open(pairs(caller), Jar::Session, &key, &hall.site.name));
    }
    let reason = "signed out everywhere by its owner";
    desk.record(hall, caller, Event::EpochRaised { account: account.clone(), reason });
    Ok(())
}
