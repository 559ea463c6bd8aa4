//! The chain's instances, built from gateway.yaml: one of each, shared by the sites it serves.

use super::AppError;
use crate::{
    audit::Audit,
    chain::{
        self, Directory, Health, Instance, PasswordSource, Rules,
        local::LocalStore,
        password::Hashing,
        sources::{Needs, lms::Judge},
    },
    config::{self, Config},
    keys::SharedKeyring,
    lms::{Lms, Site, moodle::APP_SERVICE, site::Judge as JudgeSetting},
    telemetry::Metrics,
    types::{Clock, Rng, SiteName, SourceId},
};
use arc_swap::ArcSwap;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// A site's LMS, and how it judges.
pub(super) type Judges = HashMap<SiteName, (Arc<dyn Lms>, Judge)>;

pub(super) fn judge(site: &Site) -> Judge {
    match site.lms.judge {
        JudgeSetting::Form => Judge::Form,
        JudgeSetting::Sessionless => {
            Judge::Sessionless(site.app.service.as_ref().map_or(APP_SERVICE.to_owned(), ToString::to_string))
        }
    }
}

/// What building sources needs of the rest of the gateway.
pub(super) struct Ground {
    pub ring: SharedKeyring,
    /// One for all instances: its bound is the machine's.
    pub hashing: Arc<Hashing>,
    pub locals: Arc<dyn LocalStore>,
    pub audit: Audit,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
}

/// Every instance that is enabled, in its order, with the configuration it comes from.
pub(super) fn instances<'a>(
    config: &'a Config,
    judges: &Judges,
    ground: &Ground,
) -> Result<Vec<(&'a chain::config::Instance, Instance)>, AppError> {
    let secret = |text: &str| config::resolve(text).map_err(|error| error.to_string());
    let lms = |site: &SiteName| judges.get(site).cloned();
    let alone = |site: &SiteName| config.chain.instances.iter().filter(|instance| instance.serves(site)).count() == 1;
    let enabled = config.chain.instances.iter().filter(|instance| instance.common.enabled);
    let built = enabled.map(|settings| {
        let needs = Needs {
            name: &settings.name,
            secret: &secret,
            deadline: settings.deadline(),
            lms: &lms,
            alone: &alone,
            hashing: ground.hashing.clone(),
            locals: ground.locals.clone(),
            audit: ground.audit.clone(),
            clock: ground.clock.clone(),
            rng: ground.rng.clone(),
        };
        let source = settings.settings.build(&needs).map_err(|error| AppError::Source {
            instance: settings.name.to_string(),
            key: error.key,
            cause: error.said,
        })?;
        let common = &settings.common;
        let instance = Instance {
            name: settings.name.clone(),
            kind: settings.kind,
            password: source.password,
            redirect: source.redirect,
            directory: source.directory,
            deadline: settings.deadline(),
            rules: Rules {
                label: common.label.clone(),
                names: common.names.clone(),
                username_suffix: common.username_suffix.clone(),
                email_verified: common.email_verified,
                lms_password: common.lms_password,
                newcomers: common.strangers,
                users_may_unlink: common.users_may_unlink,
                users_may_make_primary: common.users_may_make_primary,
                recheck: settings.recheck(&config.chain),
            },
            health: Arc::new(Health::default()),
        };
        Ok((settings, instance))
    });
    built.collect()
}

/// The instances in force; a reload puts others in their place.
pub(super) type Instances = Arc<ArcSwap<Vec<Instance>>>;

/// Asks again and again those that could not answer, so that no user's attempt is the probe.
pub(super) async fn probe(instances: Instances, metrics: Arc<Metrics>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let known = instances.load();
        metrics.sources_up(known.iter().map(|instance| (instance.name.as_str(), !instance.health.is_open())));
        let mut asked = JoinSet::new();
        for instance in known.iter().filter(|instance| instance.health.is_failing()) {
            let (Some(source), health) = (instance.password.clone(), instance.health.clone()) else { continue };
            let (name, deadline, directory) = (instance.name.clone(), instance.deadline, instance.directory.clone());
            asked.spawn(async move {
                if let Ok(Ok(())) = tokio::time::timeout(deadline, probed(source.as_ref(), directory.as_deref())).await
                {
                    health.recovered();
                    tracing::info!(source = %name, "the sign-in source answers again");
                }
            });
        }
        while asked.join_next().await.is_some() {}
    }
}

/// A source that lets itself be connected to and then does not answer has not come back: where it can be asked about
/// somebody without a password, it is, by a name that nobody has.
async fn probed(source: &dyn PasswordSource, directory: Option<&dyn Directory>) -> Result<(), String> {
    source.probe().await?;
    match directory {
        Some(directory) => directory.find("vestibule-probe").await.map(|_| ()),
        None => Ok(()),
    }
}

/// The instances whose accounts are kept here, enabled or not: those of one that is off may be prepared.
pub(super) fn locals(config: &Config) -> Vec<SourceId> {
    let local = config.chain.instances.iter().filter(|instance| *instance.kind == chain::sources::local::KIND);
    local.map(|instance| instance.name.clone()).collect()
}
