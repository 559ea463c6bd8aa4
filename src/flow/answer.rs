//! What a pending sign-in still asks, and a code as its answer, at either door. A first enrolment is in `enrol`.
//!
//! Every answer takes a slot of its limits before it is looked at, and counts once: a TOTP step and a recovery code
//! by the database's conditional update, the flow itself by an atomic take (design R5).

use super::{
    Away, Caller, Choice, Desk, EndedWhy, FlowError, Hall, Named, Occasion, Problem, SignedIn,
    account::label,
    known::factor_slot,
    link::{choices, sides},
    lms_half::Half,
    offer::may_create,
    passkey::{self, put_question},
    permit::{counts, host, is_held_here, judged, permission},
    sent::{SentTo, judge_sent, sent_codes},
    set_up::is_set_up,
    sign_in::{Finished, finish},
    step::{Action, Asks, Errand, Flow, Stage, Trust},
    step_up::Stepped,
    trusted::trust_browser,
};
use crate::{
    accounts::{Resolved, resume},
    audit::Event,
    limits::{FactorSlot, Leave, Limit},
    mfa::{
        config::Rule,
        enrolment::{Claim, Enrolments, sealed_place},
        factors::{
            device::Lifetime,
            mailed::{self, destination::masked},
            recovery, totp, webauthn,
        },
        policy::{Decision, ENOUGH, Permission, Satisfied, Why},
    },
    outbound::mail::Message,
    types::{Door, EnrolmentId, Fact, FactorKind, FlowId},
};
use std::{collections::BTreeSet, time::Duration};

/// What a page of a flow shows.
pub enum Asked {
    Challenge {
        /// The one used last first.
        factors: Vec<FactorKind>,
        why: Vec<Why>,
        /// What the authenticator is asked, as long as that question is good.
        passkey: Option<String>,
        /// Whether this browser can be trusted from then on.
        may_trust: bool,
        sent: Vec<SentTo>,
    },
    HelpDesk {
        occasion: Occasion,
        why: Vec<Why>,
    },
    Device {
        secret: String,
        uri: String,
        digits: u8,
        occasion: Occasion,
        /// A passkey may be enrolled instead.
        passkey_too: bool,
    },
    /// The password of the source by which they are signed in.
    OwnPassword {
        label: String,
    },
    /// A passkey is enrolled: what the authenticator is asked.
    Passkey {
        options: String,
        /// An authenticator app may be enrolled instead.
        totp: bool,
        /// By somebody who is signed in.
        further: bool,
    },
    Codes {
        codes: Vec<String>,
    },
    LmsPassword,
    /// A factor, for the named action alone.
    Permit {
        factors: Vec<FactorKind>,
        passkey: Option<String>,
        sent: Vec<SentTo>,
        named: Named,
    },
    /// An address or number, by the code that is sent there.
    Address {
        kind: FactorKind,
        /// Masked, where it is the source's.
        to: Option<String>,
        /// Its owner names it.
        open: bool,
        live: bool,
    },
    CodesLow {
        left: u32,
    },
    /// Another source that is to be linked.
    SecondSource {
        passwords: Vec<Choice>,
        buttons: Vec<Choice>,
    },
    /// Whether a form that was kept goes on now.
    Send {
        target: String,
    },
    /// Whether both sides are one: the second source, and what it calls this person.
    Join {
        label: String,
        name: Option<String>,
    },
    /// Whether the account that has this address is the reader's own.
    Offer {
        label: String,
        address: String,
        may_create: bool,
    },
}

/// What became of an answer.
pub enum Answered {
    /// Ask again, and say why.
    Again(Problem),
    Locked {
        minutes: u32,
    },
    Ended(EndedWhy),
    /// The next thing is asked.
    Next(Stage),
    /// The next thing is asked in another flow, which this browser gets for it.
    Elsewhere(FlowId, Stage),
    SignedIn(Box<SignedIn>),
    /// It was done; its owner's page shows it.
    Acted,
    /// The session is worth more now.
    Stepped(Box<Stepped>),
    /// Its owner thought better of it, and goes somewhere else.
    Left,
    /// The browser is sent to another source.
    Away(Away),
    /// A code is on its way; it is asked for at this stage.
    CodeSent(Stage, FactorKind),
}

