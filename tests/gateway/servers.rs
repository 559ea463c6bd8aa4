//! Real servers on free ports, started by a test and gone with it: Redis, PostgreSQL, and a mail server.
//!
//! Each is a child process with its own scratch directory, ended by its own id. `pause` and `resume` stop and
//! continue it (SIGSTOP, SIGCONT), which is how a frozen server differs from a dead one. When the tests run as root,
//! PostgreSQL, which refuses root, runs as user `postgres`.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

pub const READY_WITHIN: Duration = Duration::from_secs(30);

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A directory that goes when the test does.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("vestibule-{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(unique);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits, by asking again and again, until something holds; the sentence says what did not.
pub fn until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A running child process.
pub struct Process(Option<Child>);

impl Process {
    pub fn none() -> Self {
        Self(None)
    }
    pub fn spawn(command: &mut Command) -> Self {
        Self::logged(command.stdin(Stdio::null()), Stdio::null())
    }
    /// With what it says on standard error, and what its standard input is left to the caller.
    pub fn logged(command: &mut Command, log: Stdio) -> Self {
        Self(Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap()))
    }
    pub fn signal(&self, name: &str) {
        if let Some(child) = &self.0 {
            assert!(send(name, child.id()), "kill -{name}");
        }
    }
    /// Its children first need it to be stopped, or it would make new ones.
    fn signal_family(&self, name: &str) {
        let Some(child) = &self.0 else { return };
        assert!(send(name, child.id()), "kill -{name}");
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
        for id in children.split_whitespace() {
            send(name, id.parse().unwrap()); // it may have ended meanwhile
        }
    }
    pub fn stop(&mut self, signal: &str) {
        if self.0.is_some() {
            self.signal(signal);
            self.signal_family("CONT"); // a stopped process would not hear the other one
        }
        if let Some(mut child) = self.0.take() {
            let _ = child.wait();
        }
    }
}

