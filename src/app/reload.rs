//! Reload: the file is read and checked as at the start, everything that can fail is built, and only then is anything
//! exchanged. A request keeps the gate that it found when it came, so it sees one configuration from head to end.
//!
//! What lasts is handed on and never made again: stores, audit, keyring, post, counters, the hashing pool with its one
//! bound. Of an instance of the chain that stays the same its connections and its breaker stay too, and of a site the
//! address of its LMS. Sessions hold facts, not verdicts: the next request of each is judged by the new policy.

use super::{
    AppError, assemble,
    chain::{Ground, Instances},
};
use crate::{
    admin::{Admin, Ask, NotReloaded, Reloaded, Reloads},
    audit::{Audit, Context, Event},
    chain::{self, Instance},
    config::{self, Config, Invalid, Loaded, Machine, Original},
    edge::{
        gate::{Gate, House},
        tls::Certificates,
    },
    limits::Sprays,
    lms::Site,
    outbound::{mail::Mailer, sms::Texter},
    store::Stores,
    telemetry::Metrics,
    types::SourceId,
};
use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// A name server that says nothing must not keep an operator waiting for good.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all configurations of one process have in common.
pub(super) struct Lasting {
    /// What is known of passwords that are tried at many names.
    pub sprays: Arc<Sprays>,
    pub stores: Stores,
    pub ground: Ground,
    pub audit: Audit,
    pub metrics: Arc<Metrics>,
    pub mailer: Mailer,
    pub texter: Texter,
    pub certificates: Arc<Certificates>,
    pub reloads: Reloads,
}

/// What one configuration makes.
pub(super) struct Parts {
    pub gate: Arc<Gate>,
    pub instances: Vec<Instance>,
    pub admin: Arc<Admin>,
}

/// Where everybody looks who needs the configuration of now.
pub(super) struct InForce {
    pub gate: Arc<ArcSwap<Gate>>,
    pub instances: Instances,
    pub admin: Arc<ArcSwap<Admin>>,
}

impl InForce {
    pub fn new(Parts { gate, instances, admin }: Parts) -> Self {
        Self {
            gate: Arc::new(ArcSwap::new(gate)),
            instances: Arc::new(ArcSwap::from_pointee(instances)),
            admin: Arc::new(ArcSwap::new(admin)),
        }
    }

    /// For requests it is one step: they look at the gate alone.
    fn exchange(&self, Parts { gate, instances, admin }: Parts) {
        self.gate.store(gate);
        self.instances.store(Arc::new(instances));
        self.admin.store(admin);
    }
}

/// What a reload may take over, and where it has to look whether it may.
pub(super) struct Before<'a> {
    config: &'a Config,
    after: &'a Config,
    gate: Arc<Gate>,
    instances: Arc<Vec<Instance>>,
    prints: &'a Prints,
    new_prints: &'a Prints,
}

impl Before<'_> {
    /// The site as it was, if nothing that its LMS is reached by is another.
    pub fn unchanged_house(&self, site: &Site) -> Option<&Arc<House>> {
        let is_same = entry(self.config, "sites", site.name.as_str())?
            == entry(self.after, "sites", site.name.as_str())?
            && patience(self.config) == patience(self.after);
        is_same.then(|| self.house(site)).flatten()
    }

    /// Where its LMS was found last; a name server that is down is no reason to refuse a reload.
    pub fn address_of(&self, site: &Site) -> Option<SocketAddr> {
        let house = self.house(site)?;
        (house.hall.site.upstream.url == site.upstream.url).then(|| **house.peer.load())
    }

    fn house(&self, site: &Site) -> Option<&Arc<House>> {
        self.gate.houses.values().find(|house| *house.name() == site.name)
    }

    /// The connections and the breaker of an instance that is the same as it was.
    pub fn hand_over(&self, instance: &mut Instance) {
        let print = self.new_prints.get(&instance.name);
        let Some(old) = self.instances.iter().find(|old| old.name == instance.name) else { return };
        if print.is_none() || print != self.prints.get(&instance.name) {
            return;
        }
        instance.password.clone_from(&old.password);
        instance.redirect.clone_from(&old.redirect);
        instance.directory.clone_from(&old.directory);
        instance.health.clone_from(&old.health);
    }
}

fn entry(config: &Config, list: &str, name: &str) -> Option<String> {
    config.original.as_ref()?.entry(list, name)
}

fn patience(config: &Config) -> (u64, u64) {
    (config.edge.upstream_connect_seconds, config.edge.upstream_read_seconds)
}

/// A digest of all that an instance is made of: what stands in the file, and what that refers to.
type Prints = HashMap<SourceId, Vec<u8>>;

fn prints(config: &Config) -> Prints {
    let instances = config.chain.instances.iter();
    instances.filter_map(|instance| Some((instance.name.clone(), print(config, instance)?))).collect()
}

/// `None` where something cannot be read; building it says what.
fn print(config: &Config, instance: &chain::config::Instance) -> Option<Vec<u8>> {
    let mut context = digest::Context::new(&digest::SHA256);
    // With their lengths, so that no two lists of parts read the same.
    let mut take = |part: &[u8]| {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    };
    take(entry(config, "chain.instances", instance.name.as_str())?.as_bytes());
    for (_, reference) in instance.settings.references() {
        take(config::resolve(reference).ok()?.expose().as_bytes());
    }
    for (_, file) in instance.settings.files() {
        take(&std::fs::read(file).ok()?);
    }
    if let Some(site) = instance.settings.site() {
        take(entry(config, "sites", site.as_str())?.as_bytes());
        take(format!("{:?}", patience(config)).as_bytes());
    }
    Some(context.finish().as_ref().to_vec())
}

