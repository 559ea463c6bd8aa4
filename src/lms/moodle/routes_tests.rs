//! Attacks A1–A8 and H3 on the table: which door a path leads to.

use super::*;
use proptest::prelude::*;

fn intent(target: &str) -> Result<Intent, BadRequest> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    classify(&CanonicalPath::parse(path.as_bytes())?, query)
}

#[track_caller]
fn is(target: &str, expected: Intent) {
    assert_eq!(intent(target), Ok(expected), "{target}");
}

#[track_caller]
fn bad(target: &str) {
    assert!(intent(target).is_err(), "{target} is {:?}", intent(target));
}

#[test]
fn a3_every_spelling_of_a_door_is_that_door() {
    for target in [
        "/login/token.php",
        "//login/token.php",
        "/login//token.php",
        "/./login/token.php",
        "/login/%74oken.php",
        "/login/token%2ephp",
        "/login/token.php?username=a",
    ] {
        is(target, Intent::AppSignIn);
    }
    for target in ["/login/index.php", "/login/", "/login", "//login//", "/login/.", "/login/index.php?testsession=3"] {
        is(target, Intent::SignIn);
    }
}

#[test]
fn a4_path_info_does_not_escape_the_token_rule() {
    for target in [
        "/login/token.php/",
        "/login/token.php/x.css",
        "/login/token.php/public/",
        "/login/token%2ephp/a.css",
        "/login/token.php/theme/styles.php/x",
        "/login/token.php/index.PHP",
    ] {
        is(target, Intent::AppSignIn);
    }
    is("/login/index.php/anything", Intent::SignIn);
    is("/webservice/rest/simpleserver.php/USER/PASS", Intent::Closed("simpleserver"));
    is("/webservice/rest/server.php/x", Intent::AppCall);
    is("/auth/shibboleth/index.php/x.css", Intent::Closed("shibboleth"));
    is("/course/view.php/login/token.php", Intent::Page);
    is("/my/x.css", Intent::Page);
}

#[test]
fn a5_names_that_some_server_folds_to_a_door_are_refused() {
    for target in [
        "/LOGIN/Token.PHP",
        "/login/token.PHP",
        "/Login/",
        "/LOGIN",
        "/login/token.php.",
        "/login/token.php%20",
        "/login/token.php::$DATA",
        "/login/token.php%3Ax",
        "/login/TOKEN~1.PHP",
        "/login./token.php",
        "/login%20/token.php",
        "/login./",
        "/login::$INDEX_ALLOCATION/token.php",
        "/login::$INDEX_ALLOCATION/",
        "/login/to%E2%84%AAen.php",
        "/login/token.php5",
        "/login/token.phpx/y.php",
        "/login/token",
        "/login/token/",
        "/login/token/x.css",
        "/login/token/x.php",
        "/Login/Token",
        "/login/index",
        "/webservice/rest/server",
        "/webservice/soap/simpleserver/a/b",
        "/WebService/rest/server.php",
        "/THEME/styles.php",
        "/auth/Shibboleth/index.php",
        "/admin/cron",
    ] {
        bad(target);
    }
    // What is no door may be named as it likes; it stays protected.
    for target in [
        "/COURSE/view.php",
        "/admin",
        "/some/Folder/",
        "/%C3%9Cbung/",
        "/local/thing/readme.txt",
        "/mod/lti/service/x.svg",
    ] {
        is(target, Intent::Page);
    }
}

#[test]
fn a6_a7_parameters_and_backslashes_never_reach_the_table() {
    for target in [
        "/login/token.php;x=/public/",
        "/login\\token.php",
        "/login%5ctoken.php",
        "/x/../login/token.php",
        "/course/..%2flogin/index.php",
        "/login/token.php%2f",
    ] {
        bad(target);
    }
}

#[test]
fn a8_a_query_or_an_encoded_hash_changes_no_rule() {
    is("/grade/?x=/theme/styles.php", Intent::Page);
    is("/grade%23/public/", Intent::Page);
    is("/theme/styles%23/x.css", Intent::Page);
    // No script of Moodle's has such a name above it.
    bad("/grade%23/theme/styles.php");
}

