//! Sessions as a browser meets them: sign-in, passwords, log-out, pages.

mod support;

use support::{FORM, campus, get, send, sign_in};

#[tokio::test]
async fn a_sign_in_rotates_the_cookie_and_the_wanted_page_is_remembered() {
    let campus = campus().await;
    let wanted = send(&campus, "GET /course/view.php?id=2", "").await;
    assert_eq!(wanted.header("location"), Some("https://campus.example/login/index.php"));
    let anonymous = wanted.session().unwrap().to_owned();
    let page = get(&campus, "/login/index.php", &anonymous).await;
    let token = page.between("name=\"logintoken\" value=\"", "\"");
    let body = format!("logintoken={token}&username=%20STUDENT1&password=Stud.1234");
    let head = format!("POST /login/\n{FORM}Cookie: MoodleSession={anonymous}\n");
    let answer = send(&campus, &head, &body).await;
    let session = answer.session().unwrap().to_owned();
    assert_ne!(session, anonymous);
    assert_eq!(campus.session_user(&session), Some(3));
    assert_eq!(campus.session_user(&anonymous), None);
    let next = get(&campus, "/login/index.php?testsession=3", &session).await;
    assert_eq!(next.header("location"), Some("https://campus.example/course/view.php?id=2"));
}

#[tokio::test]
async fn a_login_token_works_once_and_a_failure_is_told_on_the_next_page() {
    let campus = campus().await;
    let page = send(&campus, "GET /login/index.php", "").await;
    let session = page.session().unwrap().to_owned();
    let token = page.between("name=\"logintoken\" value=\"", "\"");
    let head = format!("POST /login/index.php\n{FORM}Cookie: MoodleSession={session}\n");
    let wrong = format!("logintoken={token}&username=student1&password=bad");
    let right = format!("logintoken={token}&username=student1&password=Stud.1234");
    let first = send(&campus, &head, &wrong).await;
    assert_eq!((first.status(), first.session()), (303, None));
    let second = send(&campus, &head, &right).await;
    assert_eq!(second.status(), 200, "the unread message is shown inline");
    assert!(second.text().contains("id=\"loginerrormessage\""));
    assert_eq!(campus.live_sessions(3), 0);
}

#[tokio::test]
async fn an_lms_that_does_not_rotate_keeps_the_anonymous_id() {
    let campus = campus().await;
    campus.settings(|settings| settings.rotate_at_sign_in = false);
    let page = send(&campus, "GET /login/index.php", "").await;
    let anonymous = page.session().unwrap().to_owned();
    let token = page.between("name=\"logintoken\" value=\"", "\"");
    let head = format!("POST /login/index.php\n{FORM}Cookie: MoodleSession={anonymous}\n");
    let body = format!("logintoken={token}&username=student1&password=Stud.1234");
    assert_eq!(send(&campus, &head, &body).await.session(), None);
    assert_eq!(campus.session_user(&anonymous), Some(3));
}

#[tokio::test]
async fn the_limit_on_concurrent_logins_ends_the_older_session() {
    let campus = campus().await;
    campus.settings(|settings| settings.limit_concurrent_logins = 1);
    let first = sign_in(&campus, "student1", "Stud.1234").await;
    let second = sign_in(&campus, "student1", "Stud.1234").await;
    assert_eq!(campus.session_user(&first), None);
    assert_eq!(campus.session_user(&second), Some(3));
}

#[tokio::test]
async fn expired_sessions_lead_to_the_sign_in_with_a_new_cookie() {
    let campus = campus().await;
    let session = sign_in(&campus, "student1", "Stud.1234").await;
    campus.expire_sessions();
    let answer = get(&campus, "/my/", &session).await;
    assert_eq!(answer.status(), 303);
    assert!(answer.session().is_some());
}

#[tokio::test]
async fn login_as_keeps_the_session_and_names_both() {
    let campus = campus().await;
    campus.settings(|settings| settings.header_log_user = 3);
    let session = sign_in(&campus, "admin", "Admin.1234").await;
    let sesskey = get(&campus, "/my/", &session).await.between("\"sesskey\":\"", "\"");
    let path = format!("/course/loginas.php?id=1&user=3&sesskey={sesskey}");
    assert_eq!(get(&campus, &path, &session).await.session(), None);
    let page = get(&campus, "/my/", &session).await;
    assert_eq!(page.header("x-moodleuser"), Some("admin as student1"));
    campus.settings(|settings| settings.header_log_user = 1);
    let page = get(&campus, "/my/", &session).await;
    assert_eq!(page.header("x-moodleuser"), Some("2 as 3"));
}

#[tokio::test]
async fn an_upload_page_lists_what_was_sent() {
    let campus = campus().await;
    let session = sign_in(&campus, "student1", "Stud.1234").await;
    let sesskey = get(&campus, "/user/files.php", &session).await.between("\"sesskey\":\"", "\"");
    let head = format!(
        "POST /user/files.php\nContent-Type: multipart/form-data; boundary=XX\nCookie: MoodleSession={session}\n"
    );
    let body = format!(
        "--XX\r\nContent-Disposition: form-data; name=\"sesskey\"\r\n\r\n{sesskey}\r\n--XX\r\nContent-Disposition: form-data; name=\"repo_upload_file\"; filename=\"notes.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--XX--\r\n"
    );
    let page = send(&campus, &head, &body).await;
    assert!(page.text().contains("notes.txt</a> (5 bytes)"));
    let file = get(&campus, "/pluginfile.php/11/user/private/0/notes.txt", &session).await;
    assert_eq!(file.text(), "hello");
}

