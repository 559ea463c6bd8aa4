//! Every way into a Moodle, with the password alone and with whatever the LMS itself would take: none gives anybody's
//! identity (issue A, "Must show" 4). The numbers are those of the list of entry points in `docs/`.

use crate::{
    people::{Answer, Browser, between},
    wire::{FORM, PASSWORD, SITE_INFO, ask, quiet_world, straight},
    world::World,
};
use campus::{CONFIRM_SECRET, RESET_TOKEN};
use http::header;

/// What an entry answers somebody who has not answered a factor.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expect {
    /// 403, and the LMS is not asked; the audit log names the door.
    Closed(&'static str),
    /// A navigation is sent to sign in, and the LMS is not asked.
    Gated,
    /// Refused in the caller's own language, and the LMS is not asked.
    Refused(&'static str),
    /// Goes on as nobody.
    Anonymous,
    /// Ends in a question of ours, or at the login page: the LMS was asked by the gateway alone.
    Asked,
}
use Expect::{Anonymous, Asked, Closed, Gated, Refused};

/// What an intruder holds: everything but the second factor.
struct Loot {
    token: String,
    private: String,
    session: String,
    autologin: String,
    qr: String,
    keys: campus::Keys,
    unlock: String,
}

/// Taken behind the gateway's back, as a breach of the LMS would give them.
async fn loot(world: &World) -> Loot {
    let lms = world.campus.addr();
    let page = straight(lms, "GET", "/login/index.php", &[], "").await;
    let cookie_of = |answer: &Answer| {
        let line = answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|v| v.to_str().ok());
        let line = line.rev().find(|line| line.starts_with("MoodleSession=")).expect("a session").to_owned();
        line.split(';').next().expect("a pair").to_owned()
    };
    let anonymous = cookie_of(&page);
    let logintoken = between(&page.text(), "name=\"logintoken\" value=\"", "\"");
    let form = format!("username=student1&password={PASSWORD}&logintoken={logintoken}");
    let headers = [("content-type", FORM), ("cookie", anonymous.as_str())];
    let session = cookie_of(&straight(lms, "POST", "/login/index.php", &headers, form).await);
    let token = world.campus.issue_token(3, "moodle_mobile_app");
    let private = world.campus.private_token_of(3, "moodle_mobile_app").expect("a private token");
    let profile = straight(lms, "GET", "/user/profile.php", &[("cookie", &session)], "").await.text();
    let call = format!("wsfunction=tool_mobile_get_autologin_key&wstoken={token}&privatetoken={private}");
    let app = [("content-type", FORM), ("user-agent", "MoodleMobile 5")];
    let key = straight(lms, "POST", "/webservice/rest/server.php?moodlewsrestformat=json", &app, call).await.json();
    let account = world.campus.account_of(3).expect("student1");
    Loot {
        token,
        private,
        session,
        autologin: key["key"].as_str().expect("an autologin key").to_owned(),
        qr: between(&profile, "qrlogin=", "&"),
        keys: account.keys,
        unlock: account.unlock_secret,
    }
}

/// An LMS session of somebody's, set by this answer.
fn authenticates(world: &World, answer: &Answer) -> Option<u64> {
    let lines = answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|v| v.to_str().ok());
    lines
        .filter_map(|line| line.split(';').next()?.split_once("MoodleSession=").map(|(_, value)| value.to_owned()))
        .find_map(|value| world.campus.session_user(&value))
}

/// Words that only somebody's own answer has.
fn gives_away(answer: &Answer, loot: &Loot) -> Option<String> {
    let text = format!("{:?}\n{}", answer.headers, answer.text());
    let secrets =
        [&loot.token, &loot.private, &loot.keys.files, &loot.keys.rss, &loot.keys.grades, &loot.keys.calendar];
    let own = ["student1@example.test", "Student1 Lab", "lab handout contents", "BEGIN:VCALENDAR", "x-moodleuser"];
    let own = own.into_iter().map(str::to_owned).chain(["\"userid\":3".to_owned(), "\"token\":\"".to_owned()]);
    secrets.into_iter().cloned().chain(own).find(|word| text.contains(word))
}

