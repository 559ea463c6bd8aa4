//! A real OpenLDAP on free ports, with TLS under a CA of its own, people in every state, and a log of what it was
//! asked.

use super::{Authority, Certificate};
use crate::servers::{Process, READY_WITHIN, Scratch, free_port, until};
use std::{
    fs::{self, File},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Stdio},
};

pub const SUFFIX: &str = "dc=example,dc=org";
pub const PEOPLE: &str = "ou=people,dc=example,dc=org";
pub const GROUPS: &str = "ou=groups,dc=example,dc=org";
pub const SERVICE: &str = "cn=vestibule,ou=services,dc=example,dc=org";
pub const SERVICE_PASSWORD: &str = "service-secret";
const ADMIN: &str = "cn=admin,dc=example,dc=org";
const ADMIN_PASSWORD: &str = "admin-secret";
/// Everybody's.
pub const PASSWORD: &str = "right-password";

pub struct Slapd {
    process: Process,
    directory: Scratch,
    port: u16,
    tls_port: u16,
    ca: PathBuf,
}

impl Slapd {
    pub fn start() -> Self {
        Self::with(Certificate::Good, 0)
    }

    /// With so many more people in `ou=crowd` that one filter finds them all: `(description=crowd)`.
    pub fn with_crowd(people: usize) -> Self {
        Self::with(Certificate::Good, people)
    }

    pub fn with_certificate(certificate: Certificate) -> Self {
        Self::with(certificate, 0)
    }

    fn with(certificate: Certificate, crowd: usize) -> Self {
        let directory = Scratch::new("slapd");
        let authority = Authority::new();
        let ca = authority.ca_file(directory.path());
        let (cert, key) = authority.issue(certificate, &["localhost", "127.0.0.1"], directory.path());
        let data = directory.path().join("data");
        fs::create_dir(&data).unwrap();
        let conf = CONF
            .replace("DIRECTORY", &data.display().to_string())
            .replace("CA_FILE", &ca.display().to_string())
            .replace("CERT_FILE", &cert.display().to_string())
            .replace("KEY_FILE", &key.display().to_string());
        fs::write(directory.path().join("slapd.conf"), conf).unwrap();
        fs::write(directory.path().join("data.ldif"), ldif(crowd)).unwrap();
        let mut slapd = Self { process: Process::none(), directory, port: free_port(), tls_port: free_port(), ca };
        let mut load = Command::new("/usr/sbin/slapadd");
        load.arg("-q").arg("-f").arg(slapd.file("slapd.conf")).arg("-l").arg(slapd.file("data.ldif"));
        let loaded = load.output().unwrap();
        assert!(loaded.status.success(), "slapadd: {}", String::from_utf8_lossy(&loaded.stderr));
        slapd.launch();
        slapd
    }

    fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.file("log")).unwrap();
        let mut command = Command::new("/usr/sbin/slapd");
        // -d keeps it in the foreground; 256 logs connections, operations and results.
        command.arg("-f").arg(self.file("slapd.conf")).args(["-d", "256"]);
        command.args(["-h", &format!("ldap://127.0.0.1:{}/ ldaps://127.0.0.1:{}/", self.port, self.tls_port)]);
        self.process = Process::logged(command.stdin(Stdio::null()), Stdio::from(log));
        until("slapd listens", READY_WITHIN, || {
            [self.port, self.tls_port].iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn port(&self) -> u16 {
        self.port
    }
    /// Plain, or for StartTLS.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }
    pub fn tls_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.tls_port)
    }
    pub fn ca_file(&self) -> &std::path::Path {
        &self.ca
    }
    /// Whatever it was asked so far, one operation a line.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }
    /// How many lines of the log hold that.
    pub fn logged(&self, what: &str) -> usize {
        self.log().lines().filter(|line| line.contains(what)).count()
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

    pub fn set_password(&self, uid: &str, password: &str) {
        self.set(uid, "userPassword", password);
    }
    /// As an administrator locks somebody out for good.
    pub fn disable(&self, uid: &str) {
        self.set(uid, "pwdAccountLockedTime", "000001010000Z");
    }
    pub fn enable(&self, uid: &str) {
        self.modify(&format!("dn: {}\nchangetype: modify\ndelete: pwdAccountLockedTime\n", dn(uid)));
    }
    pub fn set(&self, uid: &str, attribute: &str, value: &str) {
        let change = format!("changetype: modify\nreplace: {attribute}\n{attribute}: {value}\n");
        self.modify(&format!("dn: {}\n{change}", dn(uid)));
    }
    pub fn remove(&self, uid: &str) {
        self.modify(&format!("dn: {}\nchangetype: delete\n", dn(uid)));
    }
    pub fn rename(&self, uid: &str, to: &str) {
        self.modify(&format!("dn: {}\nchangetype: modrdn\nnewrdn: uid={to}\ndeleteoldrdn: 1\n", dn(uid)));
    }
    pub fn add(&self, entry: &str) {
        let (dn, rest) = entry.trim().split_once('\n').unwrap();
        self.modify(&format!("{dn}\nchangetype: add\n{rest}\n"));
    }
    /// Everything below `ou=abroad` is at that URL, says this directory.
    pub fn refer(&self, url: &str) {
        self.add(&format!(
            "dn: ou=abroad,{SUFFIX}\nobjectClass: referral\nobjectClass: extensibleObject\nou: abroad\nref: {url}"
        ));
    }

    pub fn entry_uuid(&self, uid: &str) -> String {
        let found = self.tool("ldapsearch", &["-LLL", "-b", &dn(uid), "-s", "base", "entryUUID"], "");
        found.lines().find_map(|line| line.strip_prefix("entryUUID: ")).unwrap().to_owned()
    }

    /// LDIF, as the administrator; referrals are entries like any other to them.
    fn modify(&self, ldif: &str) {
        self.tool("ldapmodify", &["-M"], ldif);
    }

    fn tool(&self, name: &str, arguments: &[&str], input: &str) -> String {
        let file = self.file("change.ldif");
        fs::write(&file, input).unwrap();
        let mut command = Command::new(name);
        command.args(["-x", "-H", &self.url(), "-D", ADMIN, "-w", ADMIN_PASSWORD]).args(arguments);
        let output = command.stdin(File::open(&file).unwrap()).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

pub fn dn(uid: &str) -> String {
    format!("uid={uid},{PEOPLE}")
}

const CONF: &str = r#"
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload refint
moduleload ppolicy
TLSCACertificateFile CA_FILE
TLSCertificateFile CERT_FILE
TLSCertificateKeyFile KEY_FILE
sizelimit unlimited

database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw admin-secret
directory DIRECTORY
maxsize 268435456
dbnosync
index objectClass,uid,entryUUID,member,description eq

access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=vestibule,ou=services,dc=example,dc=org" read by users read by * none

overlay memberof
overlay refint
refint_attributes member memberOf
overlay ppolicy
ppolicy_default "cn=default,ou=policies,dc=example,dc=org"
ppolicy_use_lockout
"#;

/// The tree, and people by what is the matter with them.
fn ldif(crowd: usize) -> String {
    let mut text = TREE.to_owned();
    let staff = format!("memberOf: cn=staff,{GROUPS}\n");
    text.push_str(&person("mlind", "Mara", "Lind", &staff));
    text.push_str(&person("jroth", "Jo", "Roth", ""));
    text.push_str(&person("locked", "Lo", "Cked", "pwdAccountLockedTime: 000001010000Z\n"));
    let old = |policy: &str| format!("pwdPolicySubentry: cn={policy},ou=policies,{SUFFIX}\n");
    text.push_str(&person("expired", "Ex", "Pired", &old("short")));
    text.push_str(&person("grace", "Gra", "Ce", &old("grace")));
    text.push_str(&person("mustchange", "Must", "Change", "pwdReset: TRUE\n"));
    text.push_str(&person("ended", "En", "Ded", "pwdEndTime: 20260101000000Z\n"));
    // One name, two entries: a directory's mistake.
    text.push_str(&person("twin", "Twin", "One", ""));
    text.push_str(&person("twin", "Twin", "Two", "").replacen("dn: uid=twin,", "dn: cn=Twin Two,", 1));
    text.push_str(&format!("\ndn: cn=staff,{GROUPS}\nobjectClass: groupOfNames\ncn: staff\nmember: {}\n", dn("mlind")));
    text.push_str(&format!("\ndn: ou=crowd,{SUFFIX}\nobjectClass: organizationalUnit\nou: crowd\n"));
    for n in 0..crowd {
        let entry = person(&format!("crowd{n}"), "One", "OfMany", "description: crowd\n");
        text.push_str(&entry.replacen(PEOPLE, &format!("ou=crowd,{SUFFIX}"), 1));
    }
    text
}

fn person(uid: &str, first: &str, last: &str, more: &str) -> String {
    format!(
        "\ndn: {}\nobjectClass: inetOrgPerson\nuid: {uid}\ngivenName: {first}\nsn: {last}\ncn: {first} {last}\n\
         mail: {uid}@example.org\nuserPassword: {PASSWORD}\npwdChangedTime: 20260101000000Z\n{more}",
        dn(uid)
    )
}

const TREE: &str = "\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: ou=services,dc=example,dc=org
objectClass: organizationalUnit
ou: services

dn: cn=vestibule,ou=services,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: vestibule
userPassword: service-secret

dn: ou=policies,dc=example,dc=org
objectClass: organizationalUnit
ou: policies

dn: cn=default,ou=policies,dc=example,dc=org
objectClass: device
objectClass: pwdPolicy
cn: default
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 5
pwdLockoutDuration: 600
pwdMustChange: TRUE

dn: cn=short,ou=policies,dc=example,dc=org
objectClass: device
objectClass: pwdPolicy
cn: short
pwdAttribute: userPassword
pwdMaxAge: 86400

dn: cn=grace,ou=policies,dc=example,dc=org
objectClass: device
objectClass: pwdPolicy
cn: grace
pwdAttribute: userPassword
pwdMaxAge: 86400
pwdGraceAuthNLimit: 100
";
