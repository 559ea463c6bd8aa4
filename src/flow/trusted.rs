//! Trusted devices in the stories: recognised at a sign-in, trusted after an asked factor, forgotten (attack F9). What
//! a device's secret is worth is told in [`crate::mfa::factors::device`].

use super::{Caller, Desk, FlowError, Hall, SignedIn, account::instance, permit::host};
use crate::{
    accounts::Account,
    audit::Event,
    mfa::{
        factors::device::{self, Lifetime, Primary, Shown, TrustedDevice, Worth},
        policy::Satisfied,
    },
    outbound::mail::{Asker, Message},
    sessions::{TrustedBy, Who, cookie},
    types::{AccountId, DeviceId, Door, RngExt, Secret, agent},
};

/// How often another tab may have been faster before this one looks away.
const TRIES: usize = 4;
/// Device cookies of one browser; the header they make is well below what is accepted.
const COOKIES: usize = 8;

/// A device that counts for the account in this sign-in, with the secret that it is to hold from now on.
#[derive(Debug)]
pub struct Recognised {
    pub device: TrustedDevice,
    pub secret: Secret<String>,
}

/// The device that this browser's cookie for the account shows, before it is used: whether that is enough is for the
/// policy to say. A copy is dealt with at once.
pub(super) async fn shown_by_browser(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    account: &Account,
) -> Result<Option<TrustedBy>, FlowError> {
    let Some(secret) = caller.cookie(&device::cookie_name(&desk.ring(), &account.id)) else { return Ok(None) };
    let shown = Shown::open(&desk.ring(), &hall.site.name, Door::Browser, &account.id, secret);
    let Some(shown) = shown else { return Ok(None) };
    let Some(device) = desk.devices.device(&shown.device).await? else { return Ok(None) };
    match device.worth(&shown, account.epoch, desk.now()) {
        Worth::Over => Ok(None),
        Worth::Copied => {
            stolen(desk, hall, caller, account, &device).await?;
            Ok(None)
        }
        Worth::JustBefore | Worth::Present => Ok(Some(by(&device))),
    }
}

/// The use of a device for a sign-in that was decided on its strength.
pub(super) enum Claimed {
    /// It rests on asked factors or on other signals.
    Unneeded,
    By(Recognised),
    /// It was revoked, copied or ended since it was looked at.
    Gone,
}

pub(super) async fn claim(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    satisfied: &Satisfied,
) -> Result<Claimed, FlowError> {
    if !satisfied.rests_on_a_device() {
        return Ok(Claimed::Unneeded);
    }
    let account = satisfied.resolved().account();
    let claimed = match caller.cookie(&device::cookie_name(&desk.ring(), &account.id)) {
        Some(secret) => recognise(desk, hall, caller, Door::Browser, account, secret).await?,
        None => None,
    };
    Ok(claimed.map_or(Claimed::Gone, Claimed::By))
}

impl Claimed {
    pub fn device(&self) -> Option<TrustedBy> {
        match self {
            Claimed::By(recognised) => Some(by(&recognised.device)),
            Claimed::Unneeded | Claimed::Gone => None,
        }
    }
    pub fn cookies(&self, desk: &Desk, caller: &Caller) -> Vec<String> {
        match self {
            Claimed::By(recognised) => give(desk, caller, recognised),
            Claimed::Unneeded | Claimed::Gone => Vec::new(),
        }
    }
}

pub(super) fn by(device: &TrustedDevice) -> TrustedBy {
    TrustedBy { device: device.id.clone(), until: device.expires }
}

/// Whether the device that a proof rests on, used earlier in its flow, has not been revoked since.
pub(super) async fn still_trusted(
    desk: &Desk,
    satisfied: &Satisfied,
    shown: Option<&TrustedBy>,
) -> Result<bool, FlowError> {
    if !satisfied.rests_on_a_device() {
        return Ok(true);
    }
    let Some(shown) = shown else { return Ok(false) };
    let device = desk.devices.device(&shown.device).await?;
    Ok(device.is_some_and(|device| device.is_live(satisfied.resolved().account().epoch, desk.now())))
}

