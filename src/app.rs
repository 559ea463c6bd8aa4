//! The composition root: configuration in, a running gateway out. The only place that knows every concrete type.

mod chain;
mod leavers;
mod parts;
mod reload;
mod reminders;
mod removed;
mod view;
mod workers;

pub use self::parts::policy;

use self::{
    chain::Ground,
    parts::{administrator, assemble, upstream},
    reload::{InForce, Lasting, Reloader},
};
use crate::{
    admin::{self, Admin, AdminSocket, Monitor, NotReloaded, Reloaded, Reloads, SharedChain, probe},
    audit::Audit,
    config::{self, Config},
    edge::{
        self, listener,
        proxy::Gateways,
        tls::{Certificates, server_config},
    },
    flow,
    keys::SharedKeyring,
    limits::Sprays,
    lms::{Site, farewell},
    outbound::{
        mail::{self, Mailer, Post, Smtp, Stationery},
        sms::{self, Texter, Webhooks},
    },
    store::{self, Stores},
    telemetry::{self, Metrics, Probe, Readiness},
    types::{Clock, Rng, SystemClock, SystemRng},
};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use std::{fs::File, io, net::SocketAddr, path::PathBuf, sync::Arc};
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
    #[error(transparent)]
    Texts(#[from] sms::TextError),
    #[error("audit.file: {0}")]
    Audit(io::Error),
    #[error("sites.{site}.upstream.url: {host} does not resolve ({cause})")]
    Resolve { site: String, host: String, cause: String },
    #[error("sites.{site}.upstream.url: {cause}")]
    Upstream { site: String, cause: crate::outbound::OutboundError },
    #[error("sites.{site}.lms.groups: {cause}")]
    Groups { site: String, cause: crate::lms::groups::NoGroups },
    #[error("chain.instances: {instance}: {key}: {cause}")]
    Source { instance: String, key: String, cause: String },
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Accounts(Vec<config::Problem>),
    #[error(
        "chain.removed: {from} cannot become {to}: {collision} has accounts of both already; move them one by one with \
         `vestibule source move`, or say `rediscover`"
    )]
    Reassign { from: String, to: String, collision: String },
    #[error(transparent)]
    Unavailable(#[from] crate::types::Unavailable),
    #[error(transparent)]
    Pages(#[from] crate::pages::PagesError),
    #[error("a running gateway holds {}: ask it through admin.socket, or stop it first", .0.display())]
    Running(PathBuf),
    #[error("there is no database of this version's format yet")]
    NotYet,
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
    reloads: Reloads,
    serving: Vec<JoinHandle<()>>,
    working: Vec<JoinHandle<()>>,
    audit: Audit,
    stores: Stores,
    /// Released when everything else has ended.
    lock: File,
}

/// Runs until SIGTERM or SIGINT, then drains. At SIGHUP it reads its configuration again.
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
            _ = hup.recv() => app.reloads.ask_soon("SIGHUP"),
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

/// The same for a look that changes nothing: a database that this version would first have to bring to its own format
/// is left as it is.
pub async fn administration_as_it_is(config: &Config) -> Result<Admin, AppError> {
    if store::is_current(&config::store_with_secrets(&config.store)?).await? {
        administration(config).await
    } else {
        Err(AppError::NotYet)
    }
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
    let ground = Ground {
        ring: ring.clone(),
        hashing: Arc::default(),
        locals: stores.locals.clone(),
        audit: audit.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
    };
    let shown: SharedChain = Arc::new(ArcSwap::from_pointee(view::direct(config, &ground, &stores)));
    Ok(administrator(config, &stores, ring, audit, (mailer, shown), (clock, rng), None))
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
        let texter = texter(&config, rng.clone())?;
        let ground = Ground {
            ring,
            hashing: Arc::default(),
            locals: stores.locals.clone(),
            audit: audit.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
        };
        let (reloads, asked) = Reloads::channel();
        let lasting = Lasting {
            stores: stores.clone(),
            sprays: Arc::new(Sprays::new(rng.as_ref())),
            ground,
            audit: audit.clone(),
            metrics: metrics.clone(),
            mailer: mailer.clone(),
            texter,
            certificates: certificates.clone(),
            reloads: reloads.clone(),
        };
        let parts = assemble(&config, &lasting, None).await?;
        // Last: whatever else is wrong is found before an account is touched.
        removed::settle(&config, &stores, &audit).await?;
        let in_force = InForce::new(parts);
        metrics.configured(clock.now());
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
        let mut serving = vec![tokio::spawn(socket.serve(in_force.admin.clone(), stopping.clone()))];
        if let Some(listener) = sockets.monitor {
            let monitor = Arc::new(Monitor { metrics: metrics.clone(), readiness: readiness.clone() });
            serving.push(tokio::spawn(admin::listener::serve(listener, monitor, stopping.clone())));
        }
        if let Some(listener) = sockets.http {
            serving.push(tokio::spawn(listener::serve_http(listener, in_force.gate.clone(), stopping.clone())));
        }
        let tls = server_config(certificates);
        serving.push(tokio::spawn(listener::serve_https(
            sockets.https,
            tls,
            Gateways(in_force.gate.clone()),
            config.edge.clone(),
            stopping.clone(),
        )));
        if let Some(postman) = mailer.postman() {
            serving.push(tokio::spawn(postman.run(stopping.clone())));
        }
        let working = vec![
            tokio::spawn(workers::reap(in_force.gate.clone())),
            tokio::spawn(workers::resolve_again(in_force.gate.clone())),
            tokio::spawn(workers::self_check(in_force.gate.clone())),
            tokio::spawn(reminders::remind(in_force.gate.clone())),
            tokio::spawn(chain::probe(in_force.instances.clone(), metrics.clone())),
            tokio::spawn(leavers::watch(leavers_of(&stores, &audit, &clock), in_force.instances.clone())),
            tokio::spawn(leavers::watch_groups(
                leavers_of(&stores, &audit, &clock),
                parts::group_reader(&stores, &clock),
                in_force.gate.clone(),
            )),
            tokio::spawn(Reloader::new(config, lasting, in_force).serve(asked)),
        ];
        Ok(Self {
            https,
            http,
            monitor: monitor_address,
            mailer,
            metrics,
            stop,
            readiness,
            reloads,
            serving,
            working,
            audit,
            stores,
            lock,
        })
    }

    /// Reads the configuration's file again; on any error the old one stays. `by` is for the audit log.
    pub async fn reload(&self, by: &str) -> Result<Reloaded, NotReloaded> {
        self.reloads.ask(by.to_owned()).await
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

fn leavers_of(stores: &Stores, audit: &Audit, clock: &Arc<dyn Clock>) -> flow::Leavers {
    flow::Leavers {
        accounts: stores.accounts.clone(),
        sessions: stores.sessions.clone(),
        ledger: stores.ledger.clone(),
        audit: audit.clone(),
        clock: clock.clone(),
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
        help_desk: mail.help_desk.as_ref().map(|address| address.0.clone()),
        wake: Notify::new(),
    }))))
}

/// Who takes text messages to people, where a service is named.
fn texter(config: &Config, rng: Arc<dyn Rng>) -> Result<Texter, AppError> {
    let Some(service) = &config.outbound.sms else { return Ok(Texter::new(None)) };
    let secret = config::resolve(&service.secret)?;
    let sender = Arc::new(Webhooks::new(service, &secret, rng)?);
    Ok(Texter::new(Some((sender, service.texts.clone()))))
}

fn host_of(site: &Site) -> String {
    site.public_url.host().to_owned()
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
