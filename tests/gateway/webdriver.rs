//! A real Chromium, driven by its own chromedriver over WebDriver (W3C WebDriver 2, plain HTTP on loopback).
//!
//! Small on purpose: what browser stories need and no more. Whatever goes wrong is a failed test, so everything here
//! panics, with the command, the browser's message and, where it helps, the page.

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream as StdTcpStream,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};
use tokio::net::TcpStream;

/// How long one command may take; a page load is one command.
const COMMAND: Duration = Duration::from_secs(30);
/// How long Chromium may take to come up on a busy machine.
const START: Duration = Duration::from_secs(60);
/// The key of an element reference (WebDriver §12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What the browser is like.
#[derive(Clone, Copy)]
pub enum Device {
    /// 1280 × 800.
    Desktop,
    /// 320 × 640, the smallest phone we promise.
    Phone,
}

#[derive(Clone, Copy)]
pub enum Scripts {
    On,
    Off,
}

/// What kind of authenticator.
#[derive(Clone, Copy)]
pub enum Built {
    /// Into the device; it keeps passkeys.
    In,
    /// A security key, which keeps none.
    ToPlugIn,
}

/// A browser with an empty profile of its own; ended, with its profile, when dropped.
pub struct Chromium {
    driver: Driver,
    session: String,
}

impl Chromium {
    /// A desktop browser with JavaScript.
    pub async fn start() -> Self {
        Self::with(Device::Desktop, Scripts::On).await
    }

    pub async fn with(device: Device, scripts: Scripts) -> Self {
        let driver = Driver::start();
        let wanted = capabilities(&driver.profile, device, scripts);
        let made = driver.call(START, Method::POST, "/session", Some(wanted)).await;
        let session = made["sessionId"].as_str().expect("a new session has an id").to_owned();
        Self { driver, session }
    }

    /// Loads a page and waits until it is there.
    pub async fn goto(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }
    pub async fn url(&self) -> String {
        text_of(&self.get("/url").await)
    }
    pub async fn title(&self) -> String {
        text_of(&self.get("/title").await)
    }
    /// The page's markup as the browser holds it now.
    pub async fn source(&self) -> String {
        text_of(&self.get("/source").await)
    }
    pub async fn cookies(&self) -> Vec<Value> {
        self.get("/cookie").await.as_array().cloned().unwrap_or_default()
    }
    /// What the page wrote to the console since the last call, violations of its content security policy included.
    pub async fn console(&self) -> Vec<String> {
        let entries = self.post("/se/log", json!({ "type": "browser" })).await;
        entries.as_array().into_iter().flatten().map(|entry| text_of(&entry["message"])).collect()
    }