/// After an asked factor in an app that asked for it. A sign-in does not fail for it.
pub(super) async fn trust_app(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    account: &Account,
    lifetime: &Lifetime,
) -> Option<Secret<String>> {
    let before = caller.bearer.as_ref().map(|bearer| bearer.expose().as_str());
    match trust(desk, hall, caller, Door::App, account, lifetime, before).await {
        Ok(recognised) => Some(recognised.secret),
        Err(error) => {
            tracing::warn!(%error, "an app could not be trusted; it will be asked again");
            None
        }
    }
}

/// After an asked factor in this browser, where its owner said so and the rule counts it. A sign-in does not fail for
/// it.
pub(super) async fn trust_browser(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    lifetime: &Lifetime,
    signed_in: &mut SignedIn,
) {
    let session = &signed_in.issued.session;
    let Some(account) = session.account().filter(|_| session.factor_time().is_some()) else { return };
    let trusted = async {
        let Some(account) = desk.accounts.account(account).await? else { return Ok(None) };
        // Of the epoch that the sign-in was proven in; one that was raised since makes it nothing.
        let Who::Account(identity) = &session.who else { return Ok(None) };
        let account = Account { epoch: identity.epoch, ..account };
        let before = caller.cookie(&device::cookie_name(&desk.ring(), &account.id));
        trust(desk, hall, caller, Door::Browser, &account, lifetime, before).await.map(Some)
    };
    match trusted.await {
        Ok(Some(recognised)) => signed_in.own_cookies.extend(give(desk, caller, &recognised)),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "a browser could not be trusted; it will be asked again"),
    }
}

/// The same of a secret that came in by whichever door. `None`: the question is asked.
pub async fn recognise(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    door: Door,
    account: &Account,
    secret: &str,
) -> Result<Option<Recognised>, FlowError> {
    let shown = Shown::open(&desk.ring(), &hall.site.name, door, &account.id, secret);
    let Some(shown) = shown else { return Ok(None) };
    for _ in 0..TRIES {
        let Some(device) = desk.devices.device(&shown.device).await? else { return Ok(None) };
        let now = desk.now();
        match device.worth(&shown, account.epoch, now) {
            Worth::Over => return Ok(None),
            Worth::Copied => {
                stolen(desk, hall, caller, account, &device).await?;
                return Ok(None);
            }
            Worth::JustBefore => return Ok(Some(recognised(desk, device))),
            Worth::Present => {
                let (counter, address) = (device.counter, caller.client.to_string());
                if desk.devices.move_on(&device.id, counter, now, &address).await? {
                    return Ok(Some(recognised(desk, TrustedDevice { counter: counter.saturating_add(1), ..device })));
                }
                // Another tab, or a thief, was here in between: what it is worth now is for the next look to say.
            }
        }
    }
    Ok(None)
}

fn recognised(desk: &Desk, device: TrustedDevice) -> Recognised {
    let secret = device.secret(&desk.ring(), desk.rng.as_ref(), device.counter);
    Recognised { device, secret }
}

/// The series dies; its owner hears of it, once however often the copy comes.
async fn stolen(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    account: &Account,
    device: &TrustedDevice,
) -> Result<(), FlowError> {
    if desk.devices.forget(&account.id, &device.id).await? {
        end_sessions(desk, &account.id, &device.id).await?;
        let event = Event::DeviceCopied { account: account.id.clone(), device: device.id.clone() };
        desk.record(hall, caller, event);
        tracing::warn!(site = %hall.site.name, "a copy of a trusted device's secret came back; the device is forgotten");
        let asker = Asker { address: caller.client.to_string(), browser: agent::called(&caller.agent) };
        let message = Message::TrustedDeviceStolen { site: host(hall), label: device.label.clone(), asker };
        desk.tell(caller, account, message).await;
    }
    Ok(())
}

