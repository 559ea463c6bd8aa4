//! Which requests a rule's `paths` are about. Pure.
//!
//! A rule that is too wide asks once too often, one that is too narrow lets through: a path is compared without regard
//! to case (some file systems have none), a script's name covers what follows it (PHP runs the same script), its name
//! without `.php` (a web server that guesses endings finds it), and a folder its `index.php`.

use crate::lms::PathGroup;

/// What stands before the name of a place ([`PathGroup`]).
pub const GROUP: char = '@';

/// A rule's paths with the named places written out.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    plain: Vec<String>,
    groups: Vec<PathGroup>,
}

impl Paths {
    /// A name that no LMS here knows stands for nothing; `check` refuses it.
    pub fn new(written: &[String], known: &[PathGroup]) -> Self {
        let name = |path: &String| path.strip_prefix(GROUP).map(str::to_owned);
        let names: Vec<String> = written.iter().filter_map(name).collect();
        Self {
            plain: written.iter().filter(|path| !path.starts_with(GROUP)).cloned().collect(),
            groups: known.iter().filter(|group| names.iter().any(|name| name == group.name)).copied().collect(),
        }
    }

    pub fn cover(&self, path: &str) -> bool {
        self.plain.iter().any(|pattern| covers(pattern, path)) || self.groups.iter().any(|group| holds(group, path))
    }
}

/// The place a path belongs to: the first of them.
pub(super) fn place(known: &[PathGroup], path: &str) -> Option<&'static str> {
    known.iter().find(|group| holds(group, path)).map(|group| group.name)
}

fn holds(group: &PathGroup, path: &str) -> bool {
    let any = |patterns: &[&str], exactly: bool| {
        patterns.iter().any(|pattern| if exactly { is_at(pattern, path) } else { covers(pattern, path) })
    };
    // What is left out is left out narrowly.
    any(group.paths, false) && !any(group.but_not, true)
}

fn covers(pattern: &str, path: &str) -> bool {
    let stem = pattern.strip_suffix(".php").filter(|_| is_script(pattern));
    let folder = pattern.strip_suffix("index.php").filter(|folder| folder.ends_with('/'));
    is_at(pattern, path)
        || stem.is_some_and(|stem| is_at(stem, path))
        || folder.is_some_and(|folder| path.eq_ignore_ascii_case(folder))
        // Of a folder without its slash, the web server opens the folder.
        || (pattern.len() > 1 && pattern.ends_with('/') && path.eq_ignore_ascii_case(pattern.trim_end_matches('/')))
}

/// The pattern itself, or something below it.
fn is_at(pattern: &str, path: &str) -> bool {
    let under = path.get(..pattern.len()).is_some_and(|start| start.eq_ignore_ascii_case(pattern));
    under && (pattern.ends_with('/') || matches!(path.as_bytes().get(pattern.len()), None | Some(b'/')))
}

fn is_script(pattern: &str) -> bool {
    pattern.rsplit('/').next().is_some_and(|name| name.len() > ".php".len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lms::moodle::sensitive::GROUPS;

    fn of(written: &[&str]) -> Paths {
        Paths::new(&written.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>(), GROUPS)
    }

    #[test]
    fn a_path_is_covered_in_every_spelling_a_web_server_takes() {
        let paths = of(&["/admin/", "/course/loginas.php", "/grade/index.php", "/lib/ajax/service.php/core_x"]);
        for path in [
            "/admin/",
            "/admin",
            "/ADMIN/x",
            "/admin/search.php",
            "/course/loginas.php",
            "/course/LoginAs.php/x",
            "/course/loginas",
            "/course/loginas/x",
            "/grade/",
            "/grade/index.php",
            "/lib/ajax/service.php/core_x",
        ] {
            assert!(paths.cover(path), "{path}");
        }
        for path in ["/", "/administrator/", "/course/loginas.phpx", "/course/loginasx", "/grade", "/grade/x.php"] {
            assert!(!paths.cover(path), "{path}");
        }
        assert!(!paths.cover("/lib/ajax/service.php") && !paths.cover("/lib/ajax/service.php/core_y"));
        assert!(of(&["/"]).cover("/my/") && !of(&[]).cover("/"));
        // A letter of two bytes at the end of the comparison.
        assert!(!of(&["/admin/"]).cover("/admi\u{f1}"));
    }

    #[test]
    fn a_named_place_is_its_paths_less_what_everybody_uses() {
        let paths = of(&["@administration", "@roles", "@nobody-knows"]);
        for path in ["/admin/search.php", "/admin/tool/policy/managedocs.php", "/enrol/manual/manage.php", "/admin"] {
            assert!(paths.cover(path), "{path}");
        }
        for path in ["/admin/tool/policy/index.php", "/admin/tool/lp/plans.php", "/enrol/manual/unenrolself.php"] {
            assert!(!paths.cover(path), "{path}");
        }
        assert!(!of(&["@roles"]).cover("/admin/search.php") && !of(&["@nobody-knows"]).cover("/"));
        assert_eq!(place(GROUPS, "/admin/roles/assign.php"), Some("roles"));
        assert_eq!(place(GROUPS, "/admin/webservice/tokens.php"), Some("tokens"));
        assert_eq!(place(GROUPS, "/admin/user.php"), Some("administration"));
        assert_eq!(place(GROUPS, "/my/"), None);
    }
}
