//! The chain as administration sees it.

use super::{
    AppError,
    chain::{self, Ground, Judges},
};
use crate::{
    admin::{Chain, Configured, SiteOf},
    chain::{Instance, config},
    config::Config,
    limits::Throttle,
    lms::{Lms, Site},
    store::Stores,
};
use std::sync::Arc;

pub(super) fn view<'a>(
    config: &Config,
    instances: Vec<Instance>,
    lmses: impl Iterator<Item = (&'a Site, Arc<dyn Lms>)>,
    stores: &Stores,
) -> Chain {
    let site = |(site, lms): (&Site, Arc<dyn Lms>)| SiteOf {
        name: site.name.clone(),
        lms,
        sources: config.chain.instances.iter().filter(|i| i.serves(&site.name)).map(|i| i.name.clone()).collect(),
        app_mfa: site.app.mfa,
    };
    Chain {
        configured: config.chain.instances.iter().map(|instance| configured(config, instance)).collect(),
        instances,
        sites: lmses.map(site).collect(),
        sync_limit_percent: config.chain.sync_limit_percent,
        throttle: Throttle::new(stores.counters.clone(), config.limits),
        policy: super::parts::policy(config),
        fault: None,
    }
}

fn configured(config: &Config, instance: &config::Instance) -> Configured {
    let served = config.sites.iter().filter(|site| instance.serves(&site.name));
    Configured {
        name: instance.name.clone(),
        kind: instance.kind.name,
        enabled: instance.common.enabled,
        sites: served.map(|site| site.name.clone()).collect(),
    }
}

/// Without a running gateway. What an instance needs (a password in the environment, a file) may not be at hand here;
/// then there are none, and the reason is told to whoever asks for one.
pub(super) fn direct(config: &Config, ground: &Ground, stores: &Stores) -> Chain {
    let mut judges = Judges::new();
    let mut fault = None;
    for site in &config.sites {
        match super::parts::lms(config, site, ground) {
            Ok((_, lms)) => {
                judges.insert(site.name.clone(), (lms, chain::judge(site)));
            }
            Err(error) => fault = Some(error),
        }
    }
    let built = match fault {
        None => chain::instances(config, &judges, ground),
        Some(error) => Err(error),
    };
    let (instances, fault): (Vec<Instance>, Option<AppError>) = match built {
        Ok(built) => (built.into_iter().map(|(_, instance)| instance).collect(), None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let lmses = config.sites.iter().filter_map(|site| Some((site, judges.get(&site.name)?.0.clone())));
    Chain { fault: fault.map(|error| error.to_string()), ..view(config, instances, lmses, stores) }
}
