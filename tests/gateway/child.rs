//! A gateway in a process of its own, in front of a demonstration LMS in this one: for what is measured of a process.

use crate::{
    people::Browser,
    servers::free_port,
    world::{Folder, prepare},
};
use campus::{Campus, Options};
use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

pub struct Gateway {
    process: Child,
    pub campus: Campus,
    pub url: String,
    pub address: SocketAddr,
    _folder: Folder,
}

impl Gateway {
    pub async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = Folder::new();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let url = format!("https://localhost:{}", address.port());
        let options = Options { listen: "127.0.0.1:0".parse().unwrap(), public_url: url.clone() };
        let campus = Campus::start(options).await.expect("the demonstration LMS");
        let yaml = format!(
            r#"
edge: {{ https: "{address}", http: null, certificates: [ {{ chain: "{dir}/tls.pem", key: "{dir}/tls.key" }} ] }}
admin: {{ listen: null, socket: "{dir}/admin.sock" }}
sites:
  - {{ name: campus, public_url: "{url}", upstream: {{ url: "http://{lms}" }}, guest: allow }}
chain: {{ instances: [ {{ name: campus-lms, kind: lms, site: campus }} ], refusal_milliseconds: 0 }}
mfa:
  rules:
    - {{ name: everybody, stage: required, first_enrolment: at_sign_in, enrolment_window: {{ until: 2100-01-01 }} }}
tokens: {{ unregistered: refuse }}
store: {{ directory: "{dir}", database: "sqlite:{dir}/vestibule.db" }}
audit: {{ file: "{dir}/audit.jsonl" }}
keys: {{ file: "{dir}/keys" }}
"#,
            lms = campus.addr(),
            dir = folder.0.display()
        );
        prepare(&serde_yaml::from_str(&yaml).expect("a configuration"));
        let file = folder.0.join("gateway.yaml");
        fs::write(&file, yaml).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.arg("--config").arg(&file).arg("serve").env_remove("VESTIBULE_CONFIG");
        let log = fs::File::create(folder.0.join("log")).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the log")).stderr(log);
        let process = command.spawn().expect("the gateway's binary");
        let mut gateway = Self { process, campus, url, address, _folder: folder };
        for _ in 0..500 {
            if gateway.campus.requests().len() >= 2 {
                return gateway;
            }
            assert!(gateway.process.try_wait().unwrap().is_none(), "it ended: {}", gateway.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the gateway did not start: {}", gateway.log());
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self._folder.0.join("log")).unwrap_or_default()
    }

    /// A guest's browser: a session without a factor, good for pages.
    pub async fn guest(&self) -> Browser {
        let mut browser = Browser::of(self.address, &self.url);
        let answer = browser.sign_in("guest", "guest").await;
        assert!(browser.cookies.contains_key("__Host-vestibule"), "{:?} {}", answer.status, answer.text());
        browser
    }

    /// The largest resident set so far, in bytes.
    pub fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("a running gateway");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