/// The flow of this site and door, if it is still good.
pub(super) async fn load(desk: &Desk, hall: &Hall, id: &FlowId, door: Door) -> Result<Option<Flow>, FlowError> {
    let flow = desk.flows.get(id).await?;
    Ok(flow.filter(|f| f.site == hall.site.name && f.door == door && desk.now() < f.expires))
}

/// What the flow asks now, with the account's name for the page.
pub async fn ask(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
) -> Result<Option<(Asked, Option<String>)>, FlowError> {
    let Some(flow) = load(desk, hall, id, Door::Browser).await? else { return Ok(None) };
    if let (Stage::Offer, Some(Errand::Adopt { second, .. })) = (&flow.stage, &flow.errand) {
        let (label, _) = sides(hall, second);
        let address = second.person().email.clone().unwrap_or_default();
        return Ok(Some((Asked::Offer { label, address, may_create: may_create(hall, second) }, None)));
    }
    let held = matches!(flow.errand, Some(Errand::Act { .. } | Errand::StepUp { .. } | Errand::Send { .. }));
    if held && !is_held_here(desk, hall, caller, &flow).await? {
        return Ok(None);
    }
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else { return Ok(None) };
    let name = resolved.account().username.clone();
    let passkey = flow.asks.passkey.as_ref().map(|asking| asking.options().to_owned());
    let further = flow.errand.is_some() && !is_set_up(&flow);
    let asked = match flow.stage {
        Stage::Challenge => {
            let enrolments = desk.enrolments_of(&flow.pending.account).await?;
            let stand = desk.standpoint_of(&flow, &resolved, &enrolments).await?;
            let why = desk.policy.reasons(&flow.facts, &enrolments, &stand.case());
            let may_trust = desk.policy.trust_device(&stand.case()).is_some();
            match desk.policy.decide(resolved, &enrolments, flow.facts.clone(), &stand.case()) {
                Decision::Challenge(_, factors) => {
                    let sent = sent_codes(desk, &flow, &enrolments, &factors).await?;
                    Asked::Challenge { factors: enrolments.recent_first(factors), why, passkey, sent, may_trust }
                }
                // The factors were reset, or the rules changed, while this flow waited.
                Decision::Satisfied(_) | Decision::Enrol(..) => return Ok(None),
            }
        }
        Stage::HelpDesk => {
            let enrolments = desk.enrolments_of(&flow.pending.account).await?;
            let stand = desk.standpoint_of(&flow, &resolved, &enrolments).await?;
            let why = desk.policy.reasons(&flow.facts, &enrolments, &stand.case());
            Asked::HelpDesk { occasion: occasion(&flow), why }
        }
        Stage::OwnPassword => Asked::OwnPassword { label: label(hall, &flow.pending.source) },
        Stage::Enrol { ref secret, .. } => {
            let (secret, occasion) = (secret.clone(), occasion(&flow));
            let Some(bytes) = totp::from_base32(&secret) else { return Ok(None) };
            let options = desk.settings.mfa.totp();
            let issuer = desk.settings.mfa.issuer.as_deref().unwrap_or(hall.site.public_url.host());
            let label = name.as_deref().unwrap_or("account");
            let uri = totp::otpauth_uri(issuer, label, &bytes, options).expose().clone();
            let passkey_too = !further && passkey::is_offered(desk, hall);
            Asked::Device { secret, uri, digits: options.digits, occasion, passkey_too }
        }
        Stage::EnrolPasskey { begun, .. } => {
            let totp = !further && desk.policy.offers(FactorKind::Totp);
            Asked::Passkey { options: begun.options().to_owned(), totp, further: flow.errand.is_some() }
        }
        Stage::ProveAddress { kind, to, .. } => {
            let live = flow.asks.sent.is_some_and(|live| live.is_good(desk.now()));
            let to = to.map(|to| if further { to } else { masked(&to) });
            Asked::Address { kind, to, open: further, live }
        }
        Stage::Codes { codes } => Asked::Codes { codes },
        Stage::CodesLow { left } => Asked::CodesLow { left },
        Stage::LmsPassword => Asked::LmsPassword,
        Stage::Permit => {
            let enrolments = desk.enrolments_of(&flow.pending.account).await?;
            match (permission(desk, &flow).await?, named(desk, hall, &flow, &enrolments)) {
                (Some(Permission::Ask(factors)), Some(named)) => {
                    let sent = sent_codes(desk, &flow, &enrolments, &factors).await?;
                    Asked::Permit { factors: enrolments.recent_first(factors), passkey, sent, named }
                }
                (_, _) => return Ok(None),
            }
        }
        Stage::SecondSource => {
            let (passwords, buttons) = choices(desk, hall, &flow.pending.account).await?;
            Asked::SecondSource { passwords, buttons }
        }
        Stage::Join { second } => {
            let (label, name) = sides(hall, &second);
            Asked::Join { label, name }
        }
        Stage::Send => match flow.errand {
            Some(Errand::Send { form }) => Asked::Send { target: form.target },
            Some(Errand::Act { .. } | Errand::StepUp { .. } | Errand::Adopt { .. }) | None => return Ok(None),
        },
        Stage::Offer => return Ok(None),
    };
    Ok(Some((asked, name)))
}