    /// The one element that `css` names first; panics, with the page, where there is none.
    pub async fn find(&self, css: &str) -> String {
        match self.all(css).await.into_iter().next() {
            Some(element) => element,
            None => panic!("no {css} at {}:\n{}", self.url().await, self.source().await),
        }
    }
    pub async fn exists(&self, css: &str) -> bool {
        !self.all(css).await.is_empty()
    }
    /// Waits until `css` exists.
    pub async fn wait_for(&self, css: &str, deadline: Duration) {
        let until = Instant::now() + deadline;
        while !self.exists(css).await {
            if Instant::now() >= until {
                panic!("no {css} within {deadline:?} at {}:\n{}", self.url().await, self.source().await);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
    pub async fn click(&self, css: &str) {
        let element = self.find(css).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }
    /// Types into a field, as from the keyboard. `\u{e007}` is Enter (WebDriver §17.4.2).
    pub async fn type_into(&self, css: &str, text: &str) {
        let element = self.find(css).await;
        self.post(&format!("/element/{element}/value"), json!({ "text": text })).await;
    }
    /// The text a person sees in an element.
    pub async fn text(&self, css: &str) -> String {
        let element = self.find(css).await;
        text_of(&self.get(&format!("/element/{element}/text")).await)
    }
    /// Runs `js` as the body of a function and returns what it returns.
    pub async fn eval(&self, js: &str) -> Value {
        self.post("/execute/sync", json!({ "script": js, "args": [] })).await
    }
    /// A command of the Chrome DevTools Protocol, for what WebDriver has no word for.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }
    /// Gives the browser an authenticator without hardware (WebAuthn Level 3 §11): one that is always touched, and
    /// verifies its user.
    pub async fn add_authenticator(&self, built: Built) -> String {
        let (transport, resident) = match built {
            Built::In => ("internal", true),
            Built::ToPlugIn => ("usb", false),
        };
        let wanted = json!({
            "protocol": "ctap2", "transport": transport, "hasResidentKey": resident,
            "hasUserVerification": true, "isUserConsenting": true, "isUserVerified": true,
        });
        text_of(&self.post("/webauthn/authenticator", wanted).await)
    }
    /// Whether its user is verified from now on.
    pub async fn set_verified(&self, authenticator: &str, verified: bool) {
        self.post(&format!("/webauthn/authenticator/{authenticator}/uv"), json!({ "isUserVerified": verified })).await;
    }
    /// What it holds, private keys included.
    pub async fn credentials(&self, authenticator: &str) -> Vec<Value> {
        let held = self.get(&format!("/webauthn/authenticator/{authenticator}/credentials")).await;
        held.as_array().cloned().unwrap_or_default()
    }
    /// Where this browser puts what it saves.
    pub fn downloads(&self) -> PathBuf {
        self.driver.profile.join("downloads")
    }
    /// Writes what is visible to `target/screenshots/NAME.png` and returns the file's path.
    pub async fn screenshot(&self, name: &str) -> PathBuf {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let picture = text_of(&self.get("/screenshot").await);
        let picture = STANDARD.decode(picture).expect("a screenshot is base64");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's tmp lies in its target folder");
        let file = target.join("screenshots").join(format!("{name}.png"));
        fs::create_dir_all(file.parent().expect("it has a folder")).expect("the screenshots' folder can be made");
        fs::write(&file, picture).expect("a screenshot can be written");
        file
    }

    async fn all(&self, css: &str) -> Vec<String> {
        let found = self.post("/elements", json!({ "using": "css selector", "value": css })).await;
        found.as_array().into_iter().flatten().map(|element| text_of(&element[ELEMENT])).collect()
    }
    async fn get(&self, path: &str) -> Value {
        self.driver.call(COMMAND, Method::GET, &format!("/session/{}{path}", self.session), None).await
    }
    async fn post(&self, path: &str, body: Value) -> Value {
        self.driver.call(COMMAND, Method::POST, &format!("/session/{}{path}", self.session), Some(body)).await
    }
}

impl Drop for Chromium {
    /// Blocking, because a dropped value cannot await: the session is closed first, so that Chromium ends by itself.
    fn drop(&mut self) {
        let Ok(mut stream) = StdTcpStream::connect(("127.0.0.1", self.driver.port)) else { return };
        // A test that failed must not hang here as well; nothing is lost if these are refused.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
        let head = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.session
        );
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.read(&mut [0; 512]);
    }
}

/// A chromedriver process in a process group of its own, on a port of its own choice.
struct Driver {
    child: Child,
    port: u16,
    profile: PathBuf,
}

impl Driver {
    fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let profile = std::env::temp_dir().join(format!("vestibule-chromium-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&profile);
        let mut child = Command::new("/usr/bin/chromedriver")
            .arg("--port=0")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("/usr/bin/chromedriver starts (packages chromium and chromium-driver)");
        let stdout = child.stdout.take().expect("its output is piped");
        // Owned before anything else can panic, so that the process is ended in any case.
        let mut driver = Self { child, port: 0, profile };
        driver.port = announced_port(stdout);
        driver
    }

    async fn call(&self, deadline: Duration, method: Method, path: &str, body: Option<Value>) -> Value {
        let what = format!("WebDriver {method} {path}");
        let exchange = tokio::time::timeout(deadline, exchange(self.port, method, path, body));
        let answer = exchange.await.unwrap_or_else(|_| panic!("{what}: no answer within {deadline:?}"));
        let value = answer.get("value").cloned().unwrap_or_default();
        if let Some(error) = value.get("error").and_then(Value::as_str) {
            panic!("{what}: {error}: {}", text_of(&value["message"]));
        }
        value
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The whole group by its id, for a Chromium that outlived its session; then the driver itself, if it is left.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

/// Reads the output on a thread of its own, which has a deadline and goes on reading: a full pipe stops chromedriver.
fn announced_port(stdout: ChildStdout) -> u16 {
    let (found, port) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let port = line.split("successfully on port ").nth(1).map(|rest| rest.trim_end_matches('.').parse());
            if let Some(Ok(port)) = port {
                let _ = found.send(port);
            }
        }
    });
    port.recv_timeout(START).expect("chromedriver names its port in time")
}

async fn exchange(port: u16, method: Method, path: &str, body: Option<Value>) -> Value {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("chromedriver accepts connections");
    let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await.expect("a fresh connection");
    tokio::spawn(connection);
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", format!("127.0.0.1:{port}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("a well-formed request");
    let answer = send.send_request(request).await.expect("chromedriver answers");
    let bytes = answer.into_body().collect().await.expect("a whole answer").to_bytes();
    serde_json::from_slice(&bytes).expect("chromedriver answers in JSON")
}

fn capabilities(profile: &Path, device: Device, scripts: Scripts) -> Value {
    let mut options = json!({
        "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en", "--window-size=1280,800",
            format!("--user-data-dir={}", profile.display()),
        ],
    });
    if let Device::Phone = device {
        // By emulation, because a headless window does not become as narrow as a phone.
        options["mobileEmulation"] = json!({ "deviceMetrics": { "width": 320, "height": 640, "pixelRatio": 1.0, "touch": true, "mobile": true } });
    }
    options["prefs"] = json!({ "download.default_directory": profile.join("downloads") });
    if let Scripts::Off = scripts {
        options["prefs"]["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        // The gateway's development certificate is its own authority.
        "acceptInsecureCerts": true,
        "webauthn:virtualAuthenticators": true,
        "goog:chromeOptions": options,
        "goog:loggingPrefs": { "browser": "ALL" },
    }}})
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
