//! Acts on the chain's sources: which there are, whether one works, a full pass over its people, moving people from one
//! to another, and what a sign-in would meet. None of them prints, logs or keeps a password.

mod command;
mod explain;
mod list;
mod moving;
mod reply;
mod sync;
mod test;

pub use command::{
    ExplainCommand, ExplainSignIn, MatchBy, MoveSource, PasswordText, SourceCommand, SyncSource, TestSource,
};
pub use moving::first_collision;
pub use reply::{
    AskedRow, ExplainSheet, MoveRow, MoveSheet, PersonSheet, SourceRow, SourcesSheet, StepRow, SyncRow, SyncSheet,
    TestSheet,
};

use super::{Admin, AdminError, Operator, Reply};
use crate::{
    accounts::Account,
    chain::Instance,
    flow::Leavers,
    limits::Throttle,
    lms::{AppMfa, Lms},
    mfa::policy::Policy,
    types::{SiteName, SourceId},
};
use arc_swap::ArcSwap;
use std::{collections::HashSet, sync::Arc};

/// The chain as it is in force; a reload puts another in its place.
pub type SharedChain = Arc<ArcSwap<Chain>>;

pub struct Chain {
    /// All of gateway.yaml, in their order.
    pub configured: Vec<Configured>,
    /// Those that are enabled, in their order.
    pub instances: Vec<Instance>,
    pub sites: Vec<SiteOf>,
    /// `chain.sync_limit_percent`
    pub sync_limit_percent: u32,
    pub throttle: Throttle,
    pub policy: Policy,
    /// Why there are no instances: without a running gateway, something they need may not be at hand.
    pub fault: Option<String>,
}

/// One entry of `chain.instances`.
pub struct Configured {
    pub name: SourceId,
    pub kind: &'static str,
    pub enabled: bool,
    pub sites: Vec<SiteName>,
}

/// One site, as far as its chain goes.
pub struct SiteOf {
    pub name: SiteName,
    pub lms: Arc<dyn Lms>,
    /// The instances meant for its visitors, enabled or not.
    pub sources: HashSet<SourceId>,
    pub app_mfa: AppMfa,
}

impl Chain {
    /// An instance that can be asked.
    fn instance(&self, name: &str) -> Result<&Instance, AdminError> {
        if let Some(instance) = self.instances.iter().find(|instance| instance.name.as_str() == name) {
            return Ok(instance);
        }
        match (&self.fault, self.configured.iter().find(|known| known.name.as_str() == name)) {
            (Some(fault), Some(_)) => Err(AdminError::Refused(format!("{name} cannot be asked from here: {fault}"))),
            (None, Some(_)) => Err(AdminError::Refused(format!("{name} is switched off (`enabled: false`)"))),
            (_, None) => {
                let known = self.configured.iter().map(|known| known.name.clone()).collect();
                Err(AdminError::NoSource { name: name.to_owned(), known })
            }
        }
    }
}

impl Admin {
    pub(super) async fn source(&self, by: Operator, command: SourceCommand) -> Result<Reply, AdminError> {
        let chain = self.chain.load_full();
        match command {
            SourceCommand::List => self.list_sources(&chain).await.map(Reply::Sources),
            SourceCommand::Test(test) => self.test_source(by, &chain, test).await.map(Reply::SourceTest),
            SourceCommand::Sync(sync) => self.sync_source(by, &chain, sync).await.map(Reply::Sync),
            SourceCommand::Move(moving) => self.move_source(by, &chain, moving).await.map(Reply::Moves),
            SourceCommand::Facts(about) => {
                Ok(Reply::Facts(super::facts(self.accounts.as_ref(), self.locals.as_ref(), &about).await?))
            }
        }
    }

    pub(super) async fn explain(&self, command: ExplainCommand) -> Result<Reply, AdminError> {
        let ExplainCommand::SignIn(what) = command;
        let chain = self.chain.load_full();
        Ok(Reply::Explained(Box::new(self.explain_sign_in(&chain, &what).await?)))
    }

    fn leavers(&self) -> Leavers {
        Leavers {
            accounts: self.accounts.clone(),
            sessions: self.sessions.clone(),
            ledger: self.ledger.clone(),
            audit: self.audit.clone(),
            clock: self.clock.clone(),
        }
    }
}

/// The best name a person has for it.
fn called(account: &Account) -> String {
    account.username.clone().unwrap_or_else(|| account.id.to_string())
}

fn milliseconds(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
