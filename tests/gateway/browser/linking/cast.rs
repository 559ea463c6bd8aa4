//! Sources that these stories need: a directory of a few people with passwords, and a partner that the browser is sent
//! to. They are built by the gateway as any other kind, from settings that only a test can write; what is shipped
//! knows neither.

use super::*;
use async_trait::async_trait;
use campus::{Campus, Options};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use vestibule::{
    admin::read_keyring,
    chain::{
        Asked, Directory, PasswordSource, Person, Proven, RedirectSource, Standing, Verdict,
        config::{Common, Instance},
        sources::{BuildError, Kind, Needs, Settings, SettingsError, Source},
    },
    config::Config,
    lms,
    store::contract::HandClock,
    types::{Clock, SiteName, SourceId, Subject, SystemClock, SystemRng},
};

pub const SECRET: &str = "Staff.1234";

pub const DIRECTORY: Kind = kind("test-directory");
pub const PARTNER: Kind = kind("test-partner");

const fn kind(name: &'static str) -> Kind {
    Kind { name, internal: false, multiple: true, can_disable: true, removable: true, settings: unwritten }
}

fn unwritten(_: serde_yaml::Value) -> Result<Arc<dyn Settings>, SettingsError> {
    Err(SettingsError { path: String::new(), message: "only a test writes these".into() })
}

/// Somebody whom a source knows; the password is [`SECRET`] for everybody.
#[derive(Clone, Debug)]
pub struct Row {
    pub subject: &'static str,
    pub username: &'static str,
    pub email: Option<&'static str>,
}

pub fn row(subject: &'static str, username: &'static str, email: Option<&'static str>) -> Row {
    Row { subject, username, email }
}

impl Row {
    fn person(&self) -> Person {
        Person {
            username: Some(self.username.into()),
            // An LMS asks those who lack one of these to complete their profile first.
            first_name: Some(self.username.into()),
            last_name: Some("Example".into()),
            email: self.email.map(str::to_owned),
            ..Person::of(Subject::new(self.subject))
        }
    }
}

#[derive(Clone, Debug)]
struct People(Vec<Row>);

impl Settings for People {
    fn build(&self, _: &Needs<'_>) -> Result<Source, BuildError> {
        let people = Arc::new(self.clone());
        Ok(Source { password: Some(people.clone()), directory: Some(people), redirect: None })
    }
}

#[async_trait]
impl PasswordSource for People {
    async fn judge(&self, asked: &Asked<'_>) -> Verdict {
        match self.0.iter().find(|row| row.username == asked.username) {
            Some(row) if asked.password().expose() == SECRET => {
                Verdict::Ok(Box::new(Proven { person: row.person(), lms: None }))
            }
            _ => Verdict::Declined(None),
        }
    }
    async fn probe(&self) -> Result<(), String> {
        Ok(())
    }
}

#[async_trait]
impl Directory for People {
    async fn standing(&self, subject: &Subject) -> Result<Standing, String> {
        let found = self.0.iter().find(|row| row.subject == subject.as_str());
        Ok(found.map_or(Standing::Unknown, |row| Standing::Active(Box::new(row.person()))))
    }
    async fn find(&self, username: &str) -> Result<Option<Person>, String> {
        Ok(self.0.iter().find(|row| row.username == username).map(Row::person))
    }
}