#[test]
fn h3_every_side_door_has_an_explicit_answer() {
    for (target, door) in [
        ("/admin/tool/mobile/autologin.php?userid=3&key=x", "autologin"), // 2
        ("/auth/shibboleth/index.php", "shibboleth"),                     // 3
        ("/auth/shibboleth/", "shibboleth"),                              // 3
        ("/auth/shibboleth/login.php", "shibboleth"),                     // 4
        ("/auth/shibboleth/logout.php", "shibboleth"),                    // 4
        ("/auth/oauth2/login.php?id=1", "oauth2"),                        // 5
        ("/admin/oauth2callback.php?code=x", "oauth2"),                   // 5
        ("/auth/oauth2/confirm-account.php", "oauth2"),                   // 6
        ("/auth/oauth2/confirm-linkedlogin.php", "oauth2"),               // 6
        ("/enrol/lti/login.php", "enrol_lti"),                            // 7
        ("/enrol/lti/launch.php", "enrol_lti"),                           // 7
        ("/enrol/lti/launch_deeplink.php", "enrol_lti"),                  // 7
        ("/auth/lti/login.php", "auth_lti"),                              // 7
        ("/enrol/lti/tool.php", "enrol_lti"),                             // 8
        ("/enrol/lti/proxy.php", "enrol_lti"),                            // 8
        ("/auth/mnet/land.php", "mnet"),                                  // 9
        ("/auth/mnet/jump.php", "mnet"),                                  // 9
        ("/mnet/xmlrpc/server.php", "mnet"),                              // 9
        ("/auth/ldap/ntlmsso_attempt.php", "ntlmsso"),                    // 10
        ("/auth/ldap/ntlmsso_magic.php", "ntlmsso"),                      // 10
        ("/auth/ldap/ntlmsso_finish.php", "ntlmsso"),                     // 10
        ("/admin/index.php", "admin_index"),                              // 17
        ("/admin/", "admin_index"),                                       // 17
        ("/admin/upgradesettings.php", "admin_index"),                    // 17
        ("/install.php", "install"),                                      // 17
        ("/admin/tool/mobile/launch.php?service=x&passport=1", "launch"), // 21
        ("/webservice/soap/server.php", "webservice"),                    // 26
        ("/webservice/xmlrpc/server.php", "webservice"),                  // 26
        ("/webservice/restful/server.php/core_x", "webservice"),          // 26
        ("/webservice/rest/simpleserver.php", "simpleserver"),            // 27
        ("/webservice/soap/simpleserver.php/u/p", "simpleserver"),        // 27
        ("/user/managetoken.php", "managetoken"),                         // 29
        ("/calendar/export_execute.php?userid=1&authtoken=x", "calendar_export"), // 32
        ("/rss/file.php/1/token/mod_forum/1/rss.xml", "rss"),             // 33
        ("/grade/export/txt/dump.php?id=1&key=x", "grade_export"),        // 34
        ("/grade/export/ods/dump.php", "grade_export"),                   // 34
        ("/grade/import/xml/fetch.php?key=x", "grade_import"),            // 34
        ("/mod/lti/service.php", "lti_service"),                          // 36
        ("/mod/lti/services.php/x", "lti_service"),                       // 36
        ("/mod/lti/token.php", "lti_service"),                            // 36
        ("/mod/lti/certs.php", "lti_service"),                            // 36
        ("/mod/lti/openid-registration.php", "lti_service"),              // 36
        ("/mod/lti/openid-configuration.php", "lti_service"),             // 36
        ("/enrol/paypal/ipn.php", "payment"),                             // 37
        ("/user/emailupdate.php?key=x&id=3", "emailupdate"),              // 38
        ("/admin/cron.php?password=x", "cron"),                           // 41
        ("/admin/process_email.php", "process_email"),                    // 42
        ("/admin/cli/cfg.php", "cli"),                                    // 42
    ] {
        is(target, Intent::Closed(door));
    }
    is("/login/forgot_password.php?token=x", Intent::Reset); // 12
    is("/login/confirm.php?data=s/u", Intent::Confirm); // 13
    is("/login/unlock_account.php?u=1&s=x", Intent::OpenPage); // 14
    is("/course/loginas.php?id=1", Intent::Page); // 15
    is("/login/logout.php?sesskey=x", Intent::SignOut);
    is("/login/change_password.php", Intent::Page); // 18
    is("/webservice/rest/server.php?wstoken=x", Intent::AppCall); // 25
    is("/webservice/upload.php", Intent::AppUpload); // 28
    is("/webservice/pluginfile.php/19/mod_resource/content/0/a.txt", Intent::AppFile); // 28
    is("/webservice/draftfile.php/1", Intent::AppFile); // 28
    is("/tokenpluginfile.php/KEY/19/mod_resource/content/0/a.txt", Intent::KeyFile); // 31
    is("/mod/chat/gui_header_js/users.php?chat_sid=x", Intent::Page); // 35
    is("/mod/lti/auth.php", Intent::LtiReturn); // 36b
    is("/mod/lti/contentitem_return.php", Intent::LtiReturn); // 36b
    is("/badges/badge.php?hash=x", Intent::OpenPage); // 39
    is("/badges/issuer_json.php", Intent::OpenPage); // 39
    is("/mod/quiz/accessrule/seb/config.php", Intent::Page); // 40
    is("/h5p/embed.php", Intent::Page); // 40
}

#[test]
fn h3_a_cas_ticket_on_the_login_page_is_closed() {
    for query in [
        "authCAS=CAS&ticket=ST-1",
        "ticket=ST-1",
        "authCAS=CAS",
        "auth%43AS=CAS",
        "+ticket=x",
        "ticket%00y=x",
        "ticket[]=x",
        "authCAS=NOCAS&ticket=x",
        "pgtIou=x",
        "SAMLart=x",
    ] {
        for page in ["/login/index.php", "/login/", "/login", "/login/index.php/x"] {
            is(&format!("{page}?{query}"), Intent::Closed("cas"));
        }
    }
    is("/login/index.php?authCAS=NOCAS", Intent::SignIn);
    is("/login/index.php?authcas=CAS&Ticket=x", Intent::SignIn);
    bad("/login/index.php?ticket[=x");
    bad("/login/index.php?authCAS[]=CAS");
}