/// The one task that changes what is in force.
pub(super) struct Reloader {
    config: Config,
    prints: Prints,
    lasting: Lasting,
    in_force: InForce,
}

impl Reloader {
    pub fn new(config: Config, lasting: Lasting, in_force: InForce) -> Self {
        Self { prints: prints(&config), config, lasting, in_force }
    }

    /// One question after the other, for as long as anybody can ask.
    pub async fn serve(mut self, mut asked: mpsc::Receiver<Ask>) {
        while let Some(Ask { by, answer }) = asked.recv().await {
            let result = self.reload().await;
            self.record(by, &result);
            // A signal waits for no answer, and an operator may have gone.
            let _ = answer.send(result);
        }
    }

    async fn reload(&mut self) -> Result<Reloaded, NotReloaded> {
        let Some(original) = self.config.original.clone() else {
            return Err(refused("unusable", Vec::new(), "this configuration was read from no file".into()));
        };
        let Loaded { config, warnings } = read(&original, &self.lasting).await?;
        let fixed = config::needs_restart(&self.config, &config);
        if !fixed.is_empty() {
            let keys: Vec<String> = fixed.iter().map(|key| (*key).to_owned()).collect();
            let said = format!("{}: {} changed, which needs a restart", original.file.display(), keys.join(", "));
            return Err(refused("restart", keys, said));
        }
        let certificates = Certificates::load(&config.edge.certificates).map_err(|error| unusable(&error.into()))?;
        let new_prints = prints(&config);
        let before = Before {
            config: &self.config,
            after: &config,
            gate: self.in_force.gate.load_full(),
            instances: self.in_force.instances.load_full(),
            prints: &self.prints,
            new_prints: &new_prints,
        };
        let assembled = tokio::time::timeout(PATIENCE, assemble(&config, &self.lasting, Some(&before))).await;
        let parts = match assembled {
            Ok(parts) => parts.map_err(|error| unusable(&error))?,
            Err(_) => return Err(refused("unusable", Vec::new(), format!("it took longer than {PATIENCE:?}"))),
        };
        let mut changes = config.original.as_ref().map_or_else(Vec::new, |new| config::difference(&original, new));
        changes.extend(self.behind_references(&config, &new_prints, &certificates));
        // Last, and out of any time-out: whatever else is wrong is found before an account is touched.
        let settled = super::removed::settle(&config, &self.lasting.stores, &self.lasting.audit).await;
        settled.map_err(|error| unusable(&error))?;
        // From here nothing can fail.
        self.lasting.certificates.replace(&certificates);
        self.in_force.exchange(parts);
        (self.config, self.prints) = (config, new_prints);
        let warnings = warnings.iter().map(ToString::to_string).collect();
        Ok(Reloaded { file: original.file.display().to_string(), changes, warnings })
    }

    /// What is another although the file says the same.
    fn behind_references(&self, config: &Config, prints: &Prints, certificates: &Certificates) -> Vec<String> {
        let mut found = Vec::new();
        if !self.lasting.certificates.is_same(certificates) {
            found.push("edge.certificates: other certificates are shown".to_owned());
        }
        for instance in &config.chain.instances {
            let name = instance.name.as_str();
            let same_text = entry(&self.config, "chain.instances", name) == entry(config, "chain.instances", name);
            if same_text && self.prints.get(&instance.name) != prints.get(&instance.name) {
                found.push(format!("chain.instances[{name}]: what it refers to has changed"));
            }
        }
        found
    }

    fn record(&self, by: String, result: &Result<Reloaded, NotReloaded>) {
        let event = match result {
            Ok(reloaded) => {
                self.lasting.metrics.configured(self.lasting.ground.clock.now());
                tracing::info!(by, file = reloaded.file, "the configuration was read again and is in force");
                for change in &reloaded.changes {
                    tracing::info!("gateway.yaml: {change}");
                }
                for warning in &reloaded.warnings {
                    tracing::warn!("gateway.yaml: {warning}");
                }
                Event::ConfigurationReloaded { changes: reloaded.changes.clone() }
            }
            Err(refused) => {
                self.lasting.metrics.not_configured();
                tracing::error!(by, "the configuration was read again and is not used: {refused}");
                Event::ConfigurationRefused { reason: refused.reason, keys: refused.keys.clone() }
            }
        };
        self.lasting.audit.record(Context { by: Some(by), ..Context::default() }, event);
    }
}

/// As `serve` reads it at the start.
async fn read(original: &Original, lasting: &Lasting) -> Result<Loaded, NotReloaded> {
    let (file, now) = (original.file.clone(), lasting.ground.clock.now());
    let loaded = tokio::task::spawn_blocking(move || config::load(&file, now, &Machine)).await;
    match loaded {
        Ok(loaded) => loaded.map_err(|invalid| refused("invalid", keys_of(&invalid), invalid.to_string())),
        Err(error) => Err(refused("unusable", Vec::new(), error.to_string())),
    }
}

fn keys_of(invalid: &Invalid) -> Vec<String> {
    invalid.problems.iter().filter(|problem| problem.is_error()).map(|problem| problem.path.to_string()).collect()
}

fn unusable(error: &AppError) -> NotReloaded {
    refused("unusable", Vec::new(), error.to_string())
}

fn refused(reason: &'static str, keys: Vec<String>, said: String) -> NotReloaded {
    NotReloaded { reason, keys, said }
}
