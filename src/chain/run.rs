//! The walk through the chain, and the only maker of [`Authenticated`].

use super::{
    Asked, Attempt, Directory, Health, LmsPassword, LmsProof, NamePattern, Newcomers, PasswordSource, Person, Proven,
    RedirectSource, Standing, Verdict,
};
use crate::{
    audit::InstanceVerdict,
    lms::LmsUser,
    outbound::Answer,
    types::{Clock, FirstProof, SourceId, Subject, Timestamp, Username},
};
use serde::{Deserialize, Serialize};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// One entry of `chain.instances`, built.
#[derive(Clone)]
pub struct Instance {
    pub name: SourceId,
    pub kind: &'static super::sources::Kind,
    pub password: Option<Arc<dyn PasswordSource>>,
    pub redirect: Option<Arc<dyn RedirectSource>>,
    pub directory: Option<Arc<dyn Directory>>,
    /// For the whole operation; running over it is ERROR.
    pub deadline: Duration,
    pub rules: Rules,
    pub health: Arc<Health>,
}

/// What gateway.yaml says of an instance, whatever its kind.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What people read; `None`: the instance's name.
    pub label: Option<String>,
    pub names: Option<NamePattern>,
    pub username_suffix: Option<String>,
    pub email_verified: bool,
    pub lms_password: LmsPassword,
    pub newcomers: Newcomers,
    pub users_may_unlink: bool,
    pub users_may_make_primary: bool,
    pub recheck: Duration,
}

impl Instance {
    /// What people read of it.
    pub fn label(&self) -> &str {
        let own = self.rules.label.as_deref();
        own.or_else(|| self.redirect.as_ref().map(|source| source.label())).unwrap_or(self.name.as_str())
    }

    /// The name under which this instance is asked; `None`: it cannot be its own.
    pub fn own_name<'a>(&self, name: Option<&'a Username>) -> Option<&'a str> {
        let Some(name) = name else {
            return self.password.as_ref().is_some_and(|source| source.reads_names_itself()).then_some("");
        };
        if self.rules.names.as_ref().is_some_and(|pattern| !pattern.matches(name)) {
            return None;
        }
        match &self.rules.username_suffix {
            Some(suffix) => name.without(suffix),
            None => Some(name.as_str()),
        }
    }

    /// The gateway's canonical name for what this source calls somebody.
    pub fn canonical(&self, stated: &str) -> Option<Username> {
        let suffix = self.rules.username_suffix.as_deref().unwrap_or_default();
        Username::canonical(&format!("{}{suffix}", stated.trim()))
    }
}

/// Proof that a source of the chain accepted this person now.
#[derive(Debug)]
pub struct Authenticated {
    source: SourceId,
    person: Person,
    username: Option<Username>,
    email_verified: bool,
    newcomers: Newcomers,
    lms_password: LmsPassword,
    lms: Option<LmsProof>,
    at: Timestamp,
    after_error: bool,
    by: FirstProof,
}

impl Authenticated {
    fn new(instance: &Instance, proven: Proven, at: Timestamp, after_error: bool) -> Self {
        let Proven { person, lms } = proven;
        Authenticated {
            source: instance.name.clone(),
            username: person.username.as_deref().and_then(|name| instance.canonical(name)),
            email_verified: instance.rules.email_verified,
            newcomers: instance.rules.newcomers,
            lms_password: instance.rules.lms_password,
            person,
            lms,
            at,
            after_error,
            by: FirstProof::Password,
        }
    }

    pub fn source(&self) -> &SourceId {
        &self.source
    }
    pub fn person(&self) -> &Person {
        &self.person
    }
    /// What the source calls them, canonical and with the instance's suffix.
    pub fn username(&self) -> Option<&Username> {
        self.username.as_ref()
    }
    /// The address, where this source's addresses are verified ones.
    pub fn verified_email(&self) -> Option<&str> {
        self.person.email.as_deref().filter(|_| self.email_verified)
    }
    pub fn newcomers(&self) -> Newcomers {
        self.newcomers
    }
    pub fn lms_password(&self) -> LmsPassword {
        self.lms_password
    }
    /// Who the LMS said it is, where the LMS was the judge.
    pub fn lms(&self) -> Option<&LmsProof> {
        self.lms.as_ref()
    }
    pub fn at(&self) -> Timestamp {
        self.at
    }
    /// Whether an instance before it could not say: a stranger is then not accepted (design §2).
    pub fn after_error(&self) -> bool {
        self.after_error
    }
    pub fn by(&self) -> FirstProof {
        self.by
    }
    /// Takes out what the LMS gave; the proof itself is used up.
    pub fn into_lms(self) -> Option<LmsProof> {
        self.lms
    }
    /// The form in which it waits, without what the LMS gave. `lms` is who the LMS said this is.
    pub fn to_kept(&self, lms: Option<LmsUser>) -> Kept {
        let Authenticated { source, person, at, after_error, .. } = self;
        Kept { source: source.clone(), person: person.clone(), lms, at: *at, after_error: *after_error }
    }
}

