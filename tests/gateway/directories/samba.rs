//! A real Active Directory domain controller: Samba's, from Debian, provisioned in a scratch directory.
//!
//! Its LDAP ports are fixed (389, 636), so each one gets an address of its own in 127.0.0.0/8 instead of ports. That
//! needs root; where it cannot be had, [`Samba::start`] says why and the test says `skipped: reason`.

use super::{Authority, Certificate};
use crate::servers::{Process, Scratch, is_root};
use std::{
    fs::{self, File},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU8, Ordering::Relaxed},
    time::{Duration, Instant},
};

pub const SUFFIX: &str = "DC=vestibule,DC=test";
pub const GROUPS: &str = "OU=Groups,DC=vestibule,DC=test";
pub const ADMIN: &str = "Administrator@vestibule.test";
pub const ADMIN_PASSWORD: &str = "Adm1n-pass-word";
/// Everybody's.
pub const PASSWORD: &str = "R1ght-password";

const READY_WITHIN: Duration = Duration::from_secs(60);

pub struct Samba {
    process: Process,
    directory: Scratch,
    address: String,
    ca: PathBuf,
}

impl Samba {
    /// One with nobody in it but those it makes itself, or the reason why there is none.
    pub fn start() -> Result<Self, String> {
        if !is_root() {
            return Err("a domain controller's fixed ports need root".into());
        }
        for program in ["samba", "samba-tool"] {
            let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
            if !found.is_ok_and(|found| found.status.success()) {
                return Err(format!("{program} is not installed (Debian: samba-ad-dc, samba-ad-provision)"));
            }
        }
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let id = std::process::id();
        // One address per run and controller.
        let address = format!("127.{}.{}.{}", 64 + (id >> 8 & 0x3f), id & 0xff, NEXT.fetch_add(1, Relaxed));
        let directory = Scratch::new("samba");
        let authority = Authority::new();
        let ca = authority.ca_file(directory.path());
        authority.issue(Certificate::Good, &[&address], directory.path());
        let mut samba = Self { process: Process::none(), directory, address, ca };
        samba.provision()?;
        samba.launch()?;
        Ok(samba)
    }

    fn provision(&self) -> Result<(), String> {
        fs::write(self.file("smb.conf"), self.conf()).map_err(|error| error.to_string())?;
        let mut provision = Command::new("samba-tool");
        provision.args(["domain", "provision", "--realm=VESTIBULE.TEST", "--domain=VESTIBULE", "--server-role=dc"]);
        provision.args(["--dns-backend=NONE", "--host-name=dc1"]).arg(format!("--host-ip={}", self.address));
        provision.arg(format!("--adminpass={ADMIN_PASSWORD}")).arg(format!("--targetdir={}", self.path().display()));
        // Where a file system keeps no extended attributes, a file does.
        provision.arg(format!("--option=posix:eadb={}", self.file("eadb.tdb").display()));
        provision.arg(format!("--configfile={}", self.file("smb.conf").display()));
        run(&mut provision).map(drop)
    }

    fn launch(&mut self) -> Result<(), String> {
        // Provisioning has written one of its own into etc/, with file shares and all services.
        fs::write(self.file("smb.conf"), self.conf()).map_err(|error| error.to_string())?;
        let log = File::create(self.file("out.log")).map_err(|error| error.to_string())?;
        // It ends when its standard input does, and takes its directory along: with the test run, where nothing drops
        // this because it is shared.
        let mut samba = Command::new("sh");
        samba.args(["-c", "samba -i -M single -s \"$1/smb.conf\"; rm -rf \"$1\"", "sh"]).arg(self.path());
        self.process = Process::logged(samba.stdin(Stdio::piped()), Stdio::from(log));
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect((self.address.as_str(), 636)).is_err() {
            let said = fs::read_to_string(self.file("out.log")).unwrap_or_default();
            if Instant::now() > deadline || said.contains("samba_terminate") {
                return Err(format!("samba does not listen: {}", said.lines().last().unwrap_or_default()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn conf(&self) -> String {
        let (directory, address) = (self.path().display(), &self.address);
        format!(
            "[global]\nnetbios name = DC1\nworkgroup = VESTIBULE\nrealm = VESTIBULE.TEST\n\
             server role = active directory domain controller\nserver services = ldap\n\
             interfaces = {address}/8\nbind interfaces only = yes\n\
             private dir = {directory}/private\nstate directory = {directory}/state\n\
             cache directory = {directory}/cache\nlock directory = {directory}\npid directory = {directory}\n\
             ncalrpc dir = {directory}/ncalrpc\nwinbindd socket directory = {directory}/winbindd\n\
             log file = {directory}/log\nposix:eadb = {directory}/eadb.tdb\n\
             tls cafile = {directory}/ca.pem\ntls certfile = {directory}/cert.pem\ntls keyfile = {directory}/key.pem\n"
        )
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn tls_url(&self) -> String {
        format!("ldaps://{}", self.address)
    }
    /// For StartTLS: without it, a domain controller takes no password.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }
    pub fn ca_file(&self) -> &Path {
        &self.ca
    }
    /// `samba-tool` on this domain: `user disable NAME`, `group addmembers G NAME`.
    pub fn tool(&self, words: &[&str]) -> String {
        let mut tool = Command::new("samba-tool");
        tool.args(words).arg(format!("--configfile={}", self.file("smb.conf").display()));
        run(&mut tool).unwrap()
    }
    pub fn add(&self, name: &str, first: &str, last: &str) {
        let (given, surname) = (format!("--given-name={first}"), format!("--surname={last}"));
        let mail = format!("--mail-address={name}@example.org");
        self.tool(&["user", "create", name, PASSWORD, &given, &surname, &mail]);
    }
}

/// What it printed, or what it complained about last.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("{:?}: {}", command.get_program(), said.lines().last().unwrap_or_default()))
}