/// What was opened on a device's strength ends with it: of two that showed its secret, nobody knows which is whose.
async fn end_sessions(desk: &Desk, account: &AccountId, device: &DeviceId) -> Result<(), FlowError> {
    for session in desk.sessions.of_account(account).await? {
        if session.rests_on(device) {
            desk.sessions.remove(&session.key).await?;
        }
    }
    Ok(())
}

/// Trusts the device that has just answered an asked factor. `before` is what it held until now, which is over.
pub async fn trust(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    door: Door,
    account: &Account,
    lifetime: &Lifetime,
    before: Option<&str>,
) -> Result<Recognised, FlowError> {
    let before = before.and_then(|secret| Shown::open(&desk.ring(), &hall.site.name, door, &account.id, secret));
    if let Some(before) = before {
        desk.devices.forget(&account.id, &before.device).await?;
    }
    let now = desk.now();
    let device = TrustedDevice {
        id: DeviceId::new(desk.rng.hex(16)),
        account: account.id.clone(),
        site: hall.site.name.clone(),
        door,
        epoch: account.epoch,
        counter: 0,
        moved: now,
        created: now,
        expires: lifetime.end(now, primary(desk, hall, &account.id).await?),
        last_used: now,
        label: agent::called(&caller.agent),
        address: caller.client.to_string(),
    };
    desk.devices.trust(&device).await?;
    let event = Event::DeviceTrusted { account: account.id.clone(), device: device.id.clone(), door };
    desk.record(hall, caller, event);
    Ok(recognised(desk, device))
}

/// Who judges the passwords of an account's primary method. One whose instance is not asked here may be the LMS.
async fn primary(desk: &Desk, hall: &Hall, account: &AccountId) -> Result<Primary, FlowError> {
    let methods = desk.accounts.methods(account).await?;
    let source = methods.iter().find(|method| method.primary).map(|method| &method.source);
    let kind = source.and_then(|source| instance(hall, source)).map(|instance| instance.kind.name);
    Ok(if kind.is_some_and(|kind| kind != "lms") { Primary::Other } else { Primary::Lms })
}

/// The `Set-Cookie` lines that give a browser its secret, and take others' from one that has too many.
pub(super) fn give(desk: &Desk, caller: &Caller, recognised: &Recognised) -> Vec<String> {
    let own = device::cookie_name(&desk.ring(), &recognised.device.account);
    let others = caller.cookies.iter().map(|(name, _)| name).filter(|name| device::is_cookie(name) && **name != own);
    let mut lines: Vec<String> = others.skip(COOKIES - 1).map(|name| cookie::clear(name)).collect();
    let life = recognised.device.expires.since(desk.now());
    lines.push(cookie::set_for(&own, recognised.secret.expose(), life));
    lines
}

/// Those of an account that are trusted now, last used first.
pub async fn trusted_devices(desk: &Desk, account: &Account) -> Result<Vec<TrustedDevice>, FlowError> {
    let mut devices = desk.devices.devices(&account.id).await?;
    devices.retain(|device| device.is_live(account.epoch, desk.now()));
    Ok(devices)
}

/// The owner's own word. True where it was one of theirs.
pub async fn forget_device(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    account: &AccountId,
    device: &DeviceId,
) -> Result<bool, FlowError> {
    let gone = desk.devices.forget(account, device).await?;
    end_sessions(desk, account, device).await?;
    if gone {
        let event = Event::DeviceForgotten { account: account.clone(), device: device.clone() };
        desk.record(hall, caller, event);
    }
    Ok(gone)
}

/// All of them. Returns how many there were.
pub async fn forget_devices(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    account: &AccountId,
) -> Result<usize, FlowError> {
    let devices = desk.devices.devices(account).await?;
    let mut gone = 0;
    for device in devices {
        gone += usize::from(forget_device(desk, hall, caller, account, &device.id).await?);
    }
    Ok(gone)
}