fn occasion(flow: &Flow) -> Occasion {
    match flow.errand {
        None => Occasion::SignIn,
        Some(_) if is_set_up(flow) => Occasion::SetUp,
        Some(_) => Occasion::Further,
    }
}

fn named(desk: &Desk, hall: &Hall, flow: &Flow, enrolments: &Enrolments) -> Option<Named> {
    Some(match flow.errand.as_ref()? {
        Errand::Act { action: Action::Link, .. } => Named::Link,
        Errand::Act { action: Action::Unlink { source, .. }, .. } => Named::Unlink(label(hall, source)),
        Errand::Act { action: Action::MakePrimary { source, .. }, .. } => Named::MakePrimary(label(hall, source)),
        Errand::Act { action: Action::AddFactor { kind }, .. } => Named::AddFactor(*kind),
        Errand::Act { action: Action::RemoveFactor { id }, .. } => {
            Named::RemoveFactor(enrolments.find(id)?.label.clone())
        }
        Errand::Act { action: Action::RenameFactor { id, .. }, .. } => {
            Named::RenameFactor(enrolments.find(id)?.label.clone())
        }
        Errand::Act { action: Action::NewRecoveryCodes, .. } => Named::NewRecoveryCodes,
        // No factor permits it: there is none.
        Errand::Act { action: Action::SetUp, .. } => return None,
        Errand::Act { action: Action::ConfirmAddress { id }, .. } => {
            Named::ConfirmAddress(enrolments.find(id)?.label.clone())
        }
        Errand::StepUp { path, form, .. } => {
            Named::Open { place: desk.policy.place(path), path: path.clone(), form: form.is_some() }
        }
        Errand::Send { .. } => return None,
        // With the name there: what is being given way is that one person's sign-in.
        Errand::Adopt { second, .. } => Named::Adopt(match sides(hall, second) {
            (label, Some(name)) => format!("{label}: {name}"),
            (label, None) => label,
        }),
    })
}

/// An answer to the challenge in a browser.
pub async fn answer(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    kind: FactorKind,
    code: &str,
    trust: Trust,
) -> Result<Answered, FlowError> {
    let Some(mut flow) = load(desk, hall, id, Door::Browser).await? else {
        return Ok(Answered::Ended(EndedWhy::Expired));
    };
    if !matches!(flow.stage, Stage::Challenge) {
        return Ok(Answered::Next(flow.stage));
    }
    if trust == Trust::Yes {
        flow.trust = trust;
    }
    match check(desk, hall, caller, &flow, kind, code).await? {
        Checked::Right(fact) => {
            let facts = [flow.facts.as_slice(), std::slice::from_ref(&fact)].concat();
            let lifetime = if flow.trust == Trust::Yes { may_trust(desk, &flow, &facts).await? } else { None };
            let mut answered = advance(desk, hall, caller, flow, fact).await?;
            if let (Answered::SignedIn(signed_in), Some(lifetime)) = (&mut answered, lifetime) {
                trust_browser(desk, hall, caller, &lifetime, signed_in).await;
            }
            Ok(answered)
        }
        other => unanswered(desk, hall, id, kind, other).await,
    }
}