/// An [`Authenticated`] that waits, sealed in the state store, for the rest of its story. It is no proof: it becomes
/// one again only while the instance that gave it is still asked, and under that instance's rules as they are then.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    source: SourceId,
    person: Person,
    lms: Option<LmsUser>,
    at: Timestamp,
    after_error: bool,
}

impl Kept {
    pub fn source(&self) -> &SourceId {
        &self.source
    }
    pub fn person(&self) -> &Person {
        &self.person
    }
    pub fn lms(&self) -> Option<&LmsUser> {
        self.lms.as_ref()
    }
    pub fn restore(&self, instances: &[Instance]) -> Option<Authenticated> {
        let instance = instances.iter().find(|instance| instance.name == self.source)?;
        let proven = Proven { person: self.person.clone(), lms: None };
        Some(Authenticated::new(instance, proven, self.at, self.after_error))
    }
}

/// How the walk ended.
pub enum End {
    Authenticated(Box<Authenticated>),
    /// `answer` is the LMS's own refusal, where it was asked.
    Refused {
        why: Why,
        answer: Option<Box<Answer>>,
    },
}

/// Why nobody was authenticated, as far as counting wrong passwords goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Some instance looked, and did not know this name and password.
    Declined,
    /// An instance refused the person, whatever the password.
    Denied,
    /// No instance could look.
    NobodyLooked,
}

/// The end, with each instance's verdict in order, for the audit.
pub struct Outcome {
    pub end: End,
    pub verdicts: Vec<InstanceVerdict>,
    /// Some enabled instance cannot answer now, whether or not this name would have been asked there: the wording of
    /// a refusal says so for every name alike.
    pub unavailable: bool,
}

/// Which instances are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Nobody owns the name yet: all, in their order.
    All,
    /// The name belongs to an account: its own methods alone, primary first. Perhaps none.
    Only(Vec<SourceId>),
}

impl Selection {
    fn of<'a>(&self, instances: &'a [Instance]) -> Vec<&'a Instance> {
        match self {
            Selection::All => instances.iter().collect(),
            Selection::Only(names) => {
                names.iter().filter_map(|name| instances.iter().find(|i| i.name == *name)).collect()
            }
        }
    }
}

/// Asks the instances in their order. `name` is what was typed, canonical; `None` where it is no name.
pub async fn run(
    instances: &[Instance],
    selection: &Selection,
    name: Option<&Username>,
    attempt: &Attempt,
    clock: &dyn Clock,
) -> Outcome {
    let mut verdicts = Vec::new();
    let (mut refusal, mut errors, mut looked) = (None, false, false);
    // An unauthenticated bind is an OK to some directories: an empty password is nobody's (attack E7).
    let empty = attempt.credentials.password().expose().is_empty();
    for instance in selection.of(instances) {
        let Some(source) = &instance.password else { continue };
        let began = Instant::now();
        let own = if empty { None } else { instance.own_name(name) };
        let verdict = match own {
            None if empty => Verdict::Declined(None),
            None => {
                verdicts.push(InstanceVerdict::of(&instance.name, "declined", Some("not one of its names"), began));
                continue;
            }
            Some(_) if instance.health.is_open() => Verdict::Error("its breaker is open".into()),
            Some(username) => ask(instance, source.as_ref(), &Asked { username, attempt }).await,
        };
        verdicts.push(InstanceVerdict::of(&instance.name, verdict.name(), verdict.recorded(), began));
        match verdict {
            Verdict::Ok(proven) => {
                let proof = Authenticated::new(instance, *proven, clock.now(), errors);
                let end = End::Authenticated(Box::new(proof));
                return Outcome { end, verdicts, unavailable: errors || failing(instances) };
            }
            Verdict::Denied(_, answer) => {
                let end = End::Refused { why: Why::Denied, answer: answer.or(refusal) };
                return Outcome { end, verdicts, unavailable: errors || failing(instances) };
            }
            Verdict::Declined(answer) => {
                looked = true;
                refusal = answer.or(refusal);
            }
            Verdict::Unknown => looked = true,
            Verdict::Error(_) | Verdict::Unclear(_) => errors = true,
        }
    }
    let why = if looked || !errors { Why::Declined } else { Why::NobodyLooked };
    Outcome { end: End::Refused { why, answer: refusal }, verdicts, unavailable: errors || failing(instances) }
}