#[tokio::test]
async fn the_plugin_page_that_rotates_turns_the_session_into_another_users() {
    let campus = campus().await;
    let session = sign_in(&campus, "student1", "Stud.1234").await;
    let answer = get(&campus, "/local/campus/rotate?to=4", &session).await;
    assert_eq!(campus.session_user(answer.session().unwrap()), Some(4));
    assert_eq!(campus.session_user(&session), None);
}

#[tokio::test]
async fn a_confirmation_link_signs_in_once_inside_a_page() {
    let campus = campus().await;
    let path = format!("GET /login/confirm.php?data={}/student3", campus::CONFIRM_SECRET);
    let first = send(&campus, &path, "").await;
    assert_eq!(first.status(), 200);
    assert_eq!(campus.session_user(first.session().unwrap()), Some(5));
    let second = send(&campus, &path, "").await;
    assert_eq!(campus.session_user(second.session().unwrap()), None);
}

#[tokio::test]
async fn a_password_reset_signs_in_and_the_new_password_works() {
    let campus = campus().await;
    let token = campus::RESET_TOKEN;
    let mailed = send(&campus, &format!("GET /login/forgot_password.php?token={token}"), "").await;
    let anonymous = mailed.session().unwrap().to_owned();
    let page = get(&campus, "/login/forgot_password.php", &anonymous).await;
    let sesskey = page.between("name=\"sesskey\" value=\"", "\"");
    let head = format!("POST /login/forgot_password.php\n{FORM}Cookie: MoodleSession={anonymous}\n");
    let body = format!("token={token}&sesskey={sesskey}&username=student2&password=New.12345&password2=New.12345");
    let answer = send(&campus, &head, &body).await;
    assert_eq!(answer.header("location"), Some("https://campus.example/my/"));
    assert_eq!(campus.session_user(answer.session().unwrap()), Some(4));
    assert_eq!(send(&campus, &head, &body).await.status(), 404, "the token is used up");
    let session = sign_in(&campus, "student2", "New.12345").await;
    assert_eq!(campus.session_user(&session), Some(4));
}

#[tokio::test]
async fn a_forced_password_change_stands_before_every_page_and_names_the_user_by_ajax() {
    let campus = campus().await;
    let session = sign_in(&campus, "mustchange1", "Stud.1234").await;
    let page = get(&campus, "/my/", &session).await;
    let change = "https://campus.example/login/change_password.php";
    assert_eq!(page.header("location"), Some(change));
    let form = get(&campus, "/login/change_password.php", &session).await;
    assert!(form.text().contains("data-userid=\"8\""));
    let sesskey = form.between("\"sesskey\":\"", "\"");
    let cookie = format!("Cookie: MoodleSession={session}\n");
    let call = "[{\"index\":0,\"methodname\":\"core_session_time_remaining\",\"args\":{}}]";
    let head = format!("POST /lib/ajax/service.php?sesskey={sesskey}\n{cookie}");
    let answer = send(&campus, &head, call).await.text();
    assert_eq!(answer, "[{\"error\":false,\"data\":{\"userid\":8,\"timeremaining\":28800}}]");
    let body = format!("sesskey={sesskey}&password=Stud.1234&newpassword1=Chg.12345&newpassword2=Chg.12345");
    let head = format!("POST /login/change_password.php\n{FORM}{cookie}");
    let changed = send(&campus, &head, &body).await;
    assert!(changed.text().contains("Password has been changed"));
    assert_eq!(changed.session(), None);
    assert_eq!(get(&campus, "/my/", &session).await.status(), 200);
}

#[tokio::test]
async fn logging_out_needs_the_sesskey_and_leaves_tokens_alone() {
    let campus = campus().await;
    let token = campus.issue_token(3, "moodle_mobile_app");
    let session = sign_in(&campus, "student1", "Stud.1234").await;
    let asked = get(&campus, "/login/logout.php", &session).await;
    assert_eq!(asked.status(), 200);
    let sesskey = asked.between("\"sesskey\":\"", "\"");
    get(&campus, &format!("/login/logout.php?sesskey={sesskey}"), &session).await;
    assert_eq!(campus.live_sessions(3), 0);
    assert_eq!(campus.token_of(3, "moodle_mobile_app"), Some(token));
}

#[tokio::test]
async fn a_suspended_account_loses_its_session() {
    let campus = campus().await;
    let session = sign_in(&campus, "student1", "Stud.1234").await;
    campus.account(3, |account| account.suspended = true);
    assert_eq!(get(&campus, "/my/", &session).await.status(), 303);
    assert_eq!(campus.live_sessions(3), 0);
}
