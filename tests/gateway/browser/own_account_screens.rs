//! The account page as its owner uses it: a real browser, with pictures in `target/screenshots/`; the QR code is read
//! off the screen by zbar and the codes are computed by oathtool, which know nothing of us.

use super::{own_account::ACCOUNT, *};
use crate::webdriver::{Chromium, Device, Scripts};
use std::{path::Path, process::Command as Program};
use vestibule::{mfa::Stage, types::Clock};

const LOAD: Duration = Duration::from_secs(10);

async fn press(screen: &Chromium, css: &str) {
    screen.wait_for(css, LOAD).await;
    screen.type_into(css, "\u{e007}").await;
}

/// The form of the account page that does this.
fn form(act: &str) -> String {
    format!("input[name=act][value={act}] ~ button")
}

/// What a program of the system says.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Program::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The one QR code in a picture.
fn decoded(picture: &Path) -> String {
    output("zbarimg", &["--quiet", "--raw", &picture.display().to_string()])
}

/// An authenticator that read the enrolment's address: what it shows now, as oathtool computes it.
struct Oath {
    secret: String,
    algorithm: String,
    digits: String,
    period: String,
}

impl Oath {
    /// The Key URI Format's defaults stand for what is left out.
    fn from_uri(uri: &str) -> Self {
        let (_, query) = uri.split_once('?').expect("a query");
        let of = |name: &str, usual: &str| {
            let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
            found.unwrap_or(usual).to_owned()
        };
        Self {
            secret: of("secret", ""),
            algorithm: of("algorithm", "SHA1"),
            digits: of("digits", "6"),
            period: of("period", "30"),
        }
    }

    fn code(&self, world: &World) -> String {
        let (totp, digits) = (format!("--totp={}", self.algorithm), format!("--digits={}", self.digits));
        let (step, now) = (format!("--time-step-size={}s", self.period), world.clock.now().to_string());
        let now = format!("--now={} UTC", now.get(..19).expect("a time").replace('T', " "));
        output("oathtool", &[&totp, &digits, &step, &now, "--base32", &self.secret])
    }
}

/// Types the LMS's own form.
async fn sign_in(screen: &Chromium, world: &World, path: &str) {
    screen.goto(&format!("{}{path}", world.url)).await;
    screen.wait_for("input[name=username]", LOAD).await;
    screen.type_into("input[name=username]", "student1").await;
    screen.type_into("input[name=password]", &format!("{PASSWORD}\u{e007}")).await;
}

/// The clock moves first, past the code that was used before.
async fn type_code(screen: &Chromium, world: &World, device: &Oath) {
    screen.wait_for("#code", LOAD).await;
    world.advance(Duration::from_secs(120));
    screen.type_into("#code", &format!("{}\u{e007}", device.code(world))).await;
}

/// Reads the enrolment page's picture off the screen.
async fn scan(screen: &Chromium, name: &str) -> Oath {
    screen.wait_for("svg.qr", LOAD).await;
    screen.eval("document.querySelector('svg.qr').scrollIntoView({ block: 'center' })").await;
    let uri = decoded(&screen.screenshot(name).await);
    assert!(uri.starts_with("otpauth://totp/"), "{uri}");
    let shown = screen.eval("return document.querySelector('.key').textContent").await;
    let device = Oath::from_uri(&uri);
    assert_eq!(shown.as_str().unwrap_or_default().replace(char::is_whitespace, ""), device.secret, "picture and text");
    device
}

