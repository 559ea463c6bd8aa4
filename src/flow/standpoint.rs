//! What the policy is asked about: who, where, by which door, and what is known of the account now.

use super::{Desk, FlowError, Hall, step::Flow};
use crate::{
    accounts::Resolved,
    mfa::{enrolment::Enrolments, known::Known, policy::Case},
    types::{ClientAddr, Door, SiteName, SourceId, Timestamp},
};
use std::sync::Arc;

/// Gathered once; the policy borrows it as a [`Case`].
pub(super) struct Standpoint {
    site: SiteName,
    door: Door,
    client: ClientAddr,
    source: SourceId,
    known: Arc<Known>,
    pub device: bool,
    no_setup: bool,
    now: Timestamp,
}

impl Standpoint {
    /// Of a sign-in, before any path.
    pub fn case(&self) -> Case<'_> {
        Case {
            site: &self.site,
            door: self.door,
            path: None,
            client: self.client,
            source: &self.source,
            known: &self.known,
            device: self.device,
            no_setup: self.no_setup,
            now: self.now,
        }
    }

    /// The same when a path is opened.
    pub fn case_at<'a>(&'a self, path: &'a str) -> Case<'a> {
        Case { path: Some(path), ..self.case() }
    }
}

impl Desk {
    pub(super) async fn standpoint(
        &self,
        hall: &Hall,
        door: Door,
        client: ClientAddr,
        resolved: &Resolved,
        enrolments: &Enrolments,
    ) -> Result<Standpoint, FlowError> {
        // Before it is known what holds: whoever was moved into a group is judged as its member from now on.
        self.group_reader.read(hall, &resolved.account().id).await?;
        self.stand(&hall.site.name, door, client, resolved, enrolments).await
    }

    /// Of a flow: where it began.
    pub(super) async fn standpoint_of(
        &self,
        flow: &Flow,
        resolved: &Resolved,
        enrolments: &Enrolments,
    ) -> Result<Standpoint, FlowError> {
        let stand = self.stand(&flow.site, flow.door, flow.client, resolved, enrolments).await?;
        let device = flow.device.as_ref().is_some_and(|device| stand.now < device.until);
        Ok(Standpoint { device, ..stand })
    }

    async fn stand(
        &self,
        site: &SiteName,
        door: Door,
        client: ClientAddr,
        resolved: &Resolved,
        enrolments: &Enrolments,
    ) -> Result<Standpoint, FlowError> {
        Ok(Standpoint {
            site: site.clone(),
            door,
            client,
            source: resolved.source().clone(),
            known: self.known.known(&resolved.account().id).await?,
            device: false,
            // Also of what rests under a doubt, it is something (attack J10).
            no_setup: enrolments.all.is_empty(),
            now: self.now(),
        })
    }
}
