//! The program itself, `vestibule serve`, as a child process in front of the demonstration LMS; and its command line.

use crate::{
    people::{Answer, Authenticator, Browser, MoodleApp, between},
    servers::{Scratch, free_port, until},
    wire::{PASSWORD, straight},
};
use campus::{Campus, Options};
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use vestibule::types::{Clock, SystemClock};

const READY_WITHIN: Duration = Duration::from_secs(20);

pub struct Program {
    pub campus: Campus,
    pub url: String,
    pub address: SocketAddr,
    pub monitor: SocketAddr,
    pub folder: Scratch,
    child: Option<Child>,
}

impl Program {
    /// With the embedded stores.
    pub async fn serve() -> Self {
        Self::serve_with("{ directory: DIR, database: \"sqlite:DIR/vestibule.db\" }", "info").await
    }

    /// `DIR` in the store's settings is the folder.
    pub async fn serve_with(store: &str, log: &str) -> Self {
        let mut program = Self::prepared(store, log).await;
        program.start();
        program
    }

    pub async fn prepared(store: &str, log: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = Scratch::new("program");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let monitor = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let url = format!("https://localhost:{}", address.port());
        let options = Options { listen: "127.0.0.1:0".parse().expect("an address"), public_url: url.clone() };
        let campus = Campus::start(options).await.expect("the demonstration LMS");
        let dir = folder.path().display().to_string();
        let yaml = format!(
            r#"
edge: {{ https: "{address}", http: null, drain_seconds: 2, certificates: [ {{ chain: "{dir}/tls.pem", key: "{dir}/tls.key" }} ] }}
admin: {{ listen: "{monitor}", socket: "{dir}/admin.sock" }}
sites: [ {{ name: campus, public_url: "{url}", upstream: {{ url: "http://{lms}" }} }} ]
chain: {{ instances: [ {{ name: campus-lms, kind: lms, site: campus }} ], refusal_milliseconds: 0 }}
mfa:
  rules: [ {{ name: everybody, first_enrolment: at_sign_in, enrolment_window: {{ until: 2100-01-01 }} }} ]
tokens: {{ unregistered: refuse }}
store: {store}
audit: {{ file: "{dir}/audit.jsonl" }}
keys: {{ file: "{dir}/keys" }}
telemetry: {{ log: "{log}" }}
"#,
            lms = campus.addr(),
            store = store.replace("DIR", &dir),
        );
        fs::write(folder.path().join("gateway.yaml"), yaml).expect("written");
        let program = Self { campus, url, address, monitor, folder, child: None };
        let (code, _, told) = program.cli("init");
        assert_eq!(code, 0, "{told}");
        program
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, config: &str, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.arg("--config").arg(self.file(config)).args(words.split(' ')).env_remove("VESTIBULE_CONFIG");
        command
    }

    /// Exit code, standard output, standard error.
    pub fn cli(&self, words: &str) -> (i32, String, String) {
        self.cli_of("gateway.yaml", words)
    }

    /// With another configuration of the folder.
    pub fn cli_of(&self, config: &str, words: &str) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(config, words).output().expect("the program");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }

    /// What it says where it is done.
    #[track_caller]
    pub fn done(&self, words: &str) -> String {
        let (code, said, told) = self.cli(words);
        assert_eq!((code, told.as_str()), (0, ""), "{words}: {said}");
        said
    }

    #[track_caller]
    pub fn json(&self, words: &str) -> serde_json::Value {
        serde_json::from_str(&self.done(&format!("--json {words}"))).expect("JSON")
    }

    pub fn start(&mut self) {
        let log = || File::options().create(true).append(true).open(self.file("log")).expect("a log");
        let opened = |program: &Self| program.log().matches("vestibule is open").count();
        let before = opened(self);
        let child = self.command("gateway.yaml", "serve").stdin(Stdio::null()).stdout(log()).stderr(log()).spawn();
        self.child = Some(child.expect("the program"));
        until("the gateway is open", READY_WITHIN, || opened(self) > before);
    }

    /// As an operator ends it: it drains, and its exit code is 0.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let sent = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().expect("kill");
        assert!(sent.success());
        assert_eq!(child.wait().expect("its end").code(), Some(0), "{}", self.log());
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running gateway").id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    pub fn browser(&self) -> Browser {
        Browser::of(self.address, &self.url)
    }
    pub fn app(&self) -> MoodleApp {
        MoodleApp::to(self.address, &self.url)
    }

    /// The listener for monitoring, over plain HTTP.
    pub async fn watch(&self, method: &str, path: &str) -> Answer {
        straight(self.monitor, method, path, &[], "").await
    }

    /// A first enrolment under the real clock: the code before now, so that two more are fresh.
    pub async fn enrol(&self, browser: &mut Browser, username: &str, password: &str) -> Device {
        let answer = browser.sign_in(username, password).await;
        let mut page = answer.location().to_owned();
        assert!(page == "/vestibule/enrol", "{page}: {}", answer.text());
        page = browser.get("/vestibule/enrol").await.text();
        self.confirm(browser, &page).await
    }

    /// Confirms the device of the enrolment page and keeps its codes.
    pub async fn confirm(&self, browser: &mut Browser, page: &str) -> Device {
        let authenticator = Authenticator::from_page(page);
        let csrf = between(page, "name=\"csrf\" value=\"", "\"");
        let step = SystemClock.now().secs() / 30;
        let code = authenticator.code_at(step - 1);
        let answer = browser.post("/vestibule/enrol", &[("csrf", &csrf), ("code", &code)]).await;
        assert_eq!(answer.location(), "/vestibule/recovery-codes", "{}", answer.text());
        let text = browser.get("/vestibule/recovery-codes.txt").await.text();
        let lines = text.lines().map(str::trim).filter(|l| l.len() == 11 && l.contains('-'));
        let codes: Vec<String> = lines.map(str::to_owned).collect();
        let csrf = browser.csrf("/vestibule/recovery-codes").await;
        let answer = browser.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let secret = between(page, "secret=", "&");
        Device { codes, secret, used: vec![code] }
    }

    /// An app that signs in with a recovery code, which needs no clock.
    pub async fn token(&self, device: &mut Device) -> String {
        let json = self.app().token("student1", PASSWORD).await.json();
        let flow = json["mfa"]["flow"].as_str().unwrap_or_else(|| panic!("{json}")).to_owned();
        let code = device.codes.pop().expect("a recovery code");
        let json = self.app().verify(&flow, "recovery", &code).await.json();
        device.used.push(code);
        json["token"].as_str().unwrap_or_else(|| panic!("{json}")).to_owned()
    }
}

/// What somebody keeps of their enrolment.
pub struct Device {
    pub codes: Vec<String>,
    /// Base32, as the page shows it.
    pub secret: String,
    pub used: Vec<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
