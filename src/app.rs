//! The composition root: configuration in, a running gateway out. The only place that knows every concrete type.

mod chain;

use self::chain::{Ground, Judges};
use crate::{
    admin::{self, Admin, AdminSocket, Monitor, probe},
    audit::Audit,
    chain::Instance,
    config::{self, Config},
    edge::{
        self,
        gate::{Gate, House},
        listener,
        proxy::Gateway,
        tls::{Certificates, server_config},
    },
    flow::{self, Desk, Hall, Settings, step::Caps},
    identity::Assertions,
    keys::SharedKeyring,
    limits::Throttle,
    lms::{Lms, Site, farewell, moodle::Moodle},
    mfa::policy::Policy,
    outbound::{
        Upstream,
        mail::{self, Mailer, Post, Smtp, Stationery},
    },
    pages::Pages,
    store::{self, Stores},
    telemetry::{self, Metrics, Probe, Readiness},
    types::{Clock, Origin, Rng, Scheme, SystemClock, SystemRng},
};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use std::{collections::HashMap, fs::File, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{Notify, watch},
    task::JoinHandle,
};

/// Why the gateway did not start. All of these are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("{address} cannot be listened on: {}; {key} in gateway.yaml names it", told(cause))]
    Port { address: SocketAddr, key: &'static str, cause: io::Error },
    #[error("admin.socket {}: {cause}", path.display())]
    Socket { path: PathBuf, cause: io::Error },
    #[error(transparent)]
    Keyring(#[from] admin::KeyfileError),
    #[error(transparent)]
    Store(#[from] store::OpenStoreError),
    #[error(transparent)]
    Secret(#[from] config::ReferenceError),
    #[error("edge.certificates: {0}")]
    Tls(#[from] edge::tls::TlsError),
    #[error(transparent)]
    Mail(#[from] mail::SmtpError),
    #[error(transparent)]
    Letters(#[from] mail::LetterError),
    #[error("audit.file: {0}")]
    Audit(io::Error),
    #[error("sites.{site}.upstream.url: {host} does not resolve ({cause})")]
    Resolve { site: String, host: String, cause: String },
    #[error("sites.{site}.upstream.url: {cause}")]
    Upstream { site: String, cause: crate::outbound::OutboundError },
    #[error("chain.instances: {instance}: {key}: {cause}")]
    Source { instance: String, key: String, cause: String },
    #[error(transparent)]
    Pages(#[from] crate::pages::PagesError),
    #[error("a running gateway holds {}: ask it through admin.socket, or stop it first", .0.display())]
    Running(PathBuf),
    #[error("{}: {cause}; run `vestibule init` first", path.display())]
    Folder { path: PathBuf, cause: io::Error },
    #[error("the operating system: {0}")]
    System(io::Error),
}

/// What to do about a port, in words.
fn told(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::AddrInUse => "the port is in use, choose another".to_owned(),
        io::ErrorKind::PermissionDenied => "a port below 1024 needs CAP_NET_BIND_SERVICE, or choose another".to_owned(),
        io::ErrorKind::AddrNotAvailable => "no such address on this machine".to_owned(),
        _ => cause.to_string(),
    }
}

/// One process at a time on this folder, whatever the stores are: the command line must not change keys or accounts
/// behind a running gateway's back. The file stays; the lock goes with the process.
fn claim(config: &Config) -> Result<File, AppError> {
    let path = config.store.directory.join("gateway.lock");
    let fault = |cause| AppError::Folder { path: path.clone(), cause };
    let file = File::options().create(true).append(true).open(&path).map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(AppError::Running(path)),
        Err(std::fs::TryLockError::Error(cause)) => Err(fault(cause)),
    }
}

/// The listeners, bound before anything else is started, so that a busy port changes nothing.
pub struct Sockets {
    pub https: TcpListener,
    pub http: Option<TcpListener>,
    pub monitor: Option<TcpListener>,
}

impl Sockets {
    pub async fn bind(config: &Config) -> Result<Self, AppError> {
        let http = match config.edge.http {
            Some(address) => Some(bind(address, "edge.http").await?),
            None => None,
        };
        let monitor = match config.admin.listen {
            Some(address) => Some(bind(address, "admin.listen").await?),
            None => None,
        };
        Ok(Self { https: bind(config.edge.https, "edge.https").await?, http, monitor })
    }
}

async fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).await.map_err(|cause| AppError::Port { address, key, cause })
}

/// A running gateway.
pub struct App {
    pub https: SocketAddr,
    pub http: Option<SocketAddr>,
    pub monitor: Option<SocketAddr>,
    pub mailer: Mailer,
    pub metrics: Arc<Metrics>,
    stop: watch::Sender<bool>,
    readiness: Arc<Readiness>,
    certificates: Arc<Certificates>,
    edge: edge::Config,
    serving: Vec<JoinHandle<()>>,
    working: Vec<JoinHandle<()>>,
    audit: Audit,
    stores: Stores,
    /// Released when everything else has ended.
    lock: File,
}

/// Runs until SIGTERM or SIGINT, then drains. SIGHUP takes the certificates' files as they are now.
pub async fn serve(config: Config) -> Result<(), AppError> {
    let signals = |kind| signal(kind).map_err(AppError::System);
    let (mut term, mut int, mut hup) =
        (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?, signals(SignalKind::hangup())?);
    let sockets = Sockets::bind(&config).await?;
    let app = App::start(config, sockets, Arc::new(SystemClock), Arc::new(SystemRng)).await?;
    tracing::info!(version = telemetry::VERSION, https = %app.https, "vestibule is open");
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => app.reload_certificates(),
        }
    }
    tracing::info!("draining");
    app.stop().await;
    Ok(())
}

/// What somebody who goes around the gateway would find, site by site (`vestibule check --probe`).
pub async fn probe(config: &Config, user: Option<&str>) -> Result<Vec<probe::Report>, AppError> {
    let (ring, own) = (keyring(config)?, probe::own_addresses());
    let mut reports = Vec::new();
    for site in &config.sites {
        let upstream = upstream(config, site)?;
        let plan = probe::Plan { site, upstream, ring: ring.clone(), own: own.clone(), user };
        reports.push(probe::probe(&plan, &SystemRng).await);
    }
    Ok(reports)
}

/// The acts of administration without a running gateway: only where no gateway holds the stores.
pub async fn administration(config: &Config) -> Result<Admin, AppError> {
    let (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(SystemClock), Arc::new(SystemRng));
    let lock = claim(config)?;
    let ring = keyring(config)?;
    let stores =
        store::open(&config::store_with_secrets(&config.store)?, ring.clone(), clock.clone(), rng.clone()).await?;
    let audit = audit(config, &stores, clock.clone(), Arc::new(Metrics::new()))?;
    // Held until this short-lived process ends.
    std::mem::forget(lock);
    let mailer = mailer(config, &stores, &ring, Arc::new(Metrics::new()), (clock.clone(), rng.clone()))?;
    Ok(administrator(config, &stores, ring, audit, mailer, (clock, rng)))
}

impl App {
    pub async fn start(
        config: Config,
        sockets: Sockets,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, AppError> {
        let certificates = Certificates::load(&config.edge.certificates)?;
        let lock = claim(&config)?;
        let ring = keyring(&config)?;
        let metrics = Arc::new(Metrics::new());
        let settings = config::store_with_secrets(&config.store)?;
        let stores = store::open(&settings, ring.clone(), clock.clone(), rng.clone()).await?;
        let audit = audit(&config, &stores, clock.clone(), metrics.clone())?;
        let mailer = mailer(&config, &stores, &ring, metrics.clone(), (clock.clone(), rng.clone()))?;
        let desk = Arc::new(desk(
            &config,
            &stores,
            ring.clone(),
            (audit.clone(), metrics.clone(), mailer.clone()),
            clock.clone(),
            rng.clone(),
        ));
        let ground = Ground { ring: ring.clone(), hashing: Arc::default(), clock: clock.clone(), rng: rng.clone() };
        let (houses, instances) = houses(&config, &ground).await?;
        let instances = Arc::new(ArcSwap::from_pointee(instances));
        let gate = Arc::new(Gate {
            desk: desk.clone(),
            houses: houses.iter().map(|house| (host_of(&house.hall.site), house.clone())).collect(),
            pages: Pages::new()?,
            assertions: Assertions::default(),
            metrics: metrics.clone(),
            config: config.edge.clone(),
        });
        let chance = (clock.clone(), rng.clone());
        let admin = Arc::new(administrator(&config, &stores, ring, audit.clone(), mailer.clone(), chance));
        let probe = |part| Arc::new(StoreProbe(part, stores.clone(), metrics.clone())) as Arc<dyn Probe>;
        let readiness = Arc::new(Readiness::new(vec![probe(Part::State), probe(Part::Database)]));
        let (stop, stopping) = watch::channel(false);
        let address = |listener: &TcpListener| listener.local_addr().map_err(AppError::System);
        let https = address(&sockets.https)?;
        let http = sockets.http.as_ref().map(address).transpose()?;
        let monitor_address = sockets.monitor.as_ref().map(address).transpose()?;

        let socket = AdminSocket::bind(&config.admin.socket, rng.as_ref())
            .await
            .map_err(|cause| AppError::Socket { path: config.admin.socket.clone(), cause })?;
        let mut serving = vec![tokio::spawn(socket.serve(admin, stopping.clone()))];
        if let Some(listener) = sockets.monitor {
            let monitor = Arc::new(Monitor { metrics: metrics.clone(), readiness: readiness.clone() });
            serving.push(tokio::spawn(admin::listener::serve(listener, monitor, stopping.clone())));
        }
        if let Some(listener) = sockets.http {
            let authorities = Arc::new(houses.iter().map(|house| house.authority.clone()).collect());
            serving.push(tokio::spawn(listener::serve_http(listener, authorities, stopping.clone())));
        }
        let tls = server_config(certificates.clone());
        let edge = config.edge.clone();
        serving.push(tokio::spawn(listener::serve_https(
            sockets.https,
            tls,
            Gateway(gate),
            edge.clone(),
            stopping.clone(),
        )));
        if let Some(postman) = mailer.postman() {
            serving.push(tokio::spawn(postman.run(stopping.clone())));
        }
        let working = vec![
            tokio::spawn(reap(desk, houses.clone())),
            tokio::spawn(resolve_again(houses.clone())),
            tokio::spawn(self_check(houses)),
            tokio::spawn(chain::probe(instances)),
        ];
        Ok(Self {
            https,
            http,
            monitor: monitor_address,
            mailer,
            metrics,
            stop,
            readiness,
            certificates,
            edge,
            serving,
            working,
            audit,
            stores,
            lock,
        })
    }

    pub fn reload_certificates(&self) {
        match self.certificates.reload(&self.edge.certificates) {
            Ok(()) => tracing::info!("certificates were read again"),
            Err(error) => tracing::error!(%error, "the certificates on disk cannot be used; the old ones stay"),
        }
    }

    /// Stops accepting, lets requests in flight end, and writes down what is queued.
    pub async fn stop(self) {
        self.readiness.drain();
        let _ = self.stop.send(true);
        for task in self.serving {
            let _ = task.await;
        }
        self.working.iter().for_each(JoinHandle::abort);
        farewell::drain().await;
        self.audit.flush().await;
        self.stores.close().await;
        drop(self.lock);
    }
}

fn keyring(config: &Config) -> Result<SharedKeyring, AppError> {
    Ok(Arc::new(ArcSwap::from_pointee(admin::read_keyring(&config.keys.file)?)))
}

fn audit(config: &Config, stores: &Stores, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Result<Audit, AppError> {
    Audit::new(&config.audit, clock, Some(stores.audit.clone()), metrics).map_err(AppError::Audit)
}

/// The post, where a relay is named.
fn mailer(
    config: &Config,
    stores: &Stores,
    ring: &SharedKeyring,
    metrics: Arc<Metrics>,
    (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
) -> Result<Mailer, AppError> {
    let Some(mail) = &config.outbound.mail else { return Ok(Mailer::new(None)) };
    let password = mail.password.as_deref().map(config::resolve).transpose()?;
    Ok(Mailer::new(Some(Arc::new(Post {
        queue: stores.mail.clone(),
        counters: stores.counters.clone(),
        ring: ring.clone(),
        clock,
        rng,
        metrics,
        stationery: Stationery::new(&mail.from)?,
        smtp: Smtp::new(mail, password)?,
        per_hour: mail.per_recipient_per_hour,
        wake: Notify::new(),
    }))))
}

fn administrator(
    config: &Config,
    stores: &Stores,
    keyring: SharedKeyring,
    audit: Audit,
    mailer: Mailer,
    (clock, rng): (Arc<dyn Clock>, Arc<dyn Rng>),
) -> Admin {
    Admin {
        accounts: stores.accounts.clone(),
        enrolments: stores.enrolments.clone(),
        sessions: stores.sessions.clone(),
        ledger: stores.ledger.clone(),
        locals: stores.locals.clone(),
        local_sources: Arc::new(Vec::new),
        keyring,
        keys_file: config.keys.file.clone(),
        sites: config.sites.iter().map(|site| site.name.clone()).collect(),
        audit,
        clock,
        rng,
        mailer,
        enrolment_code_life: Duration::from_secs(config.mfa.help_desk_code_hours.saturating_mul(3600)),
    }
}

fn desk(
    config: &Config,
    stores: &Stores,
    ring: SharedKeyring,
    (audit, metrics, mailer): (Audit, Arc<Metrics>, Mailer),
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Desk {
    Desk {
        accounts: stores.accounts.clone(),
        enrolments: stores.enrolments.clone(),
        sessions: stores.sessions.clone(),
        flows: stores.flows.clone(),
        ledger: stores.ledger.clone(),
        throttle: Throttle::new(stores.counters.clone(), config.limits),
        policy: Policy::new(&config.mfa),
        ring,
        audit: Arc::new(audit),
        metrics,
        clock,
        rng,
        mailer,
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

async fn houses(config: &Config, ground: &Ground) -> Result<(Vec<Arc<House>>, Vec<Instance>), AppError> {
    let mut upstreams = Vec::new();
    let mut judges = Judges::new();
    for site in &config.sites {
        let upstream = upstream(config, site)?;
        let lms: Arc<dyn Lms> = Arc::new(Moodle::new(
            upstream.clone(),
            &site.public_url.to_string(),
            ground.ring.clone(),
            site.name.clone(),
        ));
        judges.insert(site.name.clone(), (lms.clone(), chain::judge(site)));
        upstreams.push((site, upstream, lms));
    }
    let instances = chain::instances(config, &judges, ground)?;
    let mut houses = Vec::new();
    for (site, upstream, lms) in upstreams {
        let hall = Hall {
            site: site.clone(),
            lms,
            instances: instances.iter().filter(|(of, _)| of.serves(&site.name)).map(|(_, i)| i.clone()).collect(),
            sources: config.chain.instances.iter().filter(|i| i.serves(&site.name)).map(|i| i.name.clone()).collect(),
        };
        houses.push(Arc::new(house(site, upstream, hall).await?));
    }
    Ok((houses, instances.into_iter().map(|(_, instance)| instance).collect()))
}

fn upstream(config: &Config, site: &Site) -> Result<Upstream, AppError> {
    Upstream::new(
        &site.upstream.url.to_string(),
        &site.public_url.authority(),
        Duration::from_secs(config.edge.upstream_connect_seconds),
        Duration::from_secs(config.edge.upstream_read_seconds),
    )
    .map_err(|cause| AppError::Upstream { site: site.name.to_string(), cause })
}

async fn house(site: &Site, upstream: Upstream, hall: Hall) -> Result<House, AppError> {
    let url = &site.upstream.url;
    let address = resolve(url).await.map_err(|cause| AppError::Resolve {
        site: site.name.to_string(),
        host: url.host().to_owned(),
        cause: cause.to_string(),
    })?;
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

async fn resolve(url: &Origin) -> io::Result<SocketAddr> {
    let host = url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let mut found = tokio::net::lookup_host((host, url.port())).await?;
    found.next().ok_or_else(|| io::Error::other("no address"))
}

fn host_of(site: &Site) -> String {
    site.public_url.host().to_owned()
}

/// Flows that ended by time: their LMS sessions are logged out.
async fn reap(desk: Arc<Desk>, houses: Vec<Arc<House>>) {
    let halls: HashMap<String, Arc<Hall>> =
        houses.iter().map(|house| (house.name().to_string(), house.hall.clone())).collect();
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = flow::reap(&desk, &halls).await {
            tracing::debug!(%error, "ended flows could not be looked for");
        }
    }
}

/// An LMS that moved is followed within half a minute (fault X19).
async fn resolve_again(houses: Vec<Arc<House>>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(20));
    loop {
        ticks.tick().await;
        for house in &houses {
            match resolve(&house.hall.site.upstream.url).await {
                Ok(address) => house.peer.store(Arc::new(address)),
                Err(error) => {
                    tracing::warn!(site = %house.name(), %error, "the LMS's name does not resolve; its last address stays in use")
                }
            }
        }
    }
}

/// Says in one line what is wrong with an LMS's own settings, once at start.
async fn self_check(houses: Vec<Arc<House>>) {
    for house in houses {
        match house.hall.lms.self_check().await {
            Ok(None) => tracing::info!(site = %house.name(), "the LMS answers and knows its public address"),
            Ok(Some(problem)) => tracing::error!(site = %house.name(), "{problem}"),
            Err(error) => tracing::warn!(site = %house.name(), %error, "the LMS does not answer yet"),
        }
    }
}

struct StoreProbe(Part, Stores, Arc<Metrics>);

#[derive(Clone, Copy)]
enum Part {
    State,
    Database,
}

#[async_trait]
impl Probe for StoreProbe {
    fn name(&self) -> &'static str {
        match self.0 {
            Part::State => "state",
            Part::Database => "database",
        }
    }

    async fn probe(&self) -> Result<(), String> {
        let health = self.1.health().await;
        let up = match self.0 {
            Part::State => health.state,
            Part::Database => health.database,
        };
        self.2.store_health(self.name(), up);
        if up { Ok(()) } else { Err("does not answer".to_owned()) }
    }
}