/// For how long this flow's browser or app may be trusted that has answered so much; `None`: its rule counts no device,
/// or a signal made up for what was not answered. That one holds here and now, and the device would carry it elsewhere.
pub(super) async fn may_trust(desk: &Desk, flow: &Flow, facts: &[Fact]) -> Result<Option<Lifetime>, FlowError> {
    let Some((rule, Some(lifetime))) = ruled(desk, flow).await? else { return Ok(None) };
    let kinds: BTreeSet<FactorKind> = facts.iter().map(|fact| fact.factor).filter(|kind| rule.counts(*kind)).collect();
    let asked = kinds.into_iter().map(|kind| desk.policy.weight(kind)).fold(0, u32::saturating_add);
    Ok((asked >= ENOUGH).then_some(lifetime))
}

/// For how long a device is trusted in this flow; `None`: its rule counts none.
pub(super) async fn trusted_for(desk: &Desk, flow: &Flow) -> Result<Option<Lifetime>, FlowError> {
    Ok(ruled(desk, flow).await?.and_then(|(_, lifetime)| lifetime))
}

async fn ruled(desk: &Desk, flow: &Flow) -> Result<Option<(Rule, Option<Lifetime>)>, FlowError> {
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else { return Ok(None) };
    let enrolments = desk.enrolments.enrolments(&flow.pending.account).await?;
    let stand = desk.standpoint_of(flow, &resolved, &enrolments).await?;
    Ok(Some((desk.policy.rule(&stand.case()), desk.policy.trust_device(&stand.case()))))
}

/// What becomes of an answer that was not right.
pub(super) async fn unanswered(
    desk: &Desk,
    hall: &Hall,
    id: &FlowId,
    kind: FactorKind,
    checked: Checked,
) -> Result<Answered, FlowError> {
    // Its question was good for one answer.
    if kind == FactorKind::Webauthn && matches!(checked, Checked::Problem { .. }) {
        passkey::ask_passkey(desk, hall, id, Door::Browser).await?;
    }
    match checked {
        Checked::Problem { problem, .. } => Ok(Answered::Again(problem)),
        Checked::Locked { minutes } => Ok(Answered::Locked { minutes }),
        Checked::FlowOver => ended(desk, hall, id, EndedWhy::TooManyAttempts).await,
        Checked::Full => Ok(Answered::Ended(EndedWhy::TooManyAttempts)),
        Checked::Right(_) | Checked::Gone => ended(desk, hall, id, EndedWhy::Expired).await,
    }
}

/// How a code was judged.
pub(super) enum Checked {
    Right(Fact),
    /// And so many answers are left in this flow.
    Problem {
        problem: Problem,
        left: u32,
    },
    Locked {
        minutes: u32,
    },
    /// The flow has had its wrong answers.
    FlowOver,
    /// As many answers as may be wrong are being looked at right now. The flow stays: one of them may be right.
    Full,
    /// The account changed under the flow.
    Gone,
}