type Entry = (&'static str, &'static str, String, Vec<(&'static str, String)>, String, Expect);

/// (number, method, target, headers, body, expectation)
#[rustfmt::skip]
fn entries(loot: &Loot, url: &str) -> Vec<Entry> {
    let Loot { token, autologin, qr, keys, unlock, .. } = loot;
    let get = |number, target: String, expect| (number, "GET", target, Vec::new(), String::new(), expect);
    let form = || vec![("content-type", FORM.to_owned()), ("origin", url.to_owned())];
    let post = |number, target: &str, body: String, expect| (number, "POST", target.to_owned(), form(), body, expect);
    let json = |number, target: &str, body: String, expect| {
        let head = vec![("content-type", "application/json".to_owned()), ("user-agent", "MoodleMobile 5".to_owned())];
        (number, "POST", target.to_owned(), head, body, expect)
    };
    let with = |number, target: &str, name, value: &str, expect| {
        (number, "GET", target.to_owned(), vec![(name, value.to_owned())], String::new(), expect)
    };
    let login = format!("username=student1&password={PASSWORD}");
    let app = format!("{login}&service=moodle_mobile_app");
    let ajax = |function: &str, args: &str| format!(r#"[{{"index":0,"methodname":"{function}","args":{args}}}]"#);
    let tokens = ajax("tool_mobile_get_tokens_for_qr_login", &format!(r#"{{"qrloginkey":"{qr}","userid":3}}"#));
    let oracle = ajax("core_auth_resend_confirmation_email", &format!(r#"{{"username":"student1","password":"{PASSWORD}"}}"#));
    let (open, service) = ("/lib/ajax/service-nologin.php", "/lib/ajax/service.php");
    let handout = "/19/mod_resource/content/0/handout.txt";
    let ws = format!("wsusername=student1&wspassword={PASSWORD}&wsfunction={SITE_INFO}&moodlewsrestformat=json");
    let encoded = percent_encoding::utf8_percent_encode(&oracle, percent_encoding::NON_ALPHANUMERIC);
    vec![
        post("1", "/login/index.php", login.clone(), Asked),
        post("1", "/login/", login.clone(), Asked),
        post("1", "//login//index.php/x.css", login.clone(), Asked),
        get("1", format!("/login/index.php?{login}"), Anonymous),
        get("2", format!("/admin/tool/mobile/autologin.php?userid=3&key={autologin}"), Closed("autologin")),
        with("3", "/auth/shibboleth/index.php", "x-remote-user", "shibuser1", Closed("shibboleth")),
        with("3", "/my/", "x-remote-user", "shibuser1", Gated),
        with("3", "/login/index.php", "x-remote-user", "shibuser1", Anonymous),
        get("4", "/auth/shibboleth/login.php".into(), Closed("shibboleth")),
        get("4", "/auth/shibboleth/logout.php".into(), Closed("shibboleth")),
        get("5", "/auth/oauth2/login.php?id=1&wantsurl=/&oauth2code=student1".into(), Closed("oauth2")),
        get("5", format!("/admin/oauth2callback.php?code=student1&state={url}/auth/oauth2/login.php?id=1"), Closed("oauth2")),
        get("6", "/auth/oauth2/confirm-account.php?token=x".into(), Closed("oauth2")),
        get("6", "/auth/oauth2/confirm-linkedlogin.php?token=x".into(), Closed("oauth2")),
        post("7", "/enrol/lti/login.php", "login_hint=x".into(), Closed("enrol_lti")),
        post("7", "/enrol/lti/launch.php", "id_token=x".into(), Closed("enrol_lti")),
        post("7", "/enrol/lti/launch_deeplink.php", "id_token=x".into(), Closed("enrol_lti")),
        post("7", "/auth/lti/login.php", "id_token=x".into(), Closed("auth_lti")),
        post("8", "/enrol/lti/tool.php?id=1", "oauth_signature=x".into(), Closed("enrol_lti")),
        post("8", "/enrol/lti/proxy.php", "x=1".into(), Closed("enrol_lti")),
        get("9", "/auth/mnet/land.php?token=x".into(), Closed("mnet")),
        get("9", "/auth/mnet/jump.php?hostid=1".into(), Closed("mnet")),
        post("9", "/mnet/xmlrpc/server.php", "x".into(), Closed("mnet")),
        get("10", "/auth/ldap/ntlmsso_attempt.php".into(), Closed("ntlmsso")),
        with("10", "/auth/ldap/ntlmsso_magic.php?sesskey=x", "remote-user", "student1", Closed("ntlmsso")),
        get("10", "/auth/ldap/ntlmsso_finish.php".into(), Closed("ntlmsso")),
        get("11", "/login/index.php?authCAS=CAS&ticket=ST-1".into(), Closed("cas")),
        get("11", "/login/?%61uthCAS=CAS".into(), Closed("cas")),
        get("12", format!("/login/forgot_password.php?token={RESET_TOKEN}"), Anonymous),
        get("13", format!("/login/confirm.php?data={CONFIRM_SECRET}/student3"), Asked),
        get("14", format!("/login/unlock_account.php?u=3&s={unlock}"), Anonymous),
        get("15", "/course/loginas.php?id=2&user=3&sesskey=x".into(), Gated),
        get("16", "/course/view.php?id=2".into(), Gated),
        get("17", "/admin/index.php".into(), Closed("admin_index")),
        get("17", "/admin/upgradesettings.php".into(), Closed("admin_index")),
        get("17", "/install.php".into(), Closed("install")),
        get("18", "/login/change_password.php".into(), Gated),
        get("18", "/user/policy.php".into(), Gated),
        get("18", "/user/edit.php".into(), Gated),
        get("18", "/login/verify_age_location.php".into(), Gated),
        get("18", "/login/digital_minor.php".into(), Gated),
        with("19", "/course/view.php?id=2", "user-agent", "W3C_Validator/1.3", Gated),
        post("20", "/login/token.php", app.clone(), Asked),
        get("20", format!("/login/token.php?{app}"), Asked),
        get("21", "/admin/tool/mobile/launch.php?service=moodle_mobile_app&passport=1.2&urlscheme=moodlemobile".into(), Closed("launch")),
        json("22", open, tokens.clone(), Closed("qr_login")),
        json("22", service, tokens, Closed("qr_login")),
        json("23", open, oracle.clone(), Closed("password_oracle")),
        json("23", service, oracle.clone(), Closed("password_oracle")),
        get("23", format!("{open}?args={encoded}"), Closed("password_oracle")),
        json("23", open, oracle.replace("core_auth_", "CORE_auth-"), Refused("400")),
        json("24", open, ajax("core_auth_request_password_reset", r#"{"username":"student1"}"#), Anonymous),
        post("25", "/webservice/rest/server.php?moodlewsrestformat=json", format!("wstoken={token}&wsfunction={SITE_INFO}"), Refused("invalidtoken")),
        get("26", format!("/webservice/soap/server.php?wstoken={token}"), Closed("webservice")),
        get("26", format!("/webservice/xmlrpc/server.php?wstoken={token}"), Closed("webservice")),
        get("26", format!("/webservice/restful/server.php/x?wstoken={token}"), Closed("webservice")),
        post("27", "/webservice/rest/simpleserver.php", ws.clone(), Closed("simpleserver")),
        get("27", format!("/webservice/rest/simpleserver.php?{ws}"), Closed("simpleserver")),
        get("27", format!("/webservice/soap/simpleserver.php/student1/{PASSWORD}"), Closed("simpleserver")),
        post("28", "/webservice/upload.php", format!("token={token}"), Refused("invalidtoken")),
        get("28", format!("/webservice/pluginfile.php{handout}?token={token}"), Refused("invalidtoken")),
        get("28", format!("/webservice/draftfile.php{handout}?token={token}"), Refused("invalidtoken")),
        get("29", "/user/managetoken.php".into(), Closed("managetoken")),
        get("30", format!("/webservice/rest/server.php?moodlewsrestformat=json&wstoken={}&wsfunction={SITE_INFO}", keys.files), Refused("invalidtoken")),
        get("31", format!("/tokenpluginfile.php/{}{handout}", keys.files), Refused("404")),
        get("31", format!("/tokenpluginfile.php?token={}&file={handout}", keys.files), Refused("404")),
        get("32", format!("/calendar/export_execute.php?userid=3&authtoken={}", keys.calendar), Closed("calendar_export")),
        get("33", format!("/rss/file.php/19/{}/mod_forum/1/rss.xml", keys.rss), Closed("rss")),
        get("34", format!("/grade/export/txt/dump.php?id=2&key={}", keys.grades), Closed("grade_export")),
        get("34", format!("/grade/import/xml/fetch.php?id=2&key={}", keys.grades), Closed("grade_import")),
        get("35", "/mod/chat/gui_header_js/users.php?chat_sid=x".into(), Gated),
        get("35", "/mod/chat/gui_sockets/chatinput.php?chat_sid=x".into(), Gated),
        post("36", "/mod/lti/service.php", "x".into(), Closed("lti_service")),
        post("36", "/mod/lti/token.php", "x".into(), Closed("lti_service")),
        get("36", "/mod/lti/services.php/1".into(), Closed("lti_service")),
        post("36b", "/mod/lti/auth.php", "id_token=x".into(), Anonymous),
        post("36b", "/mod/lti/auth.php", "id_token=x&repost=1".into(), Gated),
        post("36b", "/mod/lti/auth.php?repost=1", "id_token=x".into(), Gated),
        get("36b", "/mod/lti/auth.php".into(), Gated),
        post("36b", "/mod/lti/contentitem_return.php", "JWT=x&+repost=1".into(), Gated),
        post("37", "/enrol/paypal/ipn.php", "x=1".into(), Closed("payment")),
        get("38", "/user/emailupdate.php?key=x&id=3".into(), Closed("emailupdate")),
        get("39", "/admin/tool/dataprivacy/summary.php".into(), Anonymous),
        get("39", "/badges/badge.php?hash=x".into(), Anonymous),
        get("40", "/mod/quiz/accessrule/seb/config.php?cmid=1".into(), Gated),
        get("40", "/h5p/embed.php?url=x".into(), Gated),
        get("40", format!("/pluginfile.php{handout}"), Gated),
        get("40", format!("/pluginfile.php/1/core_admin/logo/x?file={handout}"), Gated),
        get("41", "/admin/cron.php?password=x".into(), Closed("cron")),
        get("42", "/admin/process_email.php".into(), Closed("process_email")),
        get("-", "/my/".into(), Gated),
        get("-", "/mod/unknown/door.php?user=3".into(), Gated),
    ]
}

/// A browser would say these of itself.
const NAVIGATION: [(&str, &str); 3] =
    [("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

#[tokio::test(flavor = "multi_thread")]
async fn no_door_gives_an_identity_for_a_password_alone() {
    let world = quiet_world(|_| {}).await;
    world.campus.trust_header(Some("X-Remote-User"));
    let loot = loot(&world).await;
    let mut closed = Vec::new();
    for (number, method, target, headers, body, expect) in entries(&loot, &world.url) {
        let what = format!("{number}: {method} {target}");
        let mark = world.campus.mark();
        let cookie = ("cookie", loot.session.as_str());
        let mut sent: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        sent.push(cookie);
        let program = headers.iter().any(|(_, value)| value == "application/json");
        sent.extend(NAVIGATION.into_iter().filter(|_| !program));
        let answer = ask(&world, method, &target, &sent, body).await;
        assert_eq!(gives_away(&answer, &loot), None, "{what}: {}", answer.text());
        assert_eq!(authenticates(&world, &answer), None, "{what}");
        // A session that an earlier door opened may still be being logged out, in the background.
        let farewell = |r: &campus::Logged| {
            let own = r.header("x-request-id").is_empty();
            own && r.method == "GET"
                && matches!(r.path(), "/login/index.php" | "/login/change_password.php" | "/login/logout.php")
        };
        let seen: Vec<_> = world.campus.since(mark).into_iter().filter(|r| !farewell(r)).collect();
        assert!(seen.iter().all(|r| r.header("cookie").iter().all(|c| !c.contains(&loot.session))), "{what}: {seen:?}");
        let (status, location) = (answer.status.as_u16(), answer.location().to_owned());
        match expect {
            Closed(door) => {
                assert_eq!((status, seen.len()), (403, 0), "{what}: {}", answer.text());
                closed.push(door);
            }
            Gated => assert_eq!((status, location.as_str(), seen.len()), (303, "/login/index.php", 0), "{what}"),
            Refused(code) => {
                assert!(status.to_string() == code || answer.text().contains(code), "{what}: {}", answer.text());
                assert!(seen.is_empty(), "{what}: {seen:?}");
            }
            Anonymous => {
                assert!(!seen.is_empty() && status < 500, "{what}: {status}");
                assert!(seen.iter().all(|r| r.header("cookie").is_empty()), "{what}: {seen:?}");
            }
            Asked => assert!(status != 403 && status < 500, "{what}: {status}"),
        }
        // Whatever it set, the browser is nobody afterwards.
        let mut browser = Browser::at(&world);
        for line in answer.headers.get_all(header::SET_COOKIE).iter().filter_map(|v| v.to_str().ok()) {
            let (name, value) = line.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            browser.cookies.insert(name.to_owned(), value.to_owned());
        }
        assert_eq!(browser.get("/my/").await.location(), "/login/index.php", "{what}");
    }
    let recorded = |world: &World| {
        let text = std::fs::read_to_string(world.folder.0.join("audit.jsonl")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let doors = lines.filter(|line| line["event"] == "closed_door");
        doors.filter_map(|line| line["door"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    // Knocking again within the minute is noted once.
    let mut noted: Vec<&str> = Vec::new();
    closed.iter().for_each(|door| {
        if !noted.contains(door) {
            noted.push(door)
        }
    });
    let closed = noted;
    world.eventually("every closed door is in the audit log", |world| recorded(world).len() == closed.len()).await;
    assert_eq!(recorded(&world), closed);
}

/// The doors above are open at the LMS: the test would see it if the gateway let one of them through.
#[tokio::test(flavor = "multi_thread")]
async fn the_lms_itself_would_have_opened_them() {
    let world = quiet_world(|_| {}).await;
    world.campus.trust_header(Some("X-Remote-User"));
    let loot = loot(&world).await;
    let mut opened = Vec::new();
    for (number, method, target, headers, body, _) in entries(&loot, &world.url) {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let answer = straight(world.campus.addr(), method, &target, &headers, body).await;
        if gives_away(&answer, &loot).is_some() || authenticates(&world, &answer).is_some() {
            opened.push(number);
        }
    }
    opened.dedup();
    for number in ["2", "3", "5", "13", "20", "22", "25", "27", "28", "31", "32"] {
        assert!(opened.contains(&number), "{number}: {opened:?}");
    }
    let own = straight(world.campus.addr(), "GET", "/my/", &[("cookie", &loot.session)], "").await;
    assert_eq!(own.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_or_a_confirmation_by_mail_opens_no_session() {
    let world = quiet_world(|_| {}).await;
    let mut browser = Browser::at(&world);
    browser.get(&format!("/login/forgot_password.php?token={RESET_TOKEN}")).await;
    let page = browser.get("/login/forgot_password.php").await.text();
    let sesskey = between(&page, "name=\"sesskey\" value=\"", "\"");
    let token = between(&page, "name=\"token\" value=\"", "\"");
    let fields = [
        ("token", token.as_str()),
        ("sesskey", &sesskey),
        ("_qf__login_set_password_form", "1"),
        ("username", "student2"),
        ("password", "New.Pass1"),
        ("password2", "New.Pass1"),
    ];
    let answer = browser.post("/login/forgot_password.php", &fields).await;
    assert_eq!((answer.status.as_u16(), answer.location()), (303, "/login/index.php"), "{}", answer.text());
    assert_eq!(browser.get("/my/").await.location(), "/login/index.php");
    assert_eq!(world.campus.account_of(4).unwrap().password.as_deref(), Some("New.Pass1"), "the reset itself works");
    world.eventually("the LMS session is logged out", |world| world.campus.live_sessions(4) == 0).await;
    let mut browser = Browser::at(&world);
    let answer = browser.get(&format!("/login/confirm.php?data={CONFIRM_SECRET}/student3")).await;
    assert_eq!(answer.location(), "/login/index.php");
    assert_eq!(browser.get("/my/").await.location(), "/login/index.php");
    world.eventually("the LMS session is logged out", |world| world.campus.live_sessions(5) == 0).await;
}