fn send(signal: &str, id: u32) -> bool {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{signal}")).arg(id.to_string()).stderr(Stdio::null()).status().unwrap().success()
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// `cert.pem` and `key.pem` for these names, under a CA of its own, `ca.pem`.
fn certify(directory: &Path, names: &[&str]) {
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let pem = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap().pem();
    for (name, text) in [("ca.pem", ca_pem), ("cert.pem", pem), ("key.pem", key.serialize_pem())] {
        fs::write(directory.join(name), text).unwrap();
    }
}

/// A Redis, with `appendonly yes`, so that a restart keeps what it held.
pub struct Redis {
    process: Process,
    directory: Scratch,
    port: u16,
    extra: Vec<String>,
    scheme: &'static str,
    credentials: String,
    suffix: String,
}

impl Redis {
    pub fn start() -> Self {
        Self::with("redis", String::new(), String::new(), |_| Vec::new())
    }

    /// Only the user `vestibule` may sign in, and only with what the store's documentation asks for.
    pub fn start_with_acl() -> Self {
        Self::with("redis", "vestibule:secret@".into(), String::new(), |_| {
            let rights = "~vestibule:* &vestibule:* +@read +@write +@scripting +@pubsub +@connection";
            ["--user default off", &format!("--user vestibule on >secret {rights}")].map(str::to_owned).to_vec()
        })
    }

    /// TLS only, under a CA of its own.
    pub fn start_with_tls() -> Self {
        let directory = Scratch::new("redis");
        certify(directory.path(), &["localhost", "127.0.0.1"]);
        let file = |name: &str| directory.path().join(name).display().to_string();
        let (ca, cert, key) = (file("ca.pem"), file("cert.pem"), file("key.pem"));
        let suffix = format!("?ca_file={ca}");
        let extra = move |port: u16| {
            let tls = format!("--port 0 --tls-port {port} --tls-auth-clients no");
            let files = format!("--tls-ca-cert-file {ca} --tls-cert-file {cert} --tls-key-file {key}");
            vec![tls, files]
        };
        Self::in_directory(directory, "rediss", String::new(), suffix, extra)
    }

    fn with(scheme: &'static str, credentials: String, suffix: String, extra: impl FnOnce(u16) -> Vec<String>) -> Self {
        Self::in_directory(Scratch::new("redis"), scheme, credentials, suffix, extra)
    }

    fn in_directory(
        directory: Scratch,
        scheme: &'static str,
        credentials: String,
        suffix: String,
        extra: impl FnOnce(u16) -> Vec<String>,
    ) -> Self {
        let port = free_port();
        let extra = extra(port);
        let mut redis = Self { process: Process(None), directory, port, extra, scheme, credentials, suffix };
        redis.launch();
        redis
    }

    fn launch(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--appendonly", "yes", "--save", ""]);
        command.arg("--dir").arg(self.directory.path());
        command.args(self.extra.iter().flat_map(|line| words(line)));
        self.process = Process::spawn(&mut command);
        let answers = || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        until("Redis listens", READY_WITHIN, answers);
        // It listens before it has read its file; a plain one can be asked.
        if self.credentials.is_empty() && self.scheme == "redis" {
            until("Redis answers", READY_WITHIN, || self.cli(&["PING"]).trim() == "PONG");
        }
    }

    pub fn url(&self) -> String {
        format!("{}://{}127.0.0.1:{}/{}", self.scheme, self.credentials, self.port, self.suffix)
    }
    /// What an attacker on Redis would do.
    pub fn cli(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
    pub fn pause(&self) {
        self.process.signal("STOP");
    }
    pub fn resume(&self) {
        self.process.signal("CONT");
    }
    pub fn kill(&mut self) {
        self.process.stop("KILL");
    }
    pub fn restart(&mut self) {
        self.process.stop("TERM");
        self.launch();
    }
}

/// Like a shell without quotes, except that an ACL rule is one `--user` with many words.
fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// A PostgreSQL with one database, reached without a password.
pub struct Postgres {
    process: Process,
    directory: Scratch,
    port: u16,
}

impl Postgres {
    pub fn start() -> Self {
        let directory = Scratch::new("postgres");
        let mut postgres = Self { process: Process(None), directory, port: free_port() };
        if is_root() {
            let path = postgres.directory.path();
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
            let done = Command::new("chown").arg("postgres").arg(path).status().unwrap();
            assert!(done.success(), "chown");
        }
        let mut initdb = tool("initdb");
        initdb.args(["--no-sync", "--auth", "trust", "--username", "vestibule", "--encoding", "UTF8", "--pgdata"]);
        let done = initdb.arg(postgres.data()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(done.success(), "initdb");
        postgres.launch();
        postgres
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn launch(&mut self) {
        let mut command = tool("postgres");
        command.arg("-D").arg(self.data()).args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-F", "-k"]);
        command.arg(self.directory.path());
        self.process = Process::spawn(&mut command);
        let port = self.port.to_string();
        until("PostgreSQL accepts connections", READY_WITHIN, || {
            let mut ready = Command::new(bin("pg_isready"));
            ready.args(["-q", "-h", "127.0.0.1", "-p", &port]).status().is_ok_and(|status| status.success())
        });
    }

    pub fn url(&self) -> String {
        format!("postgres://vestibule@127.0.0.1:{}/postgres", self.port)
    }
    pub fn pause(&self) {
        // A connection is a process of its own.
        self.process.signal_family("STOP");
    }
    pub fn resume(&self) {
        self.process.signal_family("CONT");
    }
    pub fn kill(&mut self) {
        self.process.stop("QUIT"); // "immediate": its children end with it, nothing is written
    }
    pub fn restart(&mut self) {
        self.process.stop("INT");
        self.launch();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.process.stop("QUIT");
    }
}

/// A mail server that keeps what it gets; it behaves as it is told (`mail/sink.py`).
pub struct Smtp {
    process: Process,
    directory: Scratch,
    port: u16,
    scheme: &'static str,
    options: &'static [&'static str],
}

impl Smtp {
    /// In the clear, and without STARTTLS.
    pub fn plain() -> Self {
        Self::with("smtp", &[], &["localhost"])
    }
    pub fn starttls() -> Self {
        Self::with("smtp+starttls", &["starttls"], &["localhost"])
    }
    /// STARTTLS first, then user `vestibule` with password `mail-secret`.
    pub fn starttls_with_auth() -> Self {
        Self::with("smtp+starttls", &["starttls", "auth"], &["localhost"])
    }
    pub fn tls() -> Self {
        Self::with("smtps", &["tls"], &["localhost"])
    }
    /// Its certificate is another host's.
    pub fn with_anothers_certificate(scheme: &'static str) -> Self {
        let options: &[&str] = if scheme == "smtps" { &["tls"] } else { &["starttls"] };
        Self::with(scheme, options, &["mail.example.org"])
    }
    /// Somebody in between has taken the offer of STARTTLS out.
    pub fn stripped() -> Self {
        Self::with("smtp+starttls", &["auth"], &["localhost"])
    }

    fn with(scheme: &'static str, options: &'static [&'static str], names: &[&str]) -> Self {
        let directory = Scratch::new("smtp");
        certify(directory.path(), names);
        fs::create_dir(directory.path().join("mail")).unwrap();
        let mut smtp = Self { process: Process(None), directory, port: free_port(), scheme, options };
        smtp.behave("ok");
        smtp.start();
        smtp
    }

    pub fn start(&mut self) {
        // Debian's own Python, for which Debian's package is installed.
        let mut command = Command::new("/usr/bin/python3");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway/mail/sink.py"));
        command.arg(self.port.to_string()).arg(self.directory.path()).args(self.options);
        self.process = Process::spawn(&mut command);
        until("the mail server listens", READY_WITHIN, || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }
    pub fn kill(&mut self) {
        self.process.stop("KILL");
    }

    pub fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.port)
    }
    pub fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }
    pub fn behave(&self, how: &str) {
        let (new, path) = (self.directory.path().join("behaviour.new"), self.directory.path().join("behaviour"));
        fs::write(&new, how).unwrap();
        fs::rename(new, path).unwrap();
    }
    /// What clients said, a line each.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
    /// The letters, as Python's parser reads them.
    pub fn letters(&self) -> Vec<serde_json::Value> {
        let folder = self.directory.path().join("mail");
        (0..)
            .map_while(|n| fs::read(folder.join(format!("{n}.json"))).ok())
            .map(|bytes| serde_json::from_slice(&bytes).unwrap())
            .collect()
    }
}

fn bin(name: &str) -> PathBuf {
    let newest =
        fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten().map(|entry| entry.path()).max();
    newest.map_or_else(|| name.into(), |version| version.join("bin").join(name))
}

fn tool(name: &str) -> Command {
    if !is_root() {
        return Command::new(bin(name));
    }
    // setpriv replaces itself by the program, so the child's id is the program's own.
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(bin(name));
    command.current_dir("/");
    command
}

pub fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.starts_with(b"0\n")
}