/// Judges one code for one factor of the flow's account, at either door.
pub(super) async fn check(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: &Flow,
    kind: FactorKind,
    code: &str,
) -> Result<Checked, FlowError> {
    let account = &flow.pending.account;
    let refused = |reason| Event::FactorRefused { account: account.clone(), factor: kind, door: flow.door, reason };
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else { return Ok(Checked::Gone) };
    let enrolments = desk.enrolments_of(account).await?;
    match askable(desk, flow, resolved, &enrolments).await? {
        Some(factors) if factors.contains(&kind) => {}
        Some(_) => return uncounted(desk, flow, Problem::Incomplete).await,
        None => return Ok(Checked::Gone),
    }
    let unsent = matches!(kind, FactorKind::Email | FactorKind::Sms) && flow.asks.sent.is_none();
    if !complete(kind, code) || unsent {
        return uncounted(desk, flow, Problem::Incomplete).await;
    }
    let slot = match factor_slot(desk, hall, caller, flow, kind.as_str()).await? {
        Leave::Given(slot) => slot,
        Leave::Refused { limit: Limit::FactorsPerFlow, .. } => return Ok(Checked::Full),
        Leave::Refused { rest, limit } => {
            desk.record_sparsely(hall, caller, &format!("answer/{account}"), refused(limit.as_str()));
            desk.metrics.factor_answer(kind, "locked");
            return Ok(Checked::Locked { minutes: minutes(rest) });
        }
    };
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else { return Ok(Checked::Gone) };
    match judge(desk, hall, caller, flow, &resolved, kind, code, &enrolments).await? {
        Judged::Right(enrolment) => {
            desk.throttle.factor_right(slot).await?;
            let event = Event::FactorAccepted { account: account.clone(), factor: kind, door: flow.door };
            desk.record(hall, caller, event);
            desk.metrics.factor_answer(kind, "accepted");
            if kind == FactorKind::Recovery {
                let left = enrolments.recovery_left.saturating_sub(1);
                if left <= FEW {
                    desk.record(hall, caller, Event::RecoveryCodesLow { account: account.clone(), left });
                }
                let message = Message::RecoveryCodeUsed { site: host(hall), left: left as usize };
                desk.tell(caller, resolved.account(), message).await;
            }
            let by = enrolment.as_ref().and_then(|id| enrolments.find(id));
            Ok(Checked::Right(by.map_or_else(|| enrolments.recovery_fact(desk.now()), |by| by.fact(desk.now()))))
        }
        Judged::Used => {
            desk.record(hall, caller, refused("already used"));
            desk.metrics.factor_answer(kind, "used");
            desk.throttle.factor_not_wrong(slot).await?;
            uncounted(desk, flow, Problem::AlreadyUsed).await
        }
        Judged::NotAccepted(refusal) => {
            desk.record(hall, caller, refused(refusal.reason()));
            desk.metrics.factor_answer(kind, "wrong");
            wrong(desk, slot).await
        }
        Judged::Wrong => {
            desk.record(hall, caller, refused("wrong"));
            desk.metrics.factor_answer(kind, "wrong");
            wrong(desk, slot).await
        }
        Judged::Elsewhen { fast } => {
            desk.record(hall, caller, refused("clock"));
            desk.metrics.factor_answer(kind, "wrong");
            Ok(match wrong(desk, slot).await? {
                Checked::Problem { left, .. } => Checked::Problem { problem: clock(fast), left },
                other => other,
            })
        }
    }
}

/// Rounded up: "about 1 minute" is the least that refuses a code.
pub(super) fn clock(fast: i64) -> Problem {
    let minutes = u16::try_from(fast.unsigned_abs().div_ceil(60)).unwrap_or(u16::MAX);
    if fast > 0 { Problem::ClockFast(minutes) } else { Problem::ClockSlow(minutes) }
}

/// The factors that the flow asks for now; `None`: for none.
pub(super) async fn askable(
    desk: &Desk,
    flow: &Flow,
    resolved: Resolved,
    enrolments: &Enrolments,
) -> Result<Option<Vec<FactorKind>>, FlowError> {
    let stand = desk.standpoint_of(flow, &resolved, enrolments).await?;
    let case = stand.case();
    if matches!(flow.stage, Stage::Permit) {
        return Ok(match judged(desk, flow, resolved, enrolments, &stand) {
            Permission::Ask(factors) => Some(factors),
            Permission::Given(_) | Permission::NoFactor => None,
        });
    }
    Ok(match desk.policy.decide(resolved, enrolments, flow.facts.clone(), &case) {
        Decision::Challenge(_, factors) => Some(factors),
        Decision::Satisfied(_) | Decision::Enrol(..) => None,
    })
}

pub(super) async fn wrong(desk: &Desk, slot: FactorSlot) -> Result<Checked, FlowError> {
    match desk.throttle.factor_wrong(slot).await? {
        0 => Ok(Checked::FlowOver),
        left => Ok(Checked::Problem { problem: Problem::WrongCode, left }),
    }
}

async fn uncounted(desk: &Desk, flow: &Flow, problem: Problem) -> Result<Checked, FlowError> {
    Ok(Checked::Problem { problem, left: desk.throttle.factor_left(flow.id.expose()).await? })
}