async fn ask(instance: &Instance, source: &dyn PasswordSource, asked: &Asked<'_>) -> Verdict {
    let answer = tokio::time::timeout(instance.deadline, source.judge(asked)).await;
    let verdict = answer.unwrap_or_else(|_| Verdict::Error(format!("no answer within {:?}", instance.deadline)));
    match &verdict {
        Verdict::Error(reason) => {
            tracing::warn!(source = %instance.name, %reason, "a sign-in source cannot answer; the chain goes on without it");
            instance.health.failed();
        }
        // One person's trouble must not open the breaker for everybody.
        Verdict::Unclear(reason) => {
            tracing::warn!(source = %instance.name, %reason, "a sign-in source cannot say of one attempt");
        }
        Verdict::Ok(_) | Verdict::Declined(_) | Verdict::Unknown | Verdict::Denied(..) => instance.health.answered(),
    }
    verdict
}

fn failing(instances: &[Instance]) -> bool {
    instances.iter().any(|instance| instance.password.is_some() && instance.health.is_failing())
}

/// What a redirect source brought back, judged. There is one instance to ask, and it was asked.
pub async fn complete(
    instance: &Instance,
    parameters: &[(String, String)],
    callback: &str,
    clock: &dyn Clock,
) -> Outcome {
    let began = Instant::now();
    let verdict = match &instance.redirect {
        Some(source) => {
            let answer = tokio::time::timeout(instance.deadline, source.complete(parameters, callback)).await;
            answer.unwrap_or_else(|_| Verdict::Error(format!("no answer within {:?}", instance.deadline)))
        }
        None => Verdict::Declined(None),
    };
    judged_alone(instance, verdict, began, clock)
}

/// The end where one instance was there to ask.
fn judged_alone(instance: &Instance, verdict: Verdict, began: Instant, clock: &dyn Clock) -> Outcome {
    let verdicts = vec![InstanceVerdict::of(&instance.name, verdict.name(), verdict.recorded(), began)];
    let (end, unavailable) = match verdict {
        Verdict::Ok(proven) => {
            let proof = Authenticated::new(instance, *proven, clock.now(), false);
            (End::Authenticated(Box::new(proof)), false)
        }
        Verdict::Denied(..) => (End::Refused { why: Why::Denied, answer: None }, false),
        Verdict::Declined(_) | Verdict::Unknown => (End::Refused { why: Why::Declined, answer: None }, false),
        Verdict::Error(_) | Verdict::Unclear(_) => (End::Refused { why: Why::NobodyLooked, answer: None }, true),
    };
    Outcome { end, verdicts, unavailable }
}

/// Somebody who showed no password, of whom something stronger was shown: the source says who they are, and whether
/// they may still sign in (design §2 "Leavers"). One that cannot be asked without a password says no more than it did,
/// and the account's state decides. Whoever calls this has judged what was shown.
pub async fn vouch(instance: &Instance, subject: &Subject, clock: &dyn Clock) -> Outcome {
    let began = Instant::now();
    let verdict = match &instance.directory {
        None => Verdict::Ok(Box::new(Proven { person: Person::of(subject.clone()), lms: None })),
        Some(_) if instance.health.is_open() => Verdict::Error("its breaker is open".into()),
        Some(directory) => match tokio::time::timeout(instance.deadline, directory.standing(subject)).await {
            Ok(Ok(Standing::Active(person))) => Verdict::Ok(Box::new(Proven { person: *person, lms: None })),
            Ok(Ok(Standing::Barred(reason))) => Verdict::Denied(reason, None),
            Ok(Ok(Standing::Unknown)) => Verdict::Unknown,
            Ok(Err(reason)) => Verdict::Unclear(reason),
            Err(_) => Verdict::Error(format!("no answer within {:?}", instance.deadline)),
        },
    };
    let outcome = judged_alone(instance, verdict, began, clock);
    let end = match outcome.end {
        End::Authenticated(proof) => End::Authenticated(Box::new(Authenticated { by: FirstProof::Passkey, ..*proof })),
        refused @ End::Refused { .. } => refused,
    };
    Outcome { end, ..outcome }
}

impl Outcome {
    pub fn accepted(&self) -> bool {
        matches!(self.end, End::Authenticated(_))
    }
}

/// For a log line: the verdicts, never who.
impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outcome").field("verdicts", &self.verdicts).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
