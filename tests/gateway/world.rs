//! A whole world per test: the demonstration LMS, the real gateway in front of it, a temporary folder, a clock moved
//! by hand, and characters that act.

use campus::{Campus, Options};
use serde_json::Value;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use vestibule::{
    admin,
    app::{App, Sockets},
    config::Config,
    edge::Certificate,
    store::contract::HandClock,
    types::{Clock, RngExt, SystemClock, SystemRng},
};

/// A folder that goes with its owner.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("vestibule-test-{}", SystemRng.hex(8)));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The gateway in front of the demonstration LMS.
pub struct World {
    pub campus: Campus,
    pub app: App,
    /// `https://localhost:PORT`
    pub url: String,
    pub address: SocketAddr,
    pub clock: Arc<HandClock>,
    pub folder: Folder,
    pub config: Config,
}

impl World {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With another configuration than the usual one: everybody required, enrolment at sign-in.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = Folder::new();
        let https = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = https.local_addr().expect("its address");
        let url = format!("https://localhost:{}", address.port());
        let options = Options { listen: "127.0.0.1:0".parse().expect("an address"), public_url: url.clone() };
        let campus = Campus::start(options).await.expect("the demonstration LMS");
        let config = settings(&folder, &url, campus.addr(), change);
        prepare(&config);
        let clock = Arc::new(HandClock::at(SystemClock.now()));
        let app = start(config.clone(), https, clock.clone()).await;
        Self { campus, app, url, address, clock, folder, config }
    }

    /// Stops the gateway and starts it again on the same stores and port.
    pub async fn restart(self) -> Self {
        let Self { campus, app, url, address, clock, folder, config } = self;
        app.stop().await;
        let https = TcpListener::bind(address).await.expect("the same port");
        let app = start(config.clone(), https, clock.clone()).await;
        Self { campus, app, url, address, clock, folder, config }
    }

    pub fn advance(&self, by: Duration) {
        self.clock.forward(by);
    }

    /// The audit log's lines, once at least one of them is `event`.
    pub async fn audited(&self, event: &str) -> Vec<Value> {
        let path = self.folder.0.join("audit.jsonl");
        for _ in 0..100 {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            let found: Vec<Value> = lines.into_iter().filter(|line| line["event"] == event).collect();
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no {event} in the audit log");
    }

    /// Whether the audit log has such a line now.
    pub fn has_audited(&self, event: &str) -> bool {
        let text = std::fs::read_to_string(self.folder.0.join("audit.jsonl")).unwrap_or_default();
        text.contains(&format!("\"event\":\"{event}\""))
    }

    /// Whether such a line holds this text.
    pub fn has_audited_with(&self, event: &str, text: &str) -> bool {
        let log = std::fs::read_to_string(self.folder.0.join("audit.jsonl")).unwrap_or_default();
        log.lines().any(|line| line.contains(&format!("\"event\":\"{event}\"")) && line.contains(text))
    }

    /// Polls until `condition` holds, for things that happen in the background.
    pub async fn eventually(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..250 {
            if condition(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{what} did not happen");
    }
}

/// The usual configuration, all files in `folder`.
pub fn settings(folder: &Folder, url: &str, lms: SocketAddr, change: impl FnOnce(&mut Config)) -> Config {
    let yaml = format!(
        r#"
edge: {{ https: "127.0.0.1:0", http: null, certificates: [ {{ chain: "{dir}/tls.pem", key: "{dir}/tls.key" }} ] }}
admin: {{ listen: null, socket: "{dir}/admin.sock" }}
sites:
  - {{ name: campus, public_url: "{url}", upstream: {{ url: "http://{lms}" }} }}
chain: {{ instances: [ {{ name: campus-lms, kind: lms, site: campus }} ], refusal_milliseconds: 0 }}
mfa:
  rules:
    - {{ name: everybody, stage: required, first_enrolment: at_sign_in, enrolment_window: {{ until: 2100-01-01 }} }}
tokens: {{ unregistered: refuse }}
store: {{ directory: "{dir}", database: "sqlite:{dir}/vestibule.db" }}
audit: {{ file: "{dir}/audit.jsonl" }}
keys: {{ file: "{dir}/keys" }}
"#,
        dir = folder.0.display()
    );
    let mut config: Config = serde_yaml::from_str(&yaml).expect("the usual configuration");
    change(&mut config);
    config
}

/// Certificate and keyring, where they are missing.
pub fn prepare(config: &Config) {
    let Certificate { chain, key } = &config.edge.certificates[0];
    let certificate = Certificate { chain: chain.clone(), key: key.clone() };
    if !chain.exists() {
        admin::development_certificate(&certificate, &[], SystemClock.now()).expect("a certificate");
    }
    if !config.keys.file.exists() {
        admin::create_keyring(&config.keys.file, &SystemRng, SystemClock.now()).expect("a keyring");
        let sites: Vec<_> = config.sites.iter().map(|site| site.name.clone()).collect();
        admin::add_header_names(&config.keys.file, &sites, &SystemRng).expect("header names");
    }
}

pub async fn start(config: Config, https: TcpListener, clock: Arc<dyn Clock>) -> App {
    // Wherever the other two listen, it is on a free port.
    let http = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let monitor = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let sockets = Sockets {
        https,
        http: config.edge.http.is_some().then_some(http),
        monitor: config.admin.listen.is_some().then_some(monitor),
    };
    App::start(config, sockets, clock, Arc::new(SystemRng)).await.expect("the gateway starts")
}