/// Screens and factors: added, renamed, removed; new codes; another session ended.
async fn story(name: &str, device: Device, scripts: Scripts) {
    let world = World::with(|config| config.mfa.rules[0].stage = Stage::Optional).await;
    // Signed in elsewhere, before there was any factor; and once more later.
    let screen = Chromium::with(device, scripts).await;
    let shot = async |what: &str| {
        if let (Device::Phone, Scripts::On) = (device, scripts) {
            let wide = screen.eval("return document.documentElement.scrollWidth").await;
            assert_eq!(wide, 320, "{what} scrolls sideways");
        }
        drop(screen.screenshot(&format!("account-{name}-{what}")).await)
    };
    sign_in(&screen, &world, ACCOUNT).await;
    screen.wait_for("#factors", LOAD).await;
    shot("01-no-factor").await;
    press(&screen, &form("set-up")).await;
    screen.wait_for("#password", LOAD).await;
    shot("02-own-password").await;
    screen.type_into("#password", &format!("{PASSWORD}\u{e007}")).await;
    let phone = scan(&screen, &format!("account-{name}-03-enrol")).await;
    screen.type_into("#label", "My phone").await;
    type_code(&screen, &world, &phone).await;
    screen.wait_for(".codes", LOAD).await;
    let codes: Vec<String> = screen.text(".codes").await.split_whitespace().map(str::to_owned).collect();
    shot("04-codes").await;
    press(&screen, "form button[type=submit]").await;
    screen.wait_for("#recovery", LOAD).await;
    shot("05-one-factor").await;

    // A second authenticator.
    press(&screen, &form("add")).await;
    shot("06-permit").await;
    type_code(&screen, &world, &phone).await;
    let tablet = scan(&screen, &format!("account-{name}-07-enrol-further")).await;
    screen.type_into("#label", "Tablet").await;
    type_code(&screen, &world, &tablet).await;
    screen.wait_for(".methods li + li details", LOAD).await;

    // Another name, by the second one's code.
    press(&screen, ".methods li + li summary").await;
    shot("08-change").await;
    screen.eval("const field = document.querySelector('#label-2'); field.value = ''").await;
    screen.type_into("#label-2", "Old tablet\u{e007}").await;
    type_code(&screen, &world, &tablet).await;
    screen.wait_for("#recovery", LOAD).await;
    assert!(screen.source().await.contains("<strong>Old tablet</strong>"));
    shot("09-renamed").await;

    // Removed, by the first one's.
    press(&screen, ".methods li + li summary").await;
    press(&screen, ".methods li + li input[value=remove] ~ button").await;
    screen.wait_for("#code", LOAD).await;
    assert!(screen.source().await.contains("To remove ‘Old tablet’ from your account"));
    type_code(&screen, &world, &phone).await;
    screen.wait_for("#recovery", LOAD).await;
    assert!(!screen.source().await.contains("Old tablet"));

    // New codes, by one of the old; then that one's successor at a sign-in elsewhere.
    press(&screen, &form("codes")).await;
    press(&screen, "a[href*='factor=recovery']").await;
    screen.wait_for("input[name=factor][value=recovery]", LOAD).await;
    screen.type_into("#code", &format!("{}\u{e007}", codes[0])).await;
    screen.wait_for(".codes", LOAD).await;
    let fresh: Vec<String> = screen.text(".codes").await.split_whitespace().map(str::to_owned).collect();
    assert!(fresh.len() == 10 && !fresh.contains(&codes[1]));
    press(&screen, "form button[type=submit]").await;
    let mut elsewhere = challenged(&world, "student1").await;
    let csrf = elsewhere.csrf("/vestibule/challenge").await;
    let fields = [("csrf", &*csrf), ("factor", "recovery"), ("code", &*fresh[0])];
    elsewhere.post("/vestibule/challenge", &fields).await;
    assert!(is_in(&mut elsewhere).await);
    screen.goto(&format!("{}{ACCOUNT}", world.url)).await;
    shot("10-two-sessions").await;
    press(&screen, &form("end-session")).await;
    screen.wait_for("#sessions", LOAD).await;
    assert!(!screen.exists(&form("end-session")).await && !is_in(&mut elsewhere).await);

    press(&screen, &form("end-everything")).await;
    screen.wait_for(".next", LOAD).await;
    shot("11-signed-out").await;
    sign_in(&screen, &world, "/my/").await;
    screen.wait_for("#code", LOAD).await;
    shot("12-challenge").await;
    let ours: Vec<String> = screen.console().await.into_iter().filter(|line| line.contains("/vestibule/")).collect();
    assert!(ours.iter().all(|line| line.contains("422")), "{ours:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_real_browser_people_manage_their_own_account() {
    story("desktop", Device::Desktop, Scripts::On).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_javascript_on_a_small_phone_they_do_too() {
    story("phone-noscript", Device::Phone, Scripts::Off).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_other_options_is_enrolled_from_the_picture_and_its_codes_are_good() {
    for (algorithm, digits, period) in [("sha256", 8, 60), ("sha512", 6, 30)] {
        let world = World::with(|config| {
            let options = format!("{{ kind: totp, algorithm: {algorithm}, digits: {digits}, period: {period} }}");
            config.mfa.factors[0] = serde_yaml::from_str(&options).expect("a factor");
        })
        .await;
        let screen = Chromium::start().await;
        sign_in(&screen, &world, COURSE).await;
        let device = scan(&screen, &format!("enrol-{algorithm}-{digits}")).await;
        assert_eq!(device.algorithm.to_lowercase(), algorithm);
        assert_eq!(device.digits, digits.to_string());
        type_code(&screen, &world, &device).await;
        press(&screen, "form button[type=submit]").await;
        screen.wait_for("#region-main", LOAD).await;
        screen.goto(&format!("{}{ACCOUNT}", world.url)).await;
        press(&screen, &form("end-everything")).await;
        screen.wait_for(".next", LOAD).await;
        sign_in(&screen, &world, COURSE).await;
        type_code(&screen, &world, &device).await;
        screen.wait_for("#region-main", LOAD).await;
    }
}