pub(super) enum Judged {
    /// By which enrolment.
    Right(Option<EnrolmentId>),
    /// It was right, and somebody has used it: this very code, sent twice.
    Used,
    /// Of another time, by a clock that is so many seconds fast.
    Elsewhen {
        fast: i64,
    },
    /// Not a right assertion, and why.
    NotAccepted(webauthn::Refusal),
    Wrong,
}

async fn judge(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    flow: &Flow,
    resolved: &Resolved,
    kind: FactorKind,
    code: &str,
    enrolments: &Enrolments,
) -> Result<Judged, FlowError> {
    match kind {
        FactorKind::Totp => judge_totp(desk, flow, resolved, code, enrolments).await,
        FactorKind::Webauthn => passkey::judge(desk, hall, caller, flow, resolved, code, enrolments).await,
        FactorKind::Email | FactorKind::Sms => {
            let Some(typed) = mailed::code::canonical(code) else { return Ok(Judged::Wrong) };
            let enrolment = judge_sent(desk, flow, enrolments, kind, &typed).await?;
            Ok(enrolment.map_or(Judged::Wrong, |id| Judged::Right(Some(id))))
        }
        FactorKind::Recovery => {
            let Some(canonical) = recovery::canonical(code) else { return Ok(Judged::Wrong) };
            let digest = recovery::digest(&desk.ring(), &flow.pending.account, &canonical);
            Ok(match desk.enrolments.claim_recovery(&flow.pending.account, &digest, desk.now()).await? {
                Claim::Won => Judged::Right(None),
                Claim::Used => Judged::Used,
                Claim::Unknown => Judged::Wrong,
            })
        }
    }
}

async fn judge_totp(
    desk: &Desk,
    flow: &Flow,
    resolved: &Resolved,
    code: &str,
    enrolments: &Enrolments,
) -> Result<Judged, FlowError> {
    let stand = desk.standpoint_of(flow, resolved, enrolments).await?;
    let mut judged = Judged::Wrong;
    let devices = enrolments.of(FactorKind::Totp).filter(|enrolment| counts(desk, flow, &stand, enrolment));
    for device in devices {
        let secret = desk.ring().open("enrolment", &sealed_place(&device.id), device.secret.as_text())?;
        let hinted = |step| format!("totp-hint/{}/{step}", device.id);
        let options = totp::Options::read(&device.detail);
        match totp::check(secret.expose(), options, code, desk.now(), device.counter) {
            // Somebody was told that this code is one of another time; it is nobody's proof any more.
            totp::Outcome::Accepted { step } if desk.throttle.happened(&hinted(step)).await? => {}
            totp::Outcome::Accepted { step } => {
                let first = desk.enrolments.claim_counter(&device.id, step, desk.now()).await?;
                return Ok(if first { Judged::Right(Some(device.id.clone())) } else { Judged::Used });
            }
            totp::Outcome::AlreadyUsed => judged = Judged::Used,
            totp::Outcome::Elsewhen { step, fast } => {
                desk.throttle.first(&hinted(step), HINT_LASTS).await?;
                judged = Judged::Elsewhen { fast };
            }
            totp::Outcome::Wrong => {}
        }
    }
    Ok(judged)
}

/// So many recovery codes left, or fewer, are too few: their owner is told on the way in.
const FEW: u32 = 3;

/// Longer than any hinted code could still come into the window.
const HINT_LASTS: Duration = Duration::from_secs(900);

/// Whether the text can be such a code at all; what cannot is not counted.
pub(super) fn complete(kind: FactorKind, code: &str) -> bool {
    match kind {
        FactorKind::Totp => (6..=8).contains(&code.chars().filter(char::is_ascii_digit).count()),
        FactorKind::Email | FactorKind::Sms => mailed::code::canonical(code).is_some(),
        FactorKind::Webauthn => !code.is_empty(),
        FactorKind::Recovery => recovery::canonical(code).is_some(),
    }
}

