//! The walk through the chain, and the only maker of [`Authenticated`].

use super::{Attempt, PasswordSource, Proven, Verdict};
use crate::{
    lms::{Held, LmsUser},
    outbound::Answer,
    types::{Clock, SourceId, Subject, Timestamp},
};
use std::{sync::Arc, time::Duration};

/// One entry of `chain.instances`.
#[derive(Clone)]
pub struct Instance {
    pub name: SourceId,
    pub source: Arc<dyn PasswordSource>,
    /// For the whole operation; running over it is ERROR.
    pub deadline: Duration,
}

/// Proof that a source of the chain accepted this person now.
#[derive(Debug)]
pub struct Authenticated {
    source: SourceId,
    stated: Stated,
    held: Held,
    at: Timestamp,
    after_error: bool,
}

/// What the source states about somebody.
#[derive(Clone, Debug)]
pub struct Stated {
    pub subject: Subject,
    pub user: LmsUser,
}

impl Authenticated {
    pub fn source(&self) -> &SourceId {
        &self.source
    }
    pub fn stated(&self) -> &Stated {
        &self.stated
    }
    pub fn at(&self) -> Timestamp {
        self.at
    }
    /// Whether an instance before it could not say: a stranger is then not accepted (design §2).
    pub fn after_error(&self) -> bool {
        self.after_error
    }
    /// Takes out what the LMS gave; the proof itself is used up.
    pub fn into_held(self) -> Held {
        self.held
    }
}

/// How the walk ended.
pub enum End {
    Authenticated(Box<Authenticated>),
    /// `answer` is the LMS's own refusal, where it was asked. `unavailable`: some instance was in ERROR.
    Refused {
        why: Why,
        answer: Option<Box<Answer>>,
        unavailable: bool,
    },
}

/// Why nobody was authenticated, as far as counting wrong passwords goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No instance knew this name and password.
    Declined,
    /// An instance refused the person, whatever the password.
    Denied,
}

/// The end, with each instance's verdict in order, for the audit.
pub struct Outcome {
    pub end: End,
    pub verdicts: Vec<(SourceId, String)>,
}

/// Asks the instances in their order.
pub async fn run(instances: &[Instance], attempt: &Attempt, clock: &dyn Clock) -> Outcome {
    let mut verdicts = Vec::new();
    let (mut refusal, mut unavailable) = (None, false);
    for instance in instances {
        let asked = tokio::time::timeout(instance.deadline, instance.source.judge(attempt)).await;
        let verdict = asked.unwrap_or_else(|_| Verdict::Error(format!("no answer within {:?}", instance.deadline)));
        verdicts.push((instance.name.clone(), verdict.describe()));
        match verdict {
            Verdict::Ok(proven) => {
                let Proven { subject, user, held } = *proven;
                let stated = Stated { subject, user };
                let source = instance.name.clone();
                let proof = Authenticated { source, stated, held, at: clock.now(), after_error: unavailable };
                return Outcome { end: End::Authenticated(Box::new(proof)), verdicts };
            }
            Verdict::Denied(_, answer) => {
                let answer = answer.or(refusal);
                return Outcome { end: End::Refused { why: Why::Denied, answer, unavailable }, verdicts };
            }
            Verdict::Declined(answer) => refusal = answer.or(refusal),
            Verdict::Error(reason) => {
                tracing::warn!(source = %instance.name, %reason, "a sign-in source cannot answer; the chain goes on without it");
                unavailable = true;
            }
        }
    }
    Outcome { end: End::Refused { why: Why::Declined, answer: refusal, unavailable }, verdicts }
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
mod tests {
    use super::*;
    use crate::{
        chain::Credentials,
        types::{ClientAddr, LmsUserId, Password, SystemClock},
    };
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Says {
        Ok,
        Declined,
        Denied,
        Error,
    }

    struct Fixed(Says, Arc<AtomicUsize>);

    #[async_trait]
    impl PasswordSource for Fixed {
        async fn judge(&self, _: &Attempt) -> Verdict {
            self.1.fetch_add(1, Ordering::Relaxed);
            match self.0 {
                Says::Ok => Verdict::Ok(Box::new(Proven {
                    subject: Subject::new("3"),
                    user: LmsUser { id: LmsUserId(3), username: None, name: None },
                    held: Held::Token { service: "s".into(), token: "t".into(), private_token: None, log_user: None },
                })),
                Says::Declined => Verdict::Declined(None),
                Says::Denied => Verdict::Denied("suspended", None),
                Says::Error => Verdict::Error("down".into()),
            }
        }
    }

    async fn walk(says: &[Says]) -> (Outcome, usize) {
        let asked = Arc::new(AtomicUsize::new(0));
        let instances: Vec<_> = says
            .iter()
            .enumerate()
            .map(|(i, s)| Instance {
                name: SourceId::new(format!("i{i}")),
                source: Arc::new(Fixed(*s, asked.clone())),
                deadline: Duration::from_secs(1),
            })
            .collect();
        let attempt = Attempt {
            credentials: Credentials::Token {
                username: "u".into(),
                password: Password::new("p".into()),
                service: "s".into(),
            },
            client: ClientAddr::new([127, 0, 0, 1].into()),
        };
        let outcome = run(&instances, &attempt, &SystemClock).await;
        (outcome, asked.load(Ordering::Relaxed))
    }

    /// The table of design §2, over every sequence of verdicts up to length five.
    #[tokio::test]
    async fn the_result_depends_only_on_the_order_of_verdicts() {
        let all = [Says::Ok, Says::Declined, Says::Denied, Says::Error];
        let mut sequences: Vec<Vec<Says>> = vec![vec![]];
        for _ in 0..5 {
            let longer: Vec<_> = sequences.iter().flat_map(|s| all.map(|v| [s.as_slice(), &[v]].concat())).collect();
            sequences.extend(longer);
            sequences.dedup();
        }
        for sequence in sequences.into_iter().filter(|s| s.len() <= 5) {
            let stop = sequence.iter().position(|s| matches!(s, Says::Ok | Says::Denied));
            let (outcome, asked) = walk(&sequence).await;
            assert_eq!(asked, stop.map_or(sequence.len(), |i| i + 1), "{sequence:?}");
            let ok = stop.is_some_and(|i| sequence[i] == Says::Ok);
            assert_eq!(outcome.accepted(), ok, "{sequence:?}");
            let errors_before = sequence[..stop.unwrap_or(sequence.len())].contains(&Says::Error);
            match outcome.end {
                End::Authenticated(proof) => assert_eq!(proof.after_error(), errors_before, "{sequence:?}"),
                End::Refused { unavailable, .. } => assert_eq!(unavailable, errors_before, "{sequence:?}"),
            }
        }
    }
}
