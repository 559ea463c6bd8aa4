//! `vestibule source sync`: one full pass over the accounts pinned to one instance.
//!
//! First everything is asked, then weighed, and only then changed: a directory that suddenly knows nobody bars nobody.

use super::{Chain, SyncRow, SyncSheet, SyncSource, called};
use crate::{
    accounts::{Account, Change, Method, State},
    admin::{Admin, AdminError, Operator},
    audit::{Context, Event},
    chain::{Instance, Standing},
    flow::{Leavers, ask_standing},
    types::Unavailable,
};
use futures_util::{StreamExt, stream};

const PAGE: u32 = 500;
/// A pass keeps what it was told until it is weighed.
const MOST: usize = 500_000;
/// Questions at a time.
const AT_ONCE: usize = 8;
/// So few may always be barred, however small the instance is.
const ALWAYS: usize = 3;

/// What the source said of one account, and what that would change.
struct Said {
    account: Account,
    method: Method,
    standing: Standing,
    change: Change,
}

impl Admin {
    pub(super) async fn sync_source(
        &self,
        by: Operator,
        chain: &Chain,
        sync: SyncSource,
    ) -> Result<SyncSheet, AdminError> {
        let instance = chain.instance(&sync.source)?;
        if instance.directory.is_none() {
            return Err(AdminError::Refused(format!(
                "{} cannot be asked without a password (kind {})",
                sync.source, instance.kind.name
            )));
        }
        let leavers = self.leavers();
        let methods = self.primaries(instance).await?;
        let asked = methods.len();
        let (said, unanswered) = ask_all(&leavers, instance, methods).await?;
        let barred = said.iter().filter(|said| said.account.state == State::Active && is_bar(said.change)).count();
        let limit = limit(asked, chain.sync_limit_percent);
        if barred > limit && !sync.force && !sync.dry_run {
            return Err(AdminError::Refused(format!(
                "{barred} of {asked} accounts would be barred, more than the {limit} that chain.sync_limit_percent \
                 leaves; nothing was changed. Look at them with --dry-run; if it is so, do it with --force"
            )));
        }
        let rows = said.iter().filter(|said| said.change != Change::Nothing).map(row).collect::<Vec<_>>();
        if !sync.dry_run {
            let context = Context { by: Some(format!("uid {}", by.uid)), ..Context::default() };
            for said in &said {
                leavers.apply(&context, instance, &said.method, &said.standing).await?;
            }
            let source = instance.name.clone();
            self.note(by, Event::SourceSynced { source, asked, changed: rows.len() });
        }
        Ok(SyncSheet {
            source: sync.source,
            dry_run: sync.dry_run,
            asked,
            unanswered,
            over_limit: (barred > limit).then_some(limit),
            rows,
        })
    }

    /// Its own accounts alone: those whose primary method it is.
    async fn primaries(&self, instance: &Instance) -> Result<Vec<Method>, AdminError> {
        let (mut methods, mut after) = (Vec::new(), None);
        while methods.len() < MOST {
            let page = self.accounts.methods_of(&instance.name, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.subject.clone());
            methods.extend(page.into_iter().filter(|method| method.primary));
        }
        Ok(methods)
    }
}

/// With the number of those about whom the source did not say.
async fn ask_all(
    leavers: &Leavers,
    instance: &Instance,
    methods: Vec<Method>,
) -> Result<(Vec<Said>, usize), AdminError> {
    let answers: Vec<Result<Option<Said>, Unavailable>> =
        stream::iter(methods).map(|method| ask(leavers, instance, method)).buffered(AT_ONCE).collect().await;
    let (mut all, mut unanswered) = (Vec::new(), 0);
    for answer in answers {
        match answer? {
            Some(said) => all.push(said),
            None => unanswered += 1,
        }
    }
    if all.is_empty() && unanswered > 0 {
        return Err(AdminError::Refused(format!("{} does not answer; nothing was changed", instance.name)));
    }
    Ok((all, unanswered))
}

async fn ask(leavers: &Leavers, instance: &Instance, method: Method) -> Result<Option<Said>, Unavailable> {
    let Ok(standing) = ask_standing(instance, &method.subject).await else { return Ok(None) };
    let change = leavers.weigh(&method, &standing).await?;
    let account = leavers.accounts.account(&method.account).await?;
    Ok(account.map(|account| Said { account, method, standing, change }))
}

fn is_bar(change: Change) -> bool {
    match change {
        Change::Barred(..) => true,
        Change::Nothing | Change::PasswordChanged | Change::Back => false,
    }
}

fn limit(asked: usize, percent: u32) -> usize {
    (asked.saturating_mul(percent as usize) / 100).max(ALWAYS)
}

fn row(said: &Said) -> SyncRow {
    let (becomes, why) = match said.change {
        Change::Nothing => ("unchanged", ""),
        Change::PasswordChanged => ("signed out", "password_changed"),
        Change::Barred(state, reason) => (state.as_str(), reason),
        Change::Back => (State::Active.as_str(), "active_at_its_source"),
    };
    SyncRow {
        account: said.account.id.to_string(),
        user: called(&said.account),
        was: said.account.state.as_str().to_owned(),
        becomes: becomes.to_owned(),
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::limit;

    #[test]
    fn a_tenth_may_be_barred_and_three_in_any_case() {
        assert_eq!([limit(0, 10), limit(10, 10), limit(100, 10), limit(1000, 10)], [3, 3, 10, 100]);
        assert_eq!((limit(1000, 0), limit(1000, 100)), (3, 1000));
    }
}
