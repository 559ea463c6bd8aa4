//! Whose name that is: the first of the two checks of a pin (design §2 "Pinning"), before anybody is asked.

use crate::{
    accounts::{Account, AccountStore},
    chain::Selection,
    types::{SourceId, Unavailable, Username},
};
use std::collections::HashSet;

/// A name that belongs to an account is asked of that account's own methods, primary first. `sources` are the
/// instances meant for this site's visitors, enabled or not.
pub async fn selection(
    accounts: &dyn AccountStore,
    sources: &HashSet<SourceId>,
    name: Option<&Username>,
    canonical: &str,
) -> Result<Selection, Unavailable> {
    let mut methods: Vec<SourceId> = Vec::new();
    for owner in owners(accounts, name, canonical).await? {
        let own = accounts.methods(&owner.id).await?.into_iter().map(|method| method.source);
        methods.extend(own.filter(|source| sources.contains(source)));
    }
    // Keeps the order, and asks nobody twice.
    let mut seen = HashSet::new();
    methods.retain(|source| seen.insert(source.clone()));
    Ok(if methods.is_empty() { Selection::All } else { Selection::Only(methods) })
}

/// The accounts of that name. The LMS folds more than we do: what is one name there is looked for under both readings.
pub async fn owners(
    accounts: &dyn AccountStore,
    name: Option<&Username>,
    canonical: &str,
) -> Result<Vec<Account>, Unavailable> {
    let mut owners: Vec<Account> = Vec::new();
    for spelling in [name.map_or("", Username::as_str), canonical] {
        if !spelling.is_empty() && !owners.iter().any(|owner| owner.username.as_deref() == Some(spelling)) {
            owners.extend(accounts.by_username(spelling).await?);
        }
    }
    Ok(owners)
}
