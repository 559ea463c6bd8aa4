//! `vestibule source move`: the accounts of one instance become pinned to another.
//!
//! All is looked up and every collision told before anything changes. Whom the other source does not have stays.

use super::{Chain, MatchBy, MoveRow, MoveSheet, MoveSource, called};
use crate::{
    accounts::{Account, AccountStore, Created, Method},
    admin::{Admin, AdminError, Operator},
    audit::Event,
    chain::{Directory, Instance},
    types::{AccountId, SourceId, Subject, Unavailable, Username},
};
use std::collections::HashMap;

const PAGE: u32 = 500;
/// A move is planned as a whole.
const MOST: usize = 500_000;

/// Where one method goes.
enum Goes {
    To(Subject),
    Stays(&'static str),
    Collides(String),
}

impl Admin {
    pub(super) async fn move_source(
        &self,
        by: Operator,
        chain: &Chain,
        moving: MoveSource,
    ) -> Result<MoveSheet, AdminError> {
        let from = SourceId::new(moving.from.as_str());
        let to = chain.instance(&moving.to)?;
        if from == to.name {
            return Err(AdminError::Refused("--from and --to are the same instance".to_owned()));
        }
        let plan = self.plan(chain, &from, to, moving.by).await?;
        let collisions = plan.iter().filter(|(_, _, goes)| matches!(goes, Goes::Collides(_))).count();
        let mut moved = 0;
        if collisions == 0 && !moving.dry_run {
            for (account, method, goes) in &plan {
                let Goes::To(subject) = goes else { continue };
                let answer = self.accounts.move_method((&from, &method.subject), (&to.name, subject)).await?;
                // Somebody signed in by the other source meanwhile: theirs it stays.
                if answer == Created::Taken {
                    continue;
                }
                moved += 1;
                let (account, source, from) = (account.id.clone(), to.name.clone(), from.clone());
                self.note(by, Event::MethodMoved { account, source, from });
            }
        }
        Ok(MoveSheet {
            from: from.to_string(),
            to: to.name.to_string(),
            dry_run: moving.dry_run,
            collisions,
            moved,
            rows: plan.into_iter().map(row).collect(),
        })
    }

    async fn plan(
        &self,
        chain: &Chain,
        from: &SourceId,
        to: &Instance,
        by: MatchBy,
    ) -> Result<Vec<(Account, Method, Goes)>, AdminError> {
        if by == MatchBy::Subject {
            self.same_kind(from, to).await?;
        }
        let directory = match (by, &to.directory) {
            (MatchBy::Username, None) => {
                let why = format!("{} cannot be asked for a name; match by subject", to.name);
                return Err(AdminError::Refused(why));
            }
            (MatchBy::Username, Some(directory)) => Some(directory.as_ref()),
            (MatchBy::Subject, _) => None,
        };
        let suffix = chain.instances.iter().find(|i| i.name == *from).and_then(|i| i.rules.username_suffix.clone());
        let mut plan = Vec::new();
        let mut goals: HashMap<Subject, AccountId> = HashMap::new();
        for method in all_methods(self.accounts.as_ref(), from).await? {
            let Some(account) = self.accounts.account(&method.account).await? else { continue };
            let found = match directory {
                None => Ok(Some(method.subject.clone())),
                Some(directory) => find(directory, to, &account, suffix.as_deref()).await?,
            };
            let goes = match found {
                Err(why) => Goes::Stays(why),
                Ok(None) => Goes::Stays("nobody of that name there"),
                Ok(Some(subject)) => self.collision(to, &account, subject, &mut goals).await?,
            };
            plan.push((account, method, goes));
        }
        Ok(plan)
    }

    /// Equal subjects of two kinds are two people.
    async fn same_kind(&self, from: &SourceId, to: &Instance) -> Result<(), AdminError> {
        let kinds = self.accounts.kinds().await?;
        match kinds.iter().find(|(name, kind)| name == from && kind != to.kind.name) {
            None => Ok(()),
            Some((_, kind)) => Err(AdminError::Refused(format!(
                "{from} is of kind {kind} and {} of kind {}: their subjects have nothing in common; match by username",
                to.name, to.kind.name
            ))),
        }
    }

    async fn collision(
        &self,
        to: &Instance,
        account: &Account,
        subject: Subject,
        goals: &mut HashMap<Subject, AccountId>,
    ) -> Result<Goes, AdminError> {
        if let Some(other) = self.accounts.by_method(&to.name, &subject).await? {
            let whose = if other.id == account.id { "its own already".to_owned() } else { called(&other) };
            return Ok(Goes::Collides(format!("subject {subject} is {whose}")));
        }
        if let Some(other) = goals.insert(subject.clone(), account.id.clone()) {
            return Ok(Goes::Collides(format!("subject {subject} would be account {other}, too")));
        }
        Ok(Goes::To(subject))
    }
}

/// Who that is in the other source. Only a name that was stated, never one that was merely typed, tells people apart.
async fn find(
    directory: &dyn Directory,
    to: &Instance,
    account: &Account,
    suffix: Option<&str>,
) -> Result<Result<Option<Subject>, &'static str>, AdminError> {
    let name = account.username.as_deref().filter(|_| account.username_verified).and_then(Username::canonical);
    let Some(name) = name else { return Ok(Err("no source has stated its name")) };
    let bare = match suffix {
        Some(suffix) => name.without(suffix).unwrap_or(name.as_str()),
        None => name.as_str(),
    };
    let answer = tokio::time::timeout(to.deadline, directory.find(bare)).await;
    let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {:?}", to.deadline)));
    let person = answer.map_err(|why| AdminError::Refused(format!("{}: {why}; nothing was changed", to.name)))?;
    Ok(Ok(person.map(|person| person.subject)))
}

async fn all_methods(accounts: &dyn AccountStore, source: &SourceId) -> Result<Vec<Method>, Unavailable> {
    let (mut methods, mut after): (Vec<Method>, Option<Subject>) = (Vec::new(), None);
    while methods.len() < MOST {
        let page = accounts.methods_of(source, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.subject.clone());
        methods.extend(page);
    }
    Ok(methods)
}

/// The first subject that both instances have, for whoever wanted to make one of them.
pub async fn first_collision(
    accounts: &dyn AccountStore,
    from: &SourceId,
    to: &SourceId,
) -> Result<Option<String>, Unavailable> {
    for method in all_methods(accounts, from).await? {
        if let Some(other) = accounts.by_method(to, &method.subject).await? {
            return Ok(Some(format!(
                "subject {} is account {} in one, {} in the other",
                method.subject, method.account, other.id
            )));
        }
    }
    Ok(None)
}

fn row((account, method, goes): (Account, Method, Goes)) -> MoveRow {
    let (to, note) = match goes {
        Goes::To(subject) => (Some(subject.to_string()), String::new()),
        Goes::Stays(why) => (None, format!("stays: {why}")),
        Goes::Collides(why) => (None, format!("collides: {why}")),
    };
    MoveRow { account: account.id.to_string(), user: called(&account), from: method.subject.to_string(), to, note }
}