/// Sends people to a page elsewhere and believes what comes back under its signature.
#[derive(Clone, Debug)]
pub struct Partner {
    /// Where its page is.
    pub page: String,
    pub people: Vec<Row>,
    key: [u8; 32],
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Partner {
    pub fn at(page: &str, people: Vec<Row>) -> Self {
        use vestibule::types::RngExt;
        Self { page: page.into(), people, key: SystemRng.array(), asked: Arc::default() }
    }

    /// The query with which its page sends somebody back.
    pub fn answer(&self, state: &str, subject: &str) -> String {
        format!("state={state}&subject={subject}&signature={}", self.sign(state, subject))
    }

    fn sign(&self, state: &str, subject: &str) -> String {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.key);
        let tag = ring::hmac::sign(&key, format!("{state}\n{subject}").as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Settings for Partner {
    fn build(&self, _: &Needs<'_>) -> Result<Source, BuildError> {
        Ok(Source { redirect: Some(Arc::new(self.clone())), ..Source::default() })
    }
    fn redirects(&self) -> bool {
        true
    }
}

#[async_trait]
impl RedirectSource for Partner {
    fn label(&self) -> &str {
        "Partner university"
    }
    async fn begin(&self, state: &str, callback: &str) -> Result<String, String> {
        self.asked.lock().expect("one thread at a time").push(callback.to_owned());
        Ok(format!("{}?state={state}", self.page))
    }
    async fn complete(&self, parameters: &[(String, String)], _: &str) -> Verdict {
        let of = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).unwrap_or_default();
        let person = self.people.iter().find(|row| row.subject == of("subject")).map(Row::person);
        match person.filter(|_| self.sign(of("state"), of("subject")) == of("signature")) {
            Some(person) => Verdict::Ok(Box::new(Proven { person, lms: None })),
            None => Verdict::Declined(None),
        }
    }
}

pub fn instance(name: &str, kind: &'static Kind, settings: Arc<dyn Settings>, common: Common) -> Instance {
    Instance { name: SourceId::new(name), kind, common, settings }
}

pub fn directory(name: &str, label: &str, people: Vec<Row>, change: impl FnOnce(&mut Common)) -> Instance {
    let mut common = Common { label: Some(label.into()), ..Common::default() };
    change(&mut common);
    instance(name, &DIRECTORY, Arc::new(People(people)), common)
}

/// A site with a sign-in page of our own: staff and students in directories of their own, the partner, and the LMS's
/// own accounts, asked in this order.
pub async fn world(partner: &Partner, change: impl FnOnce(&mut Config)) -> World {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = crate::world::Folder::new();
    let https = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = https.local_addr().expect("its address");
    let url = format!("https://localhost:{}", address.port());
    let options = Options { listen: "127.0.0.1:0".parse().expect("an address"), public_url: url.clone() };
    let campus = Campus::start(options).await.expect("the demonstration LMS");
    let config = crate::world::settings(&folder, &url, campus.addr(), |config| {
        let site = &mut config.sites[0];
        site.sign_in = lms::SignIn::Header;
        site.upstream.exclusive = true;
        site.lms.users_before = Some(10);
        let staff = vec![row("s-1", "anna", Some("anna@example.org")), row("s-2", "bert", Some("Bert@Example.org"))];
        let students = vec![
            row("m-1", "anna.b", Some("ANNA@example.org")),
            row("m-2", "carl", Some("carl@example.org")),
            row("m-3", "anna", Some("other@example.org")),
        ];
        let staff = directory("staff", "Staff directory", staff, |common| common.email_verified = true);
        let students = directory("students", "Student directory", students, |common| {
            common.email_verified = true;
            common.users_may_make_primary = true;
        });
        let common = Common { email_verified: true, ..Common::default() };
        let partner = instance("partner", &PARTNER, Arc::new(partner.clone()), common);
        let own = config.chain.instances.remove(0);
        config.chain.instances = vec![staff, students, partner, own];
        change(config);
    });
    crate::world::prepare(&config);
    let mut ring = read_keyring(&config.keys.file).expect("the ring");
    let header = ring.rotate_header(&SiteName::new("campus"), &SystemRng).user().expose().clone();
    std::fs::write(&config.keys.file, ring.to_text().expose()).expect("the ring is kept");
    campus.trust_header(Some(&header));
    let clock = Arc::new(HandClock::at(SystemClock.now()));
    let app = crate::world::start(config.clone(), https, clock.clone()).await;
    World { campus, app, url, address, clock, folder, config }
}

pub fn nobody() -> Partner {
    Partner::at("http://127.0.0.1:9/sign-in", Vec::new())
}

/// Posts our own sign-in page's form.
pub async fn type_in(browser: &mut Browser, username: &str, password: &str) -> Answer {
    browser.post("/vestibule/sign-in", &[("username", username), ("password", password)]).await
}

/// Follows from the enrolment page on: the first device, and the codes kept.
pub async fn enrol(world: &World, browser: &mut Browser, answer: &Answer) -> Authenticator {
    assert_eq!(answer.location(), "/vestibule/enrol", "{} {}", answer.status, answer.text());
    let page = browser.get("/vestibule/enrol").await.text();
    let device = Authenticator::from_page(&page);
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    browser.post("/vestibule/enrol", &[("csrf", &csrf), ("code", &device.code(world.clock.now()))]).await;
    let csrf = browser.csrf("/vestibule/recovery-codes").await;
    let answer = browser.post("/vestibule/recovery-codes", &[("csrf", &csrf)]).await;
    assert!(browser.cookies.contains_key(SESSION), "{}", answer.text());
    world.advance(Duration::from_secs(60));
    device
}

/// Somebody new from a directory, with a session and a device.
pub async fn newcomer(world: &World, username: &str) -> (Browser, Authenticator) {
    let mut browser = Browser::at(world);
    let answer = type_in(&mut browser, username, SECRET).await;
    let device = enrol(world, &mut browser, &answer).await;
    (browser, device)
}

/// A form of the account page.
pub async fn wish(browser: &mut Browser, act: &str, method: &str) -> Answer {
    let csrf = browser.csrf(ACCOUNT).await;
    browser.post(ACCOUNT, &[("csrf", &csrf), ("act", act), ("method", method)]).await
}

pub async fn permit(world: &World, browser: &mut Browser, device: &Authenticator) -> Answer {
    let csrf = browser.csrf("/vestibule/permit").await;
    let code = device.code(world.clock.now());
    let answer = browser.post("/vestibule/permit", &[("csrf", &csrf), ("factor", "totp"), ("code", &code)]).await;
    world.advance(Duration::from_secs(60));
    answer
}

pub async fn second(browser: &mut Browser, source: &str, username: &str, password: &str) -> Answer {
    let csrf = browser.csrf("/vestibule/second-source").await;
    let fields = [("csrf", &*csrf), ("source", source), ("username", username), ("password", password)];
    browser.post("/vestibule/second-source", &fields).await
}

pub async fn press(browser: &mut Browser, path: &str, act: &str) -> Answer {
    let csrf = browser.csrf(path).await;
    browser.post(path, &[("csrf", &csrf), ("act", act)]).await
}

/// The whole story of linking.
pub async fn link(
    world: &World,
    browser: &mut Browser,
    device: &Authenticator,
    source: &str,
    username: &str,
) -> Answer {
    assert_eq!(wish(browser, "link", "").await.location(), "/vestibule/permit");
    assert_eq!(permit(world, browser, device).await.location(), "/vestibule/second-source");
    let password = if source == "campus-lms" { PASSWORD } else { SECRET };
    let answer = second(browser, source, username, password).await;
    assert_eq!(answer.location(), "/vestibule/join", "{} {}", answer.status, answer.text());
    press(browser, "/vestibule/join", "").await
}

/// The handle of the method that the account page may remove or make primary.
pub async fn handle(browser: &mut Browser) -> String {
    between(&browser.get(ACCOUNT).await.text(), "name=\"method\" value=\"", "\"")
}
