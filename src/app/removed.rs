//! Before anybody is let in: gateway.yaml is held against the database's accounts, and what it says of instances that
//! are gone is done. Once: afterwards nothing is pinned to them any more.

use super::AppError;
use crate::{
    accounts::Created,
    admin::{self, Facts},
    audit::{Audit, Context, Event},
    chain::Removed,
    config::{self, Config},
    store::Stores,
    types::SourceId,
};

/// Changes nothing where anything is wrong.
pub(super) async fn settle(config: &Config, stores: &Stores, audit: &Audit) -> Result<(), AppError> {
    let facts = admin::facts(stores.accounts.as_ref(), stores.locals.as_ref(), &config::about(config)).await?;
    let problems = config::check_accounts(config, &facts);
    if !problems.is_empty() {
        return Err(AppError::Accounts(problems));
    }
    for (source, becomes) in &config.chain.removed {
        let Removed::Reassign(to) = becomes else { continue };
        if pinned(&facts, source) > 0
            && pinned(&facts, to) > 0
            && let Some(collision) = admin::first_collision(stores.accounts.as_ref(), source, to).await?
        {
            return Err(AppError::Reassign { from: source.to_string(), to: to.to_string(), collision });
        }
    }
    for (source, becomes) in &config.chain.removed {
        let methods = pinned(&facts, source);
        if methods > 0 {
            settle_one(stores, audit, source, becomes, methods).await?;
        }
    }
    let read: Vec<_> = config.sites.iter().filter(|site| site.lms.groups.is_some()).map(|s| s.name.clone()).collect();
    stores.lms_groups.keep_groups_of(&read).await?;
    for instance in &config.chain.instances {
        stores.accounts.note_kind(&instance.name, instance.kind.name).await?;
    }
    Ok(())
}

fn pinned(facts: &Facts, source: &SourceId) -> u64 {
    facts.pinned.iter().find(|pinned| pinned.source == *source).map_or(0, |pinned| pinned.accounts)
}

async fn settle_one(
    stores: &Stores,
    audit: &Audit,
    source: &SourceId,
    becomes: &Removed,
    methods: u64,
) -> Result<(), AppError> {
    let (word, to) = match becomes {
        Removed::Reassign(to) => {
            if stores.accounts.rename_source(source, to).await? == Created::Taken {
                let found = admin::first_collision(stores.accounts.as_ref(), source, to).await?;
                let collision = found.unwrap_or_else(|| "a subject is in both".to_owned());
                return Err(AppError::Reassign { from: source.to_string(), to: to.to_string(), collision });
            }
            ("reassigned", Some(to.clone()))
        }
        Removed::Rediscover => {
            stores.accounts.drop_source(source).await?;
            ("rediscovered", None)
        }
    };
    tracing::warn!(source = %source, methods, becomes = word, "an instance is gone from chain.instances; its accounts became what chain.removed says");
    audit.record(Context::default(), Event::SourceRemoved { source: source.clone(), becomes: word, to, methods });
    Ok(())
}
