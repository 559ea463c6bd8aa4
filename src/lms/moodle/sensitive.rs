//! Moodle's sensitive places (3.2 to 5.x), by name. The numbers are those of the list of entry points in `docs/`.
//!
//! Several of these scripts are closed doors in this version (`routes`); they stand here as well, so that a rule means
//! the same on the day one is opened. The calls of `/lib/ajax/service.php` are places too: `/lib/ajax/service.php/NAME`
//! is the function of that name, whatever else is in its batch.

use super::ajax::Call;
use crate::lms::PathGroup;

/// The specific before the general: the first that covers a path gives it its name on pages.
pub const GROUPS: &[PathGroup] = &[
    // 15: an administrator looks through somebody else's eyes.
    PathGroup { name: "login-as", paths: &["/course/loginas.php"], but_not: &[] },
    // 29, 30: Moodle's own web-service tokens, which outlive every session.
    PathGroup { name: "tokens", paths: &["/user/managetoken.php", "/admin/webservice/"], but_not: &[] },
    PathGroup {
        name: "roles",
        paths: &[
            "/admin/roles/",
            "/enrol/ajax.php",
            "/enrol/bulkchange.php",
            "/enrol/editenrolment.php",
            "/enrol/editinstance.php",
            "/enrol/instances.php",
            "/enrol/otherusers.php",
            "/enrol/unenroluser.php",
            "/enrol/users.php",
            "/enrol/cohort/",
            "/enrol/manual/",
            "/user/action_redir.php",
            "/lib/ajax/service.php/core_enrol_submit_user_enrolment_form",
            "/lib/ajax/service.php/core_enrol_unenrol_user_enrolment",
            "/lib/ajax/service.php/core_role_assign_roles",
            "/lib/ajax/service.php/core_role_unassign_roles",
            "/lib/ajax/service.php/core_update_inplace_editable/core_user/user_roles",
            "/lib/ajax/service.php/enrol_manual_enrol_users",
            "/lib/ajax/service.php/enrol_manual_unenrol_users",
        ],
        // One's own leaving of a course.
        but_not: &["/enrol/manual/unenrolself.php"],
    },
    // 34
    PathGroup { name: "grade-export", paths: &["/grade/export/"], but_not: &[] },
    // 38: it decides where mailed codes go.
    PathGroup {
        name: "email-address",
        paths: &["/user/edit.php", "/user/editadvanced.php", "/user/emailupdate.php"],
        but_not: &[],
    },
    // 17 and everything beside it. Below `/admin/tool/` stands what everybody uses: without a factor nobody could
    // accept a policy or look at their own learning plan.
    PathGroup {
        name: "administration",
        paths: &["/admin/", "/cohort/", "/user/editadvanced.php"],
        but_not: &[
            "/admin/tool/dataprivacy/createdatarequest.php",
            "/admin/tool/dataprivacy/mydatarequests.php",
            "/admin/tool/dataprivacy/summary.php",
            "/admin/tool/lp/",
            "/admin/tool/mfa/action.php",
            "/admin/tool/mfa/auth.php",
            "/admin/tool/mfa/user_preferences.php",
            "/admin/tool/mobile/",
            "/admin/tool/monitor/",
            "/admin/tool/policy/accept.php",
            "/admin/tool/policy/index.php",
            "/admin/tool/policy/user.php",
            "/admin/tool/policy/view.php",
            "/admin/tool/policy/viewall.php",
            "/admin/tool/recyclebin/",
        ],
    },
];

/// The place of one AJAX call. An in-place edit says in its arguments what it edits, and one of them gives out roles.
pub fn call_path(call: &Call) -> String {
    let mut path = format!("/lib/ajax/service.php/{}", call.methodname);
    if call.methodname == "core_update_inplace_editable"
        && let Ok(args) = serde_json::from_str::<serde_json::Value>(call.args.get())
    {
        for name in ["component", "itemtype"] {
            let value = args.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
            path.push('/');
            path.extend(value.chars().filter(|c| *c != '/').take(100));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lms::moodle::ajax::Calls;

    #[test]
    fn names_are_short_and_given_once_and_paths_are_those_of_a_rule() {
        for (n, group) in GROUPS.iter().enumerate() {
            assert!(group.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", group.name);
            assert!(GROUPS[..n].iter().all(|other| other.name != group.name), "{}", group.name);
            for path in group.paths.iter().chain(group.but_not) {
                let script = path.contains(".php") || path.ends_with('/');
                assert!(path.starts_with('/') && script && !path.bytes().any(|b| b.is_ascii_uppercase()), "{path}");
            }
        }
    }

    #[test]
    fn a_call_is_a_place_of_its_own_and_an_edit_says_what_it_edits() {
        let of = |name: &str, args: &str| {
            let body = format!(r#"[{{"index":0,"methodname":"{name}","args":{args}}}]"#);
            call_path(Calls::parse(body.as_bytes()).unwrap().iter().next().unwrap())
        };
        assert_eq!(of("core_session_touch", "{}"), "/lib/ajax/service.php/core_session_touch");
        let roles = r#"{"itemtype":"user_roles","component":"core_user","value":"[1]"}"#;
        let place = of("core_update_inplace_editable", roles);
        assert_eq!(place, "/lib/ajax/service.php/core_update_inplace_editable/core_user/user_roles");
        assert!(GROUPS.iter().any(|group| group.name == "roles" && group.paths.contains(&place.as_str())));
        let title = r#"{"itemtype":"activityname","component":"core_course"}"#;
        assert!(of("core_update_inplace_editable", title).ends_with("/core_course/activityname"));
    }
}
