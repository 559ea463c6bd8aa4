//! What one configuration makes of the gateway: its gate, its houses, its desk and its administration.

use super::{
    AppError,
    chain::{self, Ground, Judges},
    host_of,
    reload::{Before, Lasting, Parts},
    view,
};
use crate::{
    admin::{Admin, Place, Reloads, SharedChain},
    audit::Audit,
    chain::Instance,
    config::{self, Config},
    edge::{
        self,
        gate::{Gate, House},
    },
    flow::{Desk, GroupReader, Hall, Settings, step::Caps},
    identity::Assertions,
    keys::SharedKeyring,
    limits::Throttle,
    lms::{
        Lms, Site,
        groups::{Groups, NoGroups, SqlGroups},
        moodle::{self, Cohorts, Moodle},
        site::LmsKind,
    },
    mfa::policy::{Policy, Surroundings},
    outbound::{Upstream, mail::Mailer},
    pages::Pages,
    store::Stores,
    types::{Clock, Origin, Rng, Scheme, Username},
};
use arc_swap::ArcSwap;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

pub(super) fn administrator(
    config: &Config,
    stores: &Stores,
    keyring: SharedKeyring,
    audit: Audit,
    (mailer, chain): (Mailer, SharedChain),
    (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
    reloads: Option<Reloads>,
) -> Admin {
    Admin {
        accounts: stores.accounts.clone(),
        enrolments: stores.enrolments.clone(),
        devices: stores.devices.clone(),
        marks: stores.marks.clone(),
        known: stores.known.clone(),
        exemptions: stores.exemptions.clone(),
        takeovers: stores.takeovers.clone(),
        sessions: stores.sessions.clone(),
        ledger: stores.ledger.clone(),
        locals: stores.locals.clone(),
        local_sources: {
            let names = chain::locals(config);
            Arc::new(move || names.clone())
        },
        places: config.sites.iter().map(|site| place(config, site)).collect(),
        keyring,
        keys_file: config.keys.file.clone(),
        sites: config.sites.iter().map(|site| site.name.clone()).collect(),
        audit,
        trail: stores.audit.clone(),
        clock,
        rng,
        mailer,
        chain,
        enrolment_code_life: Duration::from_secs(config.mfa.help_desk_code_hours.saturating_mul(3600)),
        reloads,
    }
}

/// What one configuration makes of the gateway, at the start and at a reload. Whatever is wrong is found here, before
/// anything is touched.
pub(super) async fn assemble(
    config: &Config,
    lasting: &Lasting,
    before: Option<&Before<'_>>,
) -> Result<Parts, AppError> {
    let Lasting { stores, ground, audit, metrics, mailer, reloads, .. } = lasting;
    let (houses, instances) = houses(config, ground, before).await?;
    let lmses = houses.iter().map(|house| (&house.hall.site, house.hall.lms.clone()));
    let shown = view::view(config, instances.clone(), lmses, stores);
    let gate = Gate {
        desk: Arc::new(desk(config, lasting)),
        houses: houses.into_iter().map(|house| (host_of(&house.hall.site), house)).collect(),
        pages: Pages::new()?,
        assertions: Assertions::default(),
        metrics: metrics.clone(),
        config: config.edge.clone(),
    };
    let chance = (ground.clock.clone(), ground.rng.clone());
    let (audit, mailer, reloads) = (audit.clone(), mailer.clone(), Some(reloads.clone()));
    let shown: SharedChain = Arc::new(ArcSwap::from_pointee(shown));
    let admin = administrator(config, stores, ground.ring.clone(), audit.clone(), (mailer, shown), chance, reloads);
    Ok(Parts { gate: Arc::new(gate), instances, admin: Arc::new(admin) })
}

pub(super) fn place(config: &Config, site: &Site) -> Place {
    let serving = config.chain.instances.iter().filter(|instance| instance.serves(&site.name));
    Place {
        site: site.name.clone(),
        host: host_of(site),
        sources: serving.map(|instance| instance.name.clone()).collect(),
        guest: moodle::GUEST,
    }
}

/// The rules, with what they take from the rest of the configuration.
pub fn policy(config: &Config) -> Policy {
    let administrators = config.admin.administrators.iter().filter_map(|name| Username::canonical(name));
    let administrators = administrators.map(|name| name.as_str().to_owned()).collect();
    let mut kinds: Vec<LmsKind> = Vec::new();
    for site in &config.sites {
        if !kinds.contains(&site.lms.kind) {
            kinds.push(site.lms.kind);
        }
    }
    let places = kinds.into_iter().flat_map(LmsKind::path_groups).copied().collect();
    Policy::new(&config.mfa, Surroundings { administrators, mail: config.outbound.mail.is_some(), places })
}

pub(super) fn desk(config: &Config, lasting: &Lasting) -> Desk {
    let Lasting { stores, ground, audit, metrics, mailer, texter, sprays, .. } = lasting;
    Desk {
        accounts: stores.accounts.clone(),
        enrolments: stores.enrolments.clone(),
        devices: stores.devices.clone(),
        marks: stores.marks.clone(),
        sessions: stores.sessions.clone(),
        flows: stores.flows.clone(),
        known: stores.known.clone(),
        group_reader: group_reader(stores, &ground.clock),
        ledger: stores.ledger.clone(),
        throttle: Throttle::new(stores.counters.clone(), config.limits),
        sprays: sprays.clone(),
        policy: policy(config),
        ring: ground.ring.clone(),
        audit: Arc::new(audit.clone()),
        metrics: metrics.clone(),
        clock: ground.clock.clone(),
        rng: ground.rng.clone(),
        mailer: mailer.clone(),
        texter: texter.clone(),
        settings: Settings {
            mfa: config.mfa.clone(),
            sessions: config.sessions,
            tokens: config.tokens.clone(),
            strangers: config.chain.strangers_during_error,
            refusals: Duration::from_millis(config.chain.refusal_milliseconds),
            flow_caps: Caps {
                per_account: config.limits.flows_per_account as usize,
                per_address: config.limits.flows_per_address as usize,
            },
        },
    }
}

pub(super) async fn houses(
    config: &Config,
    ground: &Ground,
    before: Option<&Before<'_>>,
) -> Result<(Vec<Arc<House>>, Vec<Instance>), AppError> {
    let (upstreams, judges) = lmses(config, ground, before)?;
    let mut instances = chain::instances(config, &judges, ground)?;
    if let Some(before) = before {
        instances.iter_mut().for_each(|(_, instance)| before.hand_over(instance));
    }
    let mut houses = Vec::new();
    for (site, upstream, lms) in upstreams {
        let hall = Hall {
            site: site.clone(),
            lms,
            groups: groups(config, site, ground)?,
            instances: instances.iter().filter(|(of, _)| of.serves(&site.name)).map(|(_, i)| i.clone()).collect(),
            sources: config.chain.instances.iter().filter(|i| i.serves(&site.name)).map(|i| i.name.clone()).collect(),
        };
        let known = before.and_then(|before| before.address_of(site));
        houses.push(Arc::new(house(site, upstream, hall, known).await?));
    }
    Ok((houses, instances.into_iter().map(|(_, instance)| instance).collect()))
}

pub(super) type Lmses<'a> = Vec<(&'a Site, Upstream, Arc<dyn Lms>)>;

