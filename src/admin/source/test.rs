//! `vestibule source test`: the chain with one instance in it, and its steps.

use super::{Chain, PersonSheet, StepRow, TestSheet, TestSource, milliseconds};
use crate::{
    admin::{Admin, AdminError, Operator},
    audit::Event,
    chain::{self, Attempt, Authenticated, Credentials, End, Instance, Selection, Trace},
    lms::{Held, LoginForm, farewell},
    types::{ClientAddr, SourceId, Username},
};
use std::{net::Ipv4Addr, sync::Arc, time::Instant};

impl Admin {
    /// Nobody's limits and no account are touched. The trial has a health of its own: an operator's try neither opens
    /// a breaker nor waits behind one.
    pub(super) async fn test_source(
        &self,
        by: Operator,
        chain: &Chain,
        test: TestSource,
    ) -> Result<TestSheet, AdminError> {
        let instance = Instance { health: Arc::default(), ..chain.instance(&test.source)?.clone() };
        if instance.password.is_none() {
            return Err(AdminError::Refused(format!(
                "{} judges no passwords: it sends the browser elsewhere",
                test.source
            )));
        }
        let password = test.password.ok_or(AdminError::NoPassword)?.into_password();
        let form = LoginForm { username: test.user.clone(), password, others: Vec::new() };
        let (trace, client) = (Trace::on(), ClientAddr::new(Ipv4Addr::LOCALHOST.into()));
        let attempt = Attempt { credentials: Credentials::Form(form), client, trace: trace.clone() };
        let name = Username::canonical(&test.user);
        let began = Instant::now();
        let alone = std::slice::from_ref(&instance);
        let outcome = chain::run(alone, &Selection::All, name.as_ref(), &attempt, self.clock.as_ref()).await;
        let took = began.elapsed();
        let judged = outcome.verdicts.into_iter().next();
        let verdict = judged.as_ref().map_or("declined", |judged| judged.verdict);
        self.note(by, Event::SourceTested { source: instance.name.clone(), verdict });
        let person = match outcome.end {
            End::Authenticated(proof) => Some(let_go(chain, &instance.name, *proof)),
            End::Refused { .. } => None,
        };
        let row = |step: chain::TraceStep| StepRow {
            step: step.step.to_owned(),
            said: step.said,
            milliseconds: milliseconds(step.took),
        };
        Ok(TestSheet {
            source: instance.name.to_string(),
            kind: instance.kind.name.to_owned(),
            user: test.user,
            steps: trace.taken().into_iter().map(row).collect(),
            verdict: verdict.to_owned(),
            reason: judged.and_then(|judged| judged.reason),
            milliseconds: milliseconds(took),
            person,
        })
    }
}

/// What is known of the person; an LMS session that was opened on the way is logged out.
fn let_go(chain: &Chain, source: &SourceId, proof: Authenticated) -> PersonSheet {
    let person = proof.person();
    let sheet = PersonSheet {
        subject: person.subject.to_string(),
        username: proof.username().map(ToString::to_string),
        name: person.name.clone(),
        email: person.email.clone(),
        email_verified: proof.verified_email().is_some(),
        groups: person.groups.clone(),
        password_mark: person.password_mark.is_some(),
    };
    if let Some(Held::Session { cookies, .. }) = proof.into_lms().map(|lms| lms.held) {
        let known = chain.configured.iter().find(|known| known.name == *source);
        let site = known.and_then(|known| chain.sites.iter().find(|site| known.sites.contains(&site.name)));
        if let Some(site) = site {
            farewell::later(site.lms.clone(), cookies);
        }
    }
    sheet
}
