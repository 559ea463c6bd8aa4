//! Acts of administration through the program and its Unix socket.

use super::program::Program;
use crate::{
    people::MoodleApp,
    wire::{PASSWORD, SITE_INFO, assert_five_keys},
};
use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

async fn works(app: &MoodleApp, token: &str) -> bool {
    app.call(token, SITE_INFO, &[]).await.json()["userid"] == 3
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_shown_disabled_enabled_and_helped_to_a_new_factor() {
    let program = Program::serve().await;
    let said = program.done("check");
    assert!(said.contains(&program.url), "{said}");
    assert_eq!(program.done("account list"), "none\n");
    let mut browser = program.browser();
    let mut device = program.enrol(&mut browser, "student1", PASSWORD).await;
    let token = program.token(&mut device).await;
    assert!(works(&program.app(), &token).await);

    let list = program.done("account list");
    assert!(list.starts_with("ACCOUNT") && list.contains("student1"), "{list}");
    let sheet = program.json("account show student1");
    let account = &sheet["account"];
    assert_eq!(account["account"]["state"], "active", "{sheet}");
    assert_eq!(
        (account["recovery_codes_left"].as_u64(), account["factors"].as_array().map(Vec::len)),
        (Some(9), Some(1))
    );
    let id = account["account"]["id"].as_str().unwrap().to_owned();
    assert_eq!(program.json(&format!("account show {id}")), sheet, "by its id too");
    let (code, _, told) = program.cli("account show nobody");
    assert_eq!(code, 1);
    assert!(told.contains("no account \"nobody\""), "{told}");

    // The session and the token end with the account's state, and do not come back with it.
    let said = program.done("account disable student1");
    assert!(said.contains("1 session") && said.contains("1 app token"), "{said}");
    assert_eq!(browser.get("/my/").await.location(), "/login/index.php");
    assert!(!works(&program.app(), &token).await);
    assert_five_keys(&program.app().token("student1", PASSWORD).await, "invalidlogin");
    program.done("account enable student1");
    assert!(!works(&program.app(), &token).await);
    let token = program.token(&mut device).await;

    let said = program.done("account reset-factors student1");
    assert!(said.contains("issue-enrolment-code student1"), "{said}");
    assert!(!works(&program.app(), &token).await);
    assert_five_keys(&program.app().token("student1", PASSWORD).await, "mfaenrolmentrequired");
    // The window is open, but after a reset the password alone enrols nothing (J3).
    let mut browser = program.browser();
    assert_eq!(browser.sign_in("student1", PASSWORD).await.location(), "/vestibule/help-desk");
    let issued = program.json("factor issue-enrolment-code student1");
    let code = issued["enrolment_code"]["code"].as_str().unwrap_or_else(|| panic!("{issued}")).to_owned();
    let csrf = browser.csrf("/vestibule/help-desk").await;
    let wrong = browser.post("/vestibule/help-desk", &[("csrf", &csrf), ("code", "AAAA-BBBB-CCCC")]).await;
    assert_ne!(wrong.location(), "/vestibule/enrol");
    let answer = browser.post("/vestibule/help-desk", &[("csrf", &csrf), ("code", &code)]).await;
    assert_eq!(answer.location(), "/vestibule/enrol", "{}", answer.text());
    let page = browser.get("/vestibule/enrol").await.text();
    program.confirm(&mut browser, &page).await;
    assert_eq!(browser.get("/my/").await.status, 200);
    let sheet = program.json("account show student1");
    assert!(sheet["account"]["factors"][0].as_str().unwrap().contains("by_help_desk"), "{sheet}");
    let audit = fs::read_to_string(program.file("audit.jsonl")).unwrap();
    let uid = format!(
        "\"by\":\"uid {}\"",
        fs::metadata(program.file("keys")).map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap()
    );
    assert!(audit.lines().any(|line| line.contains("factors_reset") && line.contains(&uid)), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_tokens_are_listed_and_revoked_one_by_one() {
    let program = Program::serve().await;
    let mut browser = program.browser();
    let mut device = program.enrol(&mut browser, "student1", PASSWORD).await;
    let (first, second) = (program.token(&mut device).await, program.token(&mut device).await);
    let tokens = program.json("token list --account student1");
    let rows = tokens["tokens"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{tokens}");
    let mut live = 2;
    for row in rows {
        let id = row["id"].as_str().unwrap();
        assert!(row["device"].as_str().unwrap().contains("MoodleMobile"), "{row}");
        program.done(&format!("token revoke {id}"));
        assert_eq!(program.cli(&format!("token revoke {id}")).0, 1, "once is enough");
        live -= 1;
        let alive = [works(&program.app(), &first).await, works(&program.app(), &second).await];
        assert_eq!(alive.iter().filter(|alive| **alive).count(), live);
    }
    assert_eq!(browser.get("/my/").await.status, 200);
    let sessions = program.json("session list");
    let key = sessions["sessions"][0]["key"].as_str().unwrap_or_else(|| panic!("{sessions}")).to_owned();
    assert!(program.done("session list").contains("student1"));
    assert_eq!(program.cli("session revoke abc").0, 1, "too short to be meant");
    program.done(&format!("session revoke {key}"));
    assert_eq!(browser.get("/my/").await.location(), "/login/index.php");
    assert_eq!(program.done("session list"), "none\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_and_what_the_old_one_sealed_still_opens() {
    let mut program = Program::serve().await;
    let mut browser = program.browser();
    let mut device = program.enrol(&mut browser, "student1", PASSWORD).await;
    let token = program.token(&mut device).await;
    let kids = async |program: &Program| {
        let jwks = program.browser().get("/vestibule/jwks.json").await.json();
        let keys = jwks["keys"].as_array().unwrap().clone();
        assert!(keys.iter().all(|key| key.get("d").is_none() && key["crv"] == "Ed25519"), "{jwks}");
        keys.iter().map(|key| key["kid"].to_string()).collect::<Vec<_>>()
    };
    let before = kids(&program).await;
    let mut pending = program.browser();
    pending.sign_in("student1", PASSWORD).await;
    program.done("keys rotate");
    let after = kids(&program).await;
    assert_eq!((before.len(), after.len()), (1, 2));
    assert!(after.contains(&before[0]), "{after:?}");
    for restarted in [false, true] {
        if restarted {
            program.stop();
            program.start();
        }
        assert!(works(&program.app(), &token).await, "the token, restarted: {restarted}");
        assert_eq!(browser.get("/my/").await.status, 200, "the session, restarted: {restarted}");
        assert_eq!(kids(&program).await, after);
    }
    let csrf = pending.csrf("/vestibule/challenge?factor=recovery").await;
    let code = device.codes.pop().unwrap();
    let fields = [("csrf", csrf.as_str()), ("factor", "recovery"), ("code", &code)];
    assert_eq!(pending.post("/vestibule/challenge", &fields).await.status, 303, "a flow begun before the rotation");
    let mode = fs::metadata(program.file("keys")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_administration_works_on_the_stores_and_beside_one_it_does_not() {
    let mut program = Program::serve().await;
    let mut browser = program.browser();
    let mut device = program.enrol(&mut browser, "student1", PASSWORD).await;
    let token = program.token(&mut device).await;
    // A command line that asks at the wrong socket must not open the stores behind the gateway's back.
    let yaml = fs::read_to_string(program.file("gateway.yaml")).unwrap();
    fs::write(program.file("other.yaml"), yaml.replace("admin.sock", "elsewhere.sock")).unwrap();
    for words in ["account list", "account disable student1", "keys rotate"] {
        let (code, said, told) = program.cli_of("other.yaml", words);
        assert_eq!((code, said.as_str()), (1, ""), "{words}");
        assert!(told.contains("a running gateway holds"), "{words}: {told}");
    }
    assert!(works(&program.app(), &token).await);
    program.stop();
    assert!(!program.file("admin.sock").exists(), "the socket goes with its gateway");
    assert!(program.done("account list").contains("student1"));
    program.done("account disable student1");
    program.start();
    assert!(!works(&program.app(), &token).await);
    assert_eq!(browser.get("/my/").await.location(), "/login/index.php");
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_administration_is_the_sockets_and_its_owners_alone() {
    let program = Program::serve().await;
    let mut browser = program.browser();
    program.enrol(&mut browser, "student1", PASSWORD).await;
    let socket = program.file("admin.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let disable = r#"{"account":{"disable":{"user":"student1"}}}"#;
    let curl = |prefix: &[&str]| {
        let mut command = Command::new(prefix.first().copied().unwrap_or("curl"));
        command.args(prefix.iter().skip(1)).args(["-s", "-w", "%{http_code}", "--unix-socket"]).arg(&socket);
        command.args(["-H", "content-type: application/json", "-d", disable, "http://localhost/v1/execute"]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let root = Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n");
    if root {
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "curl"];
        assert_eq!(curl(&nobody), "000", "the file's mode keeps others out");
        // Even where somebody has widened it, the kernel is asked who is there.
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(curl(&nobody).ends_with("403"), "{}", curl(&nobody));
    }
    // Nothing over TCP changes anything, on either listener.
    for method in ["GET", "POST", "PUT", "DELETE"] {
        for path in ["/v1/execute", "/metrics", "/healthz", "/admin"] {
            let answer = program.watch(method, path).await;
            let fine = method == "GET" && ["/metrics", "/healthz"].contains(&path);
            assert_eq!(answer.status == 200, fine, "{method} {path}: {}", answer.status);
        }
        for path in ["/v1/execute", "/vestibule/v1/execute", "/vestibule/admin"] {
            let headers = [("content-type", "application/json".to_owned())];
            let method = method.parse().unwrap();
            let answer = browser.send(method, path, &headers, disable.to_owned()).await;
            assert!(!answer.text().contains("switched off"), "{path}: {}", answer.text());
        }
    }
    assert_eq!(program.json("account show student1")["account"]["account"]["state"], "active");
    assert_eq!(program.watch("GET", "/readyz").await.status, 200);
    let metrics = program.watch("GET", "/metrics").await.text();
    assert!(metrics.contains("vestibule") && metrics.trim_end().ends_with("# EOF"), "{metrics}");
    assert!(curl(&[]).ends_with("200"), "its own user may");
    assert_eq!(program.json("account show student1")["account"]["account"]["state"], "suspended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_port_is_named_with_the_key_to_change() {
    let program = Program::serve().await;
    let yaml = fs::read_to_string(program.file("gateway.yaml")).unwrap();
    let free = format!("127.0.0.1:{}", crate::servers::free_port());
    let (https, monitor) = (program.address.to_string(), program.monitor.to_string());
    for (key, yaml) in [
        ("edge.https", yaml.replace(&monitor, &free)),
        ("admin.listen", yaml.replace(&format!("https: \"{https}\""), &format!("https: \"{free}\""))),
        (
            "edge.http",
            yaml.replace("http: null", &format!("http: \"{monitor}\""))
                .replace(&format!("listen: \"{monitor}\""), &format!("listen: \"{free}\"")),
        ),
    ] {
        fs::write(program.file("busy.yaml"), yaml).unwrap();
        let (code, _, told) = program.cli_of("busy.yaml", "serve");
        assert_eq!(code, 1, "{key}: {told}");
        assert!(told.contains(key) && told.contains("in use"), "{key}: {told}");
    }
    // The gateway that runs was not disturbed.
    assert_eq!(program.watch("GET", "/readyz").await.status, 200);
    assert_eq!(program.browser().get("/login/index.php").await.status, 200);
}

/// What the command line says when `typed` is its standard input: exit code, both outputs.
pub fn with_input(program: &Program, words: &str, typed: &str) -> (i32, String) {
    let mut command = program.command("gateway.yaml", words);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
    child.stdin.take().expect("a pipe").write_all(typed.as_bytes()).expect("it is read");
    let output = child.wait_with_output().expect("its end");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_the_gateway_itself_are_made_by_the_running_gateway_and_without_one() {
    let mut program = Program::prepared("{ directory: DIR, database: \"sqlite:DIR/vestibule.db\" }", "debug").await;
    let yaml = fs::read_to_string(program.file("gateway.yaml")).expect("the configuration");
    let lms = "{ name: campus-lms, kind: lms, site: campus }";
    assert!(yaml.contains(lms));
    fs::write(
        program.file("gateway.yaml"),
        yaml.replace(lms, &format!("{lms}, {{ name: staff, kind: local, lms_password: same }}")),
    )
    .expect("written");
    let add = |user: &str| format!("account add --source staff --user {user} --password-stdin");
    let (code, told) = with_input(&program, &add("anna"), "seven-lamps-at-noon\n");
    assert_eq!((code, told.as_str()), (0, "anna can sign in by staff\n"), "no gateway runs yet");
    program.start();
    let (code, told) = with_input(&program, &add("anna"), "eight-lamps-at-noon\n");
    assert!(code == 1 && told.contains("staff has a \"anna\" already"), "{told}");
    assert_eq!(with_input(&program, &add("ben"), "eight-lamps-at-noon\n").0, 0);
    let (code, told) = with_input(&program, &add("cleo"), "lamp\n");
    assert!(code == 1 && told.contains("at least 10 characters"), "{told}");
    let passwd = "account passwd --source staff --user anna --password-stdin";
    assert_eq!(with_input(&program, passwd, "nine-lamps-at-noon\n").0, 0);

    fs::write(program.file("more.csv"), "username,password\nanna,ten-lamps-at-noon\ndora,eleven-lamps-at-noon\n")
        .expect("written");
    let import = format!("account import --source staff {}", program.file("more.csv").display());
    let (code, _, told) = program.cli(&import);
    assert!(code == 1 && told.contains("line 2: anna exists in staff already"), "{told}");
    fs::write(program.file("more.csv"), "username,password\ndora,eleven-lamps-at-noon\n").expect("written");
    assert!(program.done(&format!("{import} --dry-run")).contains("1 account would be added"));
    assert!(program.done(&import).contains("1 account added"));

    let glass = program.json("account break-glass --source staff --user rescue");
    let once = glass["one_time_password"]["password"].as_str().unwrap_or_else(|| panic!("{glass}")).to_owned();
    assert_eq!(once.len(), 30);
    let (audit, log) = (fs::read_to_string(program.file("audit.jsonl")).unwrap(), program.log());
    for event in ["local_account_added", "local_password_set", "local_accounts_imported", "break_glass_issued"] {
        assert!(audit.contains(event), "{event}: {audit}");
    }
    for secret in ["lamps-at-noon", "argon2id", once.as_str()] {
        assert!(!audit.contains(secret) && !log.contains(secret), "{secret} is written down");
    }
    assert_eq!(program.cli("account add --source staff --user eve --password x").0, 2, "never as an argument");
}
