//! The other doors: tokens, keys, AJAX, trusted header, providers.

mod support;

use support::{FORM, campus, get, send, sign_in};

#[tokio::test]
async fn the_one_token_of_a_user_and_service_comes_back_until_it_expires() {
    let campus = campus().await;
    let head = format!("POST /login/token.php\n{FORM}");
    let body = "username=student1&password=Stud.1234&service=moodle_mobile_app";
    let first = send(&campus, &head, body).await.between("\"token\":\"", "\"");
    let second = send(&campus, &head, body).await.between("\"token\":\"", "\"");
    assert_eq!(first, second);
    assert_eq!(campus.token_of(3, "moodle_mobile_app"), Some(first.clone()));
    campus.expire_tokens();
    let third = send(&campus, &head, body).await.between("\"token\":\"", "\"");
    assert_ne!(first, third);
}

#[tokio::test]
async fn a_qr_key_from_the_profile_page_works_once() {
    let campus = campus().await;
    let session = sign_in(&campus, "student1", "Stud.1234").await;
    let key = get(&campus, "/user/profile.php", &session).await.between("qrlogin=", "&amp;");
    let head = "POST /lib/ajax/service-nologin.php\nUser-Agent: MoodleMobile 5.2.0\nContent-Type: application/json\n";
    let body = format!(
        "[{{\"index\":0,\"methodname\":\"tool_mobile_get_tokens_for_qr_login\",\"args\":{{\"qrloginkey\":\"{key}\",\"userid\":\"3\"}}}}]"
    );
    assert!(send(&campus, head, &body).await.text().contains("\"privatetoken\""));
    assert!(send(&campus, head, &body).await.text().contains("invalidkey"));
}

const SHIBBOLETH: &str = "/auth/shibboleth/index.php";
const TRUSTED: &str = "X-V-0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn the_trusted_header_counts_in_every_spelling_and_the_last_copy_wins() {
    let campus = campus().await;
    campus.trust_header(Some("X-Remote-User"));
    let body = "username=shibuser1&password=x&service=moodle_mobile_app";
    for name in ["X-Remote-User", "x_remote_user", "X_REMOTE-User"] {
        let head = format!("POST /login/token.php\n{FORM}X-Remote-User: student1\n{name}: shibuser1\n");
        assert!(send(&campus, &head, body).await.text().contains("privatetoken"), "{name}");
        let head = format!("POST /login/token.php\n{FORM}{name}: shibuser1\nX-Remote-User: student1\n");
        assert!(send(&campus, &head, body).await.text().contains("invalidlogin"), "{name}");
    }
}

#[tokio::test]
async fn no_header_is_trusted_until_one_is_named() {
    let campus = campus().await;
    let head = format!("POST /login/token.php\n{FORM}X-Remote-User: shibuser1\n");
    let body = "username=shibuser1&password=x&service=moodle_mobile_app";
    assert!(send(&campus, &head, body).await.text().contains("invalidlogin"));
    let door = format!("GET {SHIBBOLETH}\n{TRUSTED}: shibuser1\n");
    assert_eq!(send(&campus, &door, "").await.status(), 404);
    campus.trust_header(Some(TRUSTED));
    assert!(send(&campus, &head, body).await.text().contains("invalidlogin"), "another header than the named one");
    let signed = send(&campus, &door, "").await;
    assert_eq!((signed.status(), campus.session_user(signed.session().unwrap())), (303, Some(10)));
    campus.trust_header(None);
    assert_eq!(send(&campus, &door, "").await.status(), 404);
}

#[tokio::test]
async fn a_stranger_is_created_from_the_headers_with_the_next_id() {
    let campus = campus().await;
    campus.trust_header(Some(TRUSTED));
    let door = |name: &str| {
        format!(
            "GET {SHIBBOLETH}\n{TRUSTED}: {name}\n{TRUSTED}-Firstname: \u{c9}va;Eva\n{TRUSTED}-Lastname: N\n\
             {TRUSTED}-Email: eva@example.test\n"
        )
    };
    for (name, id) in [("New.One", 11), ("new2", 12)] {
        let signed = send(&campus, &door(name), "").await;
        assert_eq!(signed.header("location"), Some("https://campus.example/my/"));
        assert_eq!(campus.session_user(signed.session().unwrap()), Some(id));
        let account = campus.account_of(id).unwrap();
        assert_eq!((account.username.as_str(), account.auth.as_str()), (name.to_lowercase().as_str(), "shibboleth"));
        assert_eq!((account.first_name.as_str(), account.last_name.as_str()), ("\u{c9}va", "N"), "the first value");
    }
    assert_eq!(campus.user_id("new.one"), Some(11));
}

#[tokio::test]
async fn an_attribute_without_a_header_blanks_its_field_only_where_fields_follow_each_sign_in() {
    let campus = campus().await;
    campus.trust_header(Some(TRUSTED));
    let head = format!("GET {SHIBBOLETH}\n{TRUSTED}: shibuser1\n");
    let signed = send(&campus, &head, "").await;
    assert_eq!(signed.header("location"), Some("https://campus.example/my/"));
    assert_eq!(campus.account_of(10).unwrap().last_name, "Lab");
    campus.settings(|settings| settings.shibboleth.as_mut().unwrap().update_on_login = true);
    let signed = send(&campus, &head, "").await;
    let form = "https://campus.example/user/edit.php?id=10&course=1";
    assert_eq!(signed.header("location"), Some(form));
    assert_eq!(campus.account_of(10).unwrap().last_name, "");
    let session = signed.session().unwrap();
    assert_eq!(get(&campus, "/my/", session).await.header("location"), Some(form));
    assert_eq!(get(&campus, "/user/edit.php?id=10&course=1", session).await.status(), 200);
}

