//! What the database knows that gateway.yaml must fit to: which instances have accounts, and who administers.

use crate::{
    accounts::{AccountStore, State},
    chain::local::LocalStore,
    types::{SourceId, Unavailable},
};
use clap::Args;
use serde::{Deserialize, Serialize};

/// What is asked about: the names of one gateway.yaml.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct About {
    /// `admin.administrators`
    #[arg(long = "administrator")]
    pub administrators: Vec<String>,
    /// Instances of kind `local`
    #[arg(long = "local")]
    pub locals: Vec<String>,
}

/// What there is. It holds no secret, and names nobody but the administrators that were asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub pinned: Vec<Pinned>,
    pub administrators: Vec<Administrator>,
    /// Instances with a one-time password that nobody has used yet.
    pub break_glass: Vec<SourceId>,
}

/// An instance that the database knows, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    pub source: SourceId,
    /// Methods, that is, accounts that sign in by it.
    pub accounts: u64,
    /// Its kind's name when it was last in force.
    pub kind: Option<String>,
}

/// One of the named, and by what they sign in. Nothing where there is no active account of that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Administrator {
    pub name: String,
    pub sources: Vec<SourceId>,
}

/// Local accounts that are looked through for a break-glass one, a page at a time.
const PAGE: u32 = 500;
const MOST_PAGES: usize = 400;

pub async fn facts(accounts: &dyn AccountStore, locals: &dyn LocalStore, about: &About) -> Result<Facts, Unavailable> {
    let mut facts = Facts { pinned: pinned(accounts).await?, ..Facts::default() };
    for name in &about.administrators {
        let mut sources = Vec::new();
        for account in accounts.by_username(name).await? {
            if account.state == State::Active {
                sources.extend(accounts.methods(&account.id).await?.into_iter().map(|method| method.source));
            }
        }
        facts.administrators.push(Administrator { name: name.clone(), sources });
    }
    for name in &about.locals {
        let source = SourceId::new(name.as_str());
        if has_break_glass(locals, &source).await? {
            facts.break_glass.push(source);
        }
    }
    Ok(facts)
}

async fn pinned(accounts: &dyn AccountStore) -> Result<Vec<Pinned>, Unavailable> {
    let kinds = accounts.kinds().await?;
    let kind_of = |source: &SourceId| kinds.iter().find(|(name, _)| name == source).map(|(_, kind)| kind.clone());
    let mut pinned: Vec<Pinned> = Vec::new();
    for (source, accounts) in accounts.pinned().await? {
        let kind = kind_of(&source);
        pinned.push(Pinned { source, accounts, kind });
    }
    for (source, kind) in &kinds {
        if !pinned.iter().any(|known| known.source == *source) {
            pinned.push(Pinned { source: source.clone(), accounts: 0, kind: Some(kind.clone()) });
        }
    }
    Ok(pinned)
}

async fn has_break_glass(locals: &dyn LocalStore, source: &SourceId) -> Result<bool, Unavailable> {
    let mut after: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let page = locals.list(source, after.as_deref(), PAGE).await?;
        // A used one is locked (`local::SPENT`), and opens nothing any more.
        if page.iter().any(|account| account.one_time && !account.hash.expose().starts_with('!')) {
            return Ok(true);
        }
        match page.last() {
            Some(last) => after = Some(last.username.clone()),
            None => break,
        }
    }
    Ok(false)
}