/// A right answer: is it enough now?
pub(super) async fn advance(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    mut flow: Flow,
    fact: Fact,
) -> Result<Answered, FlowError> {
    let by_code = fact.factor == FactorKind::Recovery;
    flow.facts.push(fact);
    flow.asks = Asks::default();
    match decide(desk, &flow).await? {
        Some(Decision::Satisfied(satisfied)) => {
            let left = desk.enrolments.enrolments(&flow.pending.account).await?.recovery_left;
            if by_code && left <= FEW {
                flow.stage = Stage::CodesLow { left };
                return next(desk, flow).await;
            }
            done(desk, hall, caller, &flow.id, satisfied).await
        }
        Some(Decision::Challenge(..)) => {
            flow.stage = Stage::Challenge;
            put_question(desk, hall, &mut flow).await?;
            next(desk, flow).await
        }
        Some(Decision::Enrol(..)) | None => ended(desk, hall, &flow.id, EndedWhy::Expired).await,
    }
}

/// It is enough: the flow is taken, which exactly one caller can, and the sign-in ends as any other.
pub(super) async fn done(
    desk: &Desk,
    hall: &Hall,
    caller: &Caller,
    id: &FlowId,
    satisfied: Satisfied,
) -> Result<Answered, FlowError> {
    let Some(taken) = desk.flows.take(id).await? else { return Ok(Answered::Ended(EndedWhy::AlreadyFinished)) };
    let wanted = Some(taken.wanted).filter(|w| !w.is_empty());
    let half = Half { held: taken.held, lms_user: taken.lms_user };
    Ok(match finish(desk, hall, caller, satisfied, half, wanted).await? {
        Finished::SignedIn(signed_in) => Answered::SignedIn(signed_in),
        Finished::Prove(id) => Answered::Elsewhere(id, Stage::LmsPassword),
        Finished::Refused => Answered::Ended(EndedWhy::Refused),
    })
}

/// Stores the flow's next stage; whoever comes second reads what the first has written.
pub(super) async fn next(desk: &Desk, flow: Flow) -> Result<Answered, FlowError> {
    match desk.flows.replace(&flow).await? {
        true => Ok(Answered::Next(flow.stage)),
        false => match desk.flows.get(&flow.id).await? {
            Some(current) => Ok(Answered::Next(current.stage)),
            None => Ok(Answered::Ended(EndedWhy::AlreadyFinished)),
        },
    }
}

pub(super) async fn decide(desk: &Desk, flow: &Flow) -> Result<Option<Decision>, FlowError> {
    let Some(resolved) = resume(desk.accounts.as_ref(), &flow.pending).await? else { return Ok(None) };
    let enrolments = desk.enrolments_of(&resolved.account().id).await?;
    let stand = desk.standpoint_of(flow, &resolved, &enrolments).await?;
    Ok(Some(desk.policy.decide(resolved, &enrolments, flow.facts.clone(), &stand.case())))
}

/// The user's own end of it. Who is signed in stays so.
pub async fn cancel(desk: &Desk, hall: &Hall, id: &FlowId) -> Result<Answered, FlowError> {
    let flow = desk.flows.get(id).await?;
    drop_flow(desk, hall, id).await?;
    Ok(match flow.and_then(|flow| flow.errand) {
        Some(Errand::Act { .. }) => Answered::Acted,
        Some(Errand::StepUp { .. } | Errand::Send { .. }) => Answered::Left,
        Some(Errand::Adopt { .. }) | None => Answered::Ended(EndedWhy::Cancelled),
    })
}

/// What was pending is over: the flow goes with it, and says why.
pub(super) async fn ended(desk: &Desk, hall: &Hall, id: &FlowId, why: EndedWhy) -> Result<Answered, FlowError> {
    drop_flow(desk, hall, id).await?;
    Ok(Answered::Ended(why))
}

/// A flow that ends without `Satisfied` takes its LMS session with it.
pub(super) async fn drop_flow(desk: &Desk, hall: &Hall, id: &FlowId) -> Result<(), FlowError> {
    if let Some(flow) = desk.flows.take(id).await? {
        hall.give_back(flow.held);
    }
    Ok(())
}

pub(super) fn minutes(rest: std::time::Duration) -> u32 {
    u32::try_from(rest.as_secs().div_ceil(60)).unwrap_or(u32::MAX)
}
