//! `vestibule source list`.

use super::{Chain, SourceRow, SourcesSheet};
use crate::{
    accounts::Account,
    admin::{Admin, AdminError},
    types::{AccountId, SourceId},
};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts that are looked through for names that several sources have.
const MOST: usize = 200_000;
const PAGE: u32 = 1000;
/// Collisions that are told; there may be as many as people.
const TOLD: usize = 50;

impl Admin {
    pub(super) async fn list_sources(&self, chain: &Chain) -> Result<SourcesSheet, AdminError> {
        let pinned = self.accounts.pinned().await?;
        let of = |name: &SourceId| pinned.iter().find(|(source, _)| source == name).map_or(0, |(_, n)| *n);
        let mut rows: Vec<SourceRow> = Vec::new();
        for (n, known) in chain.configured.iter().enumerate() {
            let instance = chain.instances.iter().find(|instance| instance.name == known.name);
            rows.push(SourceRow {
                order: Some(n + 1),
                name: known.name.to_string(),
                kind: known.kind.to_owned(),
                enabled: known.enabled,
                sites: known.sites.iter().map(ToString::to_string).collect(),
                health: instance.map(|instance| instance.health.word().to_owned()),
                accounts: of(&known.name),
            });
        }
        for (name, accounts) in &pinned {
            if !chain.configured.iter().any(|known| known.name == *name) {
                rows.push(SourceRow {
                    order: None,
                    name: name.to_string(),
                    kind: "-".to_owned(),
                    enabled: false,
                    sites: Vec::new(),
                    health: None,
                    accounts: *accounts,
                });
            }
        }
        let collisions = if pinned.len() > 1 { self.collisions().await? } else { Vec::new() };
        let more = collisions.len().saturating_sub(TOLD);
        Ok(SourcesSheet {
            rows,
            collisions: collisions.into_iter().take(TOLD).collect(),
            more,
            fault: chain.fault.clone(),
        })
    }

    /// Names that accounts of different sources have: `anna: staff, students`.
    async fn collisions(&self) -> Result<Vec<String>, AdminError> {
        let mut named: BTreeMap<String, Vec<AccountId>> = BTreeMap::new();
        let (mut after, mut seen) = (None, 0);
        while seen < MOST {
            let page = self.accounts.list(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            seen += page.len();
            for Account { id, username, .. } in page {
                if let Some(name) = username {
                    named.entry(name).or_default().push(id);
                }
            }
        }
        let mut told = Vec::new();
        for (name, accounts) in named.into_iter().filter(|(_, accounts)| accounts.len() > 1) {
            let mut sources = BTreeSet::new();
            for id in accounts {
                sources.extend(self.accounts.methods(&id).await?.into_iter().map(|method| method.source));
            }
            let sources: Vec<&str> = sources.iter().map(SourceId::as_str).collect();
            told.push(format!("{name}: {}", sources.join(", ")));
        }
        Ok(told)
    }
}