#[test]
fn r1_unknown_scripts_are_protected() {
    for target in [
        "/",
        "/my/",
        "/index.php",
        "/local/new/door.php",
        "/r.php/api/rest/v2/x",
        "/lib/ajax/service-react.php",
        "/config.php",
        "/lib/ajax/setuserpref.php",
        "/login/change_password.php",
        "/webservice/renderer.php",
    ] {
        is(target, Intent::Page);
    }
    is("/lib/ajax/service.php?sesskey=x", Intent::Ajax);
    is("/lib/ajax/service-nologin.php?args=[]", Intent::AjaxOpen);
}

#[test]
fn r1_the_login_page_has_what_it_needs_and_no_more() {
    for target in [
        "/theme/styles.php/boost/1_1/all",
        "/theme/styles_debug.php?theme=boost",
        "/theme/yui_combo.php?m/1/core/x.js",
        "/theme/yui_image.php",
        "/theme/image.php/boost/core/1/favicon",
        "/theme/font.php/boost/core/1/fontawesome-webfont.woff2",
        "/theme/javascript.php/boost/1/footer",
        "/lib/javascript.php/1/lib/javascript-static.js",
        "/lib/requirejs.php/1/core/first.js",
        "/lib/requirejs/require.min.js",
        "/lib/editor/tiny/loader.php/1/tinymce.js",
        "/lib/editor/tiny/js/tinymce/skins/ui/oxide/skin.min.css",
        "/favicon.ico",
        "/admin/tool/mobile/mobile.webmanifest.php",
        "/pluginfile.php/1/core_admin/logo/0x200/1/logo.png",
        "/pluginfile.php/1/core_admin/logocompact/300x300/1/l.png",
        "/pluginfile.php/1/core_admin/favicon/64x64/1/f.png",
        "/pluginfile.php/1/theme_boost/loginbackgroundimage/1/bg.jpg",
    ] {
        is(target, Intent::Asset);
    }
    for target in [
        "/help.php?x",
        "/help_ajax.php",
        "/login/signup.php",
        "/admin/tool/policy/view.php?versionid=1",
        "/admin/tool/policy/viewall.php",
        "/admin/tool/dataprivacy/summary.php",
    ] {
        is(target, Intent::OpenPage);
    }
    for target in [
        "/pluginfile.php/1/core_admin/other/0/x",
        "/pluginfile.php/2/core_admin/logo/0/x",
        "/pluginfile.php/5/mod_resource/content/0/x.pdf",
        "/pluginfile.php/1/core_admin/logo",
        "/pluginfile.php?file=/1/core_admin/logo/0/x",
        "/pluginfile.php/1/core_admin/logo/0/x?file=/5/mod_resource/content/0/x.pdf",
        "/pluginfile.php/1/core_admin/logo/0/x?%66ile=/5/x",
        "/pluginfile.php/1/core_admin/logo/0/x?fi[le=x",
        "/lib/editor/tiny/plugins/media/manage.php",
        "/lib/requirejs/x/y.js",
        "/theme/index.php",
        "/theme/",
        "/admin/tool/policy/acceptances.php",
        "/admin/tool/dataprivacy/mydatarequests.php",
    ] {
        is(target, Intent::Page);
    }
}

#[test]
fn the_table_is_lawful() {
    for route in ROUTES {
        assert_eq!(route.script, route.script.to_ascii_lowercase());
        assert!(!route.script.starts_with('/'));
    }
}

proptest! {
    /// A door keeps its rule under any case, doubled slash, dot or PATH_INFO, or is refused; it never becomes a page.
    #[test]
    fn a5_no_spelling_turns_a_door_into_a_page(
        which in 0usize..5,
        case in any::<u32>(),
        glue in prop_oneof![Just("/"), Just("//"), Just("/./"), Just("/%2e/"), Just("./"), Just(" /")],
        tail in prop_oneof![Just(""), Just("/"), Just("/x.css"), Just("."), Just("%20"), Just("%2e"), Just("::$DATA"), Just("/y.php")],
        drop_suffix in any::<bool>(),
    ) {
        let door = ["/login/token.php", "/webservice/rest/simpleserver.php", "/admin/tool/mobile/launch.php",
            "/auth/shibboleth/index.php", "/user/emailupdate.php"][which];
        let stem = if drop_suffix && which != 3 { door.trim_end_matches(".php") } else { door };
        let spelled: String = stem.chars().enumerate()
            .map(|(n, c)| if case >> (n % 32) & 1 == 1 { c.to_ascii_uppercase() } else { c }).collect();
        let spelled = spelled.replace('/', &glue.replace(' ', "%20")).replacen(&glue.replace(' ', "%20"), "/", 1) + tail;
        let direct = intent(door);
        let spoken = intent(&spelled);
        prop_assert!(spoken.is_err() || spoken == direct, "{spelled}: {spoken:?}");
    }
}
