//! What must not be written down anywhere: every secret of both doors, looked for in everything the gateway leaves
//! behind (issue A, "Must show" 5; attack I6).

use super::{nodes::everything, program::Program};
use crate::{
    servers::{Postgres, Redis},
    wire::{FORM, SITE_INFO, assert_five_keys},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use std::{collections::BTreeMap, fs, process::Command};

const PASSWORD: &str = "Canary.Pa55-right";
const WRONG: &str = "Canary.Pa55-wrong";

/// Secrets by name, and what the gateway told people where something went wrong.
struct Told {
    secrets: BTreeMap<String, String>,
    error_pages: String,
}

impl Told {
    fn secret(&mut self, name: &str, value: &str) {
        assert!(value.len() >= 6, "{name} is too short to be looked for: {value:?}");
        self.secrets.insert(name.to_owned(), value.to_owned());
    }
}

/// Both doors with everything that can go right and wrong in them; a flow of each stays open.
async fn both_doors(program: &Program) -> Told {
    let mut told = Told { secrets: BTreeMap::new(), error_pages: String::new() };
    program.campus.account(3, |account| account.password = Some(PASSWORD.into()));
    told.secret("password", PASSWORD);
    told.secret("wrong password", WRONG);
    let mut browser = program.browser();
    browser.sign_in("student1", WRONG).await;
    let mut device = program.enrol(&mut browser, "student1", PASSWORD).await;
    assert_eq!(browser.get("/course/view.php?id=2").await.status, 200);
    told.secret("session id", &browser.cookies["__Host-vestibule"]);
    told.secret("TOTP secret", &device.secret);
    told.secret("enrolment's code", &device.used[0]);

    // The app: credentials in the query, a wrong code, a right one, calls with the token in the query.
    let app = program.app();
    let query = format!("username=student1&password={PASSWORD}&service=moodle_mobile_app");
    let flow_of = |json: serde_json::Value| json["mfa"]["flow"].as_str().unwrap_or_else(|| panic!("{json}")).to_owned();
    let flow = flow_of(app.get(&format!("/login/token.php?{query}")).await.json());
    told.secret("app flow", &flow);
    told.error_pages += &app.get(&format!("/login/token.php?{}", query.replace(PASSWORD, WRONG))).await.text();
    told.error_pages += &app.verify(&flow, "recovery", "CANAR-YCODE").await.text();
    let code = device.codes.pop().expect("a code");
    told.secret("recovery code", &code);
    told.secret("recovery code, canonical", &code.replace('-', ""));
    let tokens = app.verify(&flow, "recovery", &code).await.json();
    let token = tokens["token"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned();
    told.secret("surrogate", &token);
    told.secret("private surrogate", tokens["privatetoken"].as_str().expect("a private one"));
    told.secret("LMS token", &program.campus.token_of(3, "moodle_mobile_app").expect("issued"));
    told.secret("LMS private token", &program.campus.private_token_of(3, "moodle_mobile_app").expect("issued"));
    let call = format!("/webservice/rest/server.php?moodlewsrestformat=json&wsfunction={SITE_INFO}&wstoken={token}");
    let info = app.get(&call).await.json();
    let key = info["userprivateaccesskey"].as_str().unwrap_or_else(|| panic!("{info}")).to_owned();
    told.secret("file key's surrogate", &key);
    told.secret("file key", &program.campus.account_of(3).expect("student1").keys.files);
    let file = "19/mod_resource/content/0/handout.txt";
    assert_eq!(app.get(&format!("/tokenpluginfile.php/{key}/{file}")).await.status, 200);
    assert_eq!(app.get(&format!("/webservice/pluginfile.php/{file}?token={token}")).await.status, 200);
    app.post(&format!("/webservice/upload.php?token={token}"), &[]).await;

    // Refusals of every kind, with secrets in them.
    for target in [
        format!("/webservice/soap/simpleserver.php/student1/{PASSWORD}"),
        format!("/webservice/rest/simpleserver.php?wsusername=student1&wspassword={PASSWORD}"),
        format!("/login/token.php%2f?{query}"),
        format!("/vestibule/nothing?flow={flow}"),
        format!("/tokenpluginfile.php/{token}/{file}"),
        format!("/my/?password={PASSWORD}&wstoken={token}"),
    ] {
        let cookie = ("cookie", format!("MoodleSession={token}; __Host-vestibule={flow}"));
        let mut somebody = program.browser();
        for head in [vec![cookie.clone(), ("accept", "text/html".to_owned())], vec![cookie]] {
            told.error_pages += &somebody.send(Method::GET, &target, &head, String::new()).await.text();
        }
    }
    let ambiguous = format!("username[]=student1&password={PASSWORD}");
    told.error_pages += &app.send(Method::POST, "/login/token.php", Some(FORM), ambiguous).await.text();
    // An LMS that is suddenly somebody else's.
    program.campus.settings(|settings| settings.header_log_user = 1);
    program.campus.account(3, |account| account.suspended = true);
    told.error_pages += &app.get(&call).await.text();
    program.campus.account(3, |account| account.suspended = false);
    program.campus.settings(|settings| settings.header_log_user = 0);

    // A code of the help desk, and flows that stay open while it is all looked at.
    program.campus.account(4, |account| account.password = Some(PASSWORD.into()));
    let mut newcomer = program.browser();
    assert_eq!(newcomer.sign_in("student2", PASSWORD).await.location(), "/vestibule/enrol");
    let page = newcomer.get("/vestibule/enrol").await.text();
    told.secret("unconfirmed TOTP secret", &crate::people::between(&page, "secret=", "&"));
    told.secret("enrolment flow", &newcomer.cookies["__Host-vestibule-flow"]);
    let issued = program.json("factor issue-enrolment-code student2");
    let code = issued["enrolment_code"]["code"].as_str().expect("a code").to_owned();
    told.secret("help desk's code", &code);
    told.secret("help desk's code, canonical", &code.replace('-', ""));
    let pending = flow_of(app.token("student1", PASSWORD).await.json());
    told.secret("open app flow", &pending);
    assert_five_keys(&app.verify(&pending, "recovery", "CANAR-YCODE").await, "mfawrongcode");
    let mut waiting = program.browser();
    assert_eq!(waiting.sign_in("student1", PASSWORD).await.location(), "/vestibule/challenge");
    told.secret("browser flow", &waiting.cookies["__Host-vestibule-flow"]);
    for (n, code) in device.codes.iter().enumerate() {
        told.secret(&format!("recovery code {n}"), code);
    }
    // The LMS's cookies, as they stood in what it was sent.
    for (n, seen) in program.campus.requests().iter().enumerate() {
        for line in seen.header("cookie") {
            for pair in line.split("; ").filter_map(|pair| pair.strip_prefix("MoodleSession=")) {
                told.secret(&format!("LMS cookie {n}"), pair);
            }
        }
    }
    assert!(told.secrets.keys().any(|name| name.starts_with("LMS cookie")));
    told
}

/// As it is, in base64 and in hex: what a careless encoding would leave.
fn spellings(secret: &str) -> [String; 3] {
    let base64 = STANDARD.encode(secret);
    // Without the last group, which depends on what follows.
    let base64 = base64[..base64.len() - 4].to_owned();
    [secret.to_owned(), base64, secret.bytes().map(|byte| format!("{byte:02x}")).collect()]
}

/// Six digits turn up inside times and ids by accident; elsewhere they are a code.
fn holds(text: &[u8], word: &str) -> bool {
    let short = word.len() < 8;
    let mut found = text.windows(word.len()).enumerate().filter(|(_, window)| *window == word.as_bytes());
    found.any(|(at, _)| {
        let neighbour = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
        !short || !(neighbour(at.checked_sub(1)) || neighbour(Some(at + word.len())))
    })
}

fn look(told: &Told, places: &[(&str, Vec<u8>)], known: &str) {
    for (place, content) in places {
        for (name, secret) in &told.secrets {
            // In binary files six digits prove nothing.
            if secret.len() < 8 && place.ends_with("db") {
                continue;
            }
            for spelling in spellings(secret).iter().filter(|s| s.len() >= 6) {
                let text = String::from_utf8_lossy(content);
                let line = text.lines().find(|line| holds(line.as_bytes(), spelling)).unwrap_or_default();
                assert!(!holds(content, spelling), "{name} ({spelling}) stands in {place}: {line}");
            }
        }
    }
    // The search itself works: what may be written down is found.
    let found = places.iter().filter(|(_, content)| holds(content, known)).count();
    assert!(found >= 2, "{known} was found in {found} places");
}

async fn outputs(program: &Program, told: &Told) -> Vec<(&'static str, Vec<u8>)> {
    let metrics = program.watch("GET", "/metrics").await.text();
    assert!(metrics.contains("sign_in"), "{metrics}");
    let lists = ["account list", "session list", "token list", "account show student1", "--json session list"];
    let lists: String = lists.into_iter().map(|words| program.done(words)).collect();
    let log = program.log();
    assert!(log.contains("/webservice/rest/server.php"), "requests are logged, without their queries: {log}");
    assert!(log.contains("DEBUG") && log.contains("a request was refused"), "our own details are logged: {log}");
    vec![
        ("the log", log.into_bytes()),
        ("the audit log", fs::read(program.file("audit.jsonl")).expect("an audit log")),
        ("the metrics", metrics.into_bytes()),
        ("the command line's lists", lists.into_bytes()),
        ("an error page", told.error_pages.clone().into_bytes()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_no_secret_is_left_in_the_embedded_stores_or_any_output() {
    let mut program = Program::serve_with("{ directory: DIR, database: \"sqlite:DIR/vestibule.db\" }", "trace").await;
    let told = both_doors(&program).await;
    let mut places = outputs(&program, &told).await;
    let mut files = 0;
    for entry in fs::read_dir(program.folder.path()).expect("the folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains(".db") {
            files += 1;
            places.push(("a .db", fs::read(entry.path()).expect("a file")));
        }
    }
    assert!(files >= 2, "state.db and vestibule.db");
    look(&told, &places, "student1");
    program.stop();
    let log = vec![("the log after its end", program.log().into_bytes()), ("twice", program.log().into_bytes())];
    look(&told, &log, "vestibule is open");
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_no_secret_is_left_in_redis_or_postgresql() {
    let (redis, postgres) = (Redis::start(), Postgres::start());
    let store = format!("{{ state: \"{}\", database: \"{}\" }}", redis.url(), postgres.url());
    let program = Program::serve_with(&store, "trace").await;
    let told = both_doors(&program).await;
    let mut places = outputs(&program, &told).await;
    let held = everything(&redis);
    assert!(held.contains("flow") && held.contains("session"), "pending flows and sessions are in Redis: {held}");
    let newest = fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten().map(|e| e.path()).max();
    let pg_dump = newest.map_or_else(|| "pg_dump".into(), |version| version.join("bin/pg_dump"));
    let dump = Command::new(pg_dump).args(["--inserts", "--dbname", &postgres.url()]).output().expect("pg_dump");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    places.push(("Redis", held.into_bytes()));
    places.push(("PostgreSQL", dump.stdout));
    look(&told, &places, "student1");
}