#[tokio::test]
async fn names_are_found_as_the_database_folds_them() {
    let campus = campus().await;
    campus.trust_header(Some(TRUSTED));
    campus.account(3, |account| account.auth = "shibboleth".into());
    for name in ["studént1", "ＳＴＵＤＥＮＴ1", "STUDENT1", "student1 "] {
        let signed = send(&campus, &format!("GET {SHIBBOLETH}\n{TRUSTED}: {name}\n"), "").await;
        assert_eq!(campus.session_user(signed.session().unwrap()), Some(3), "{name}");
    }
    assert_eq!(campus.user_id("studént1"), None);
}

#[tokio::test]
async fn an_autologin_key_opens_one_session_once() {
    let campus = campus().await;
    let token = campus.issue_token(3, "moodle_mobile_app");
    let private = campus.private_token_of(3, "moodle_mobile_app").unwrap();
    let head =
        format!("POST /webservice/rest/server.php?moodlewsrestformat=json\n{FORM}User-Agent: MoodleMobile 5.2.0\n");
    let body = format!("wsfunction=tool_mobile_get_autologin_key&wstoken={token}&privatetoken={private}");
    let key = send(&campus, &head, &body).await.between("\"key\":\"", "\"");
    assert!(send(&campus, &head, &body).await.text().contains("autologinkeygenerationlockout"));
    let path = format!("GET /admin/tool/mobile/autologin.php?userid=3&key={key}&urltogo=https://elsewhere.example/");
    let first = send(&campus, &path, "").await;
    assert_eq!(first.header("location"), Some("https://campus.example"));
    assert_eq!(campus.session_user(first.session().unwrap()), Some(3));
    assert_eq!(send(&campus, &path, "").await.status(), 404);
}

#[tokio::test]
async fn an_older_lms_does_not_say_whose_session_it_is() {
    let campus = campus().await;
    campus.settings(|settings| settings.time_remaining = false);
    let session = sign_in(&campus, "student1", "Stud.1234").await;
    let sesskey = get(&campus, "/my/", &session).await.between("\"sesskey\":\"", "\"");
    let call = "[{\"index\":0,\"methodname\":\"core_session_time_remaining\",\"args\":{}}]";
    let head = format!("POST /lib/ajax/service.php?sesskey={sesskey}\nCookie: MoodleSession={session}\n");
    assert!(send(&campus, &head, call).await.text().contains("servicenotavailable"));
}

#[tokio::test]
async fn a_batch_of_calls_stops_at_the_first_error() {
    let campus = campus().await;
    let call = "[{\"methodname\":\"core_get_string\",\"args\":{\"stringid\":\"a\"}},{\"methodname\":\"nope\"},{\"methodname\":\"core_get_string\"}]";
    let answer = send(&campus, "POST /lib/ajax/service-nologin.php", call).await;
    let list: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert!(answer.header("set-cookie").is_none());
}

#[tokio::test]
async fn functions_called_in_a_batch_over_rest_hand_out_the_file_key() {
    let campus = campus().await;
    let token = campus.issue_token(3, "moodle_mobile_app");
    let head = format!("POST /webservice/rest/server.php?moodlewsrestformat=json\n{FORM}");
    let body = format!(
        "wsfunction=tool_mobile_call_external_functions&wstoken={token}&requests[0][function]=core_webservice_get_site_info&requests[0][arguments]=%7B%7D"
    );
    let answer = send(&campus, &head, &body).await.text();
    let key = campus.account_of(3).unwrap().keys.files;
    assert!(answer.contains(&key));
    let path = format!("GET /tokenpluginfile.php/{key}/19/mod_resource/content/0/handout.txt");
    assert_eq!(send(&campus, &path, "").await.text(), "lab handout contents\n");
}

#[tokio::test]
async fn a_cross_site_lti_post_is_asked_to_post_again_and_sets_no_cookie() {
    let campus = campus().await;
    let head = format!("POST /mod/lti/auth.php\n{FORM}");
    let first = send(&campus, &head, "x=1").await;
    assert_eq!((first.status(), first.header("set-cookie")), (200, None));
    assert_eq!(send(&campus, &head, "repost=1").await.status(), 303);
}

#[tokio::test]
async fn the_oauth2_door_signs_in_on_the_way_back() {
    let campus = campus().await;
    let back = "GET /admin/oauth2callback.php?code=student1&state=https://campus.example/auth/oauth2/login.php?id=1";
    let location = send(&campus, back, "").await;
    let location = location.header("location").unwrap();
    assert_eq!(location, "https://campus.example/auth/oauth2/login.php?id=1&oauth2code=student1");
    let last = send(&campus, "GET /auth/oauth2/login.php?id=1&oauth2code=student1", "").await;
    assert_eq!(campus.session_user(last.session().unwrap()), Some(3));
}
