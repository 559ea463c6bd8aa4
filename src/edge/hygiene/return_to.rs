//! Where somebody may be sent after signing in: a place on this very site, or nowhere (D1, D2).
//!
//! A target is never repaired. What does not read as a local path and query under the same rules as a request's own
//! target, or leads back to a door, is no target, and the caller sends people home.

use super::{CanonicalPath, canonical_query};
use crate::lms::{Intent, moodle};

/// Longer wishes are not worth a cookie's room.
const MAX_TARGET: usize = 4 * 1024;

/// The canonical spelling of a local path and query that somebody may be sent to, on a site whose LMS is Moodle at
/// the root. Elsewhere use [`local_target`] with the site's own judge.
pub fn same_origin_path(candidate: &str) -> Option<String> {
    local_target(candidate, |path, query| matches!(moodle::classify(path, query), Ok(Intent::Page | Intent::OpenPage)))
}

/// As [`same_origin_path`]; `is_landing` says whether a path and query are a page one can arrive at. Signing in, out,
/// closed doors and endpoints of programs are not.
pub fn local_target(candidate: &str, is_landing: impl Fn(&CanonicalPath, Option<&str>) -> bool) -> Option<String> {
    // `//host` and `/\host` are other sites to a browser; so is `https:host`, which has no leading slash.
    let second = candidate.as_bytes().get(1);
    if candidate.len() > MAX_TARGET || !candidate.starts_with('/') || matches!(second, Some(b'/' | b'\\')) {
        return None;
    }
    let (path, query) = match candidate.split_once('?') {
        Some((path, query)) => (path, Some(canonical_query(query.as_bytes()).ok()?)),
        None => (candidate, None),
    };
    let path = CanonicalPath::parse(path.as_bytes()).ok()?;
    if is_ours(path.decoded()) || !is_landing(&path, query) {
        return None;
    }
    Some(match query {
        Some(query) => format!("{}?{query}", path.encoded()),
        None => path.encoded().to_owned(),
    })
}

/// Our own pages decide for themselves where they lead.
fn is_ours(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or("");
    first.eq_ignore_ascii_case("vestibule")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn d1_local_pages_are_kept_in_canonical_form() {
        for (candidate, kept) in [
            ("/my/", "/my/"),
            ("/", "/"),
            ("/course/view.php?id=2&section=3", "/course/view.php?id=2&section=3"),
            ("/course/./view.php?x=a//b", "/course/view.php?x=a//b"),
            ("/pluginfile.php/5/%C3%BC.pdf", "/pluginfile.php/5/%C3%BC.pdf"),
            ("/mod/url/view.php?u=https://evil.example/", "/mod/url/view.php?u=https://evil.example/"),
            ("/course//view.php", "/course/view.php"),
        ] {
            assert_eq!(same_origin_path(candidate).as_deref(), Some(kept), "{candidate}");
        }
    }

    #[test]
    fn d1_d2_everything_else_falls_home() {
        for candidate in [
            "",
            "//evil",
            "///evil",
            "////evil",
            "/\\evil",
            "\\\\evil",
            "\\/evil",
            "/\\/evil",
            "/\t/evil",
            "/%09/evil",
            "/%0d%0aLocation:%20//evil",
            "/\r\nx",
            "/%5cevil",
            "/%2f/evil",
            "/%2fevil",
            "https://evil",
            "http:evil",
            "https:evil",
            "https:/evil",
            "https:///evil",
            "HTTPS://evil",
            "javascript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "blob:x",
            "@evil",
            "evil",
            ".evil",
            "?x=//evil",
            "#x",
            "/x#y",
            " /x",
            "/ x",
            "\u{2f}\u{2f}evil",
            "/\u{2215}evil",
            "/\u{ff0f}evil",
            "\u{ff0f}\u{ff0f}evil",
            "/\u{202e}live",
            "/\u{200b}/evil",
            "/\0/evil",
            "/../x",
            "/x/../..//evil",
            "/x/..;/y",
            "/;@evil",
            "/x?y\\z",
            "/x?y z",
            "/x?a=\u{e9}",
            "/vestibule/step",
            "/Vestibule",
            "/%76estibule/step",
            "/login/index.php",
            "/login/",
            "/login",
            "/login//index.php?testsession=3",
            "/login/index.php/x",
            "/LOGIN/index.php",
            "/login/logout.php?sesskey=x",
            "/login/token.php",
            "/login/forgot_password.php",
            "/login/confirm.php?data=x",
            "/admin/tool/mobile/launch.php",
            "/admin/tool/mobile/autologin.php?key=x",
            "/auth/oauth2/login.php?wantsurl=//evil",
            "/lib/ajax/service.php",
            "/webservice/rest/server.php?wstoken=x",
        ] {
            assert_eq!(same_origin_path(candidate), None, "{candidate:?}");
        }
        assert_eq!(same_origin_path(&format!("/{}", "a".repeat(MAX_TARGET))), None);
    }

    proptest! {
        /// Whatever comes out, a browser resolves it to this site.
        #[test]
        fn d1_what_passes_is_one_local_path(candidate in "[/\\\\.:@?#%a-c0-9;\t \u{2f}\u{ff0f}]{0,24}") {
            if let Some(target) = same_origin_path(&candidate) {
                prop_assert!(target.starts_with('/'));
                prop_assert!(!target.starts_with("//") && !target.contains('\\') && !target.contains('#'));
                prop_assert!(target.bytes().all(|b| b.is_ascii_graphic()));
                prop_assert_eq!(same_origin_path(&target), Some(target.clone()));
            }
        }

        #[test]
        fn d1_any_text_is_judged_without_panic(candidate in "\\PC{0,40}") {
            let _ = same_origin_path(&candidate);
        }
    }
}