/// Every site's LMS. Nobody is connected to yet.
pub(super) fn lmses<'a>(
    config: &'a Config,
    ground: &Ground,
    before: Option<&Before<'_>>,
) -> Result<(Lmses<'a>, Judges), AppError> {
    let (mut upstreams, mut judges) = (Lmses::new(), Judges::new());
    for site in &config.sites {
        let (upstream, lms) = match before.and_then(|before| before.unchanged_house(site)) {
            Some(house) => (house.upstream.clone(), house.hall.lms.clone()),
            None => lms(config, site, ground)?,
        };
        judges.insert(site.name.clone(), (lms.clone(), chain::judge(site)));
        upstreams.push((site, upstream, lms));
    }
    Ok((upstreams, judges))
}

pub(super) fn lms(config: &Config, site: &Site, ground: &Ground) -> Result<(Upstream, Arc<dyn Lms>), AppError> {
    let upstream = upstream(config, site)?;
    let moodle = Moodle::new(upstream.clone(), &site.public_url.to_string(), ground.ring.clone(), site.name.clone());
    Ok((upstream, Arc::new(moodle)))
}

/// How the groups of the site's LMS are read, where gateway.yaml says so. Nobody is connected to yet.
fn groups(config: &Config, site: &Site, ground: &Ground) -> Result<Option<Arc<dyn Groups>>, AppError> {
    let Some(settings) = &site.lms.groups else { return Ok(None) };
    let secret = |text: &str| config::resolve(text).map_err(|error| error.to_string());
    let fault = |cause: NoGroups| AppError::Groups { site: site.name.to_string(), cause };
    if let Some(sql) = &settings.sql {
        return Ok(Some(Arc::new(SqlGroups::open(sql, &secret, GROUPS_DEADLINE).map_err(fault)?)));
    }
    let Some(service) = &settings.web_service else { return Ok(None) };
    let token = secret(&service.token).map_err(NoGroups::Token).map_err(fault)?;
    let url = site.public_url.to_string();
    let moodle = Moodle::new(upstream(config, site)?, &url, ground.ring.clone(), site.name.clone());
    Ok(Some(Arc::new(Cohorts::new(moodle, token, ground.clock.clone()))))
}

/// The reader's own patience is shorter than that of its caller, who then knows why.
const GROUPS_DEADLINE: Duration = Duration::from_millis(2500);

pub(super) fn group_reader(stores: &Stores, clock: &Arc<dyn Clock>) -> GroupReader {
    GroupReader { accounts: stores.accounts.clone(), groups: stores.lms_groups.clone(), clock: clock.clone() }
}

pub(super) fn upstream(config: &Config, site: &Site) -> Result<Upstream, AppError> {
    Upstream::new(
        &site.upstream.url.to_string(),
        &site.public_url.authority(),
        Duration::from_secs(config.edge.upstream_connect_seconds),
        Duration::from_secs(config.edge.upstream_read_seconds),
    )
    .map_err(|cause| AppError::Upstream { site: site.name.to_string(), cause })
}

/// `known`: where its LMS is, as far as that was found out before.
pub(super) async fn house(
    site: &Site,
    upstream: Upstream,
    hall: Hall,
    known: Option<SocketAddr>,
) -> Result<House, AppError> {
    let url = &site.upstream.url;
    let address = match known {
        Some(address) => address,
        None => resolve(url).await.map_err(|cause| AppError::Resolve {
            site: site.name.to_string(),
            host: url.host().to_owned(),
            cause: cause.to_string(),
        })?,
    };
    Ok(House {
        upstream,
        peer: ArcSwap::from_pointee(address),
        upstream_tls: (url.scheme() == Scheme::Https).then(|| url.host().to_owned()),
        rules: edge::gate::rules(site),
        public_url: site.public_url.to_string(),
        authority: site.public_url.authority(),
        upstream_authority: url.authority(),
        hall: Arc::new(hall),
    })
}

pub(super) async fn resolve(url: &Origin) -> io::Result<SocketAddr> {
    let host = url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let mut found = tokio::net::lookup_host((host, url.port())).await?;
    found.next().ok_or_else(|| io::Error::other("no address"))
}
