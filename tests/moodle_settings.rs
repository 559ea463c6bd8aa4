//! `deploy/moodle/header-on.sh` and `header-off.sh`, against a stand-in for Moodle's `admin/cli/cfg.php` that keeps
//! values in files and has its exit codes (0, 3 for a setting that is not there, 4 for one fixed in config.php).

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const FIRST: &str = "X-V-0123456789abcdef0123456789abcdef";
const SECOND: &str = "X-V-fedcba9876543210fedcba9876543210";

const PHP: &str = r#"#!/bin/sh
shift
component=core set_it='' unset_it=''
for word in "$@"; do
    case $word in
    --component=*) component=${word#*=} ;;
    --name=*) name=${word#*=} ;;
    --set=*) set_it=yes value=${word#--set=} ;;
    --unset) unset_it=yes ;;
    --no-eol) ;;
    *) exit 1 ;;
    esac
done
file="$SETTINGS/$component.$name"
if [ -n "$set_it$unset_it" ] && [ -e "$SETTINGS/fixed.$name" ]; then exit 4; fi
if [ -n "$set_it" ]; then printf '%s' "$value" >"$file"
elif [ -n "$unset_it" ]; then rm -f "$file"
elif [ -e "$file" ]; then cat "$file"
else exit 3; fi
"#;

struct Moodle(PathBuf);

impl Moodle {
    fn new(name: &str, settings: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("vestibule-moodle-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("admin/cli")).unwrap();
        fs::create_dir(root.join("settings")).unwrap();
        fs::write(root.join("admin/cli/cfg.php"), "").unwrap();
        fs::write(root.join("php"), PHP).unwrap();
        fs::set_permissions(root.join("php"), fs::Permissions::from_mode(0o755)).unwrap();
        for (name, value) in settings {
            fs::write(root.join("settings").join(name), value).unwrap();
        }
        Self(root)
    }

    fn run(&self, script: &str, header: &str) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/moodle").join(script);
        let mut command = Command::new("sh");
        command.arg(script).env("MOODLE_DIR", &self.0).env("HEADER", header);
        command.env("PHP", self.0.join("php")).env("SETTINGS", self.0.join("settings")).output().unwrap()
    }

    #[track_caller]
    fn done(&self, script: &str, header: &str) -> String {
        let output = self.run(script, header);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn settings(&self) -> BTreeMap<String, String> {
        let files = fs::read_dir(self.0.join("settings")).unwrap().flatten();
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        files.map(|file| (file.file_name().into_string().unwrap(), read(&file.path()))).collect()
    }
}

impl Drop for Moodle {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn header_mode_is_applied_rotated_and_undone_to_what_was_there() {
    let before = [
        ("core.auth", "email,ldap"),
        ("auth_shibboleth.user_attribute", "REMOTE USER's \"old\" = $1"),
        ("auth_shibboleth.field_updatelocal_email", "onlogin"),
        ("auth_shibboleth.field_map_email", ""),
    ];
    let moodle = Moodle::new("undo", &before);
    let original = moodle.settings();
    for header in [FIRST, FIRST, SECOND] {
        moodle.done("header-on.sh", header);
        let now = moodle.settings();
        let variable = format!("HTTP_{}", header.to_ascii_uppercase().replace('-', "_"));
        assert_eq!(now["auth_shibboleth.user_attribute"], variable);
        assert_eq!(now["auth_shibboleth.field_map_lastname"], format!("{variable}_LASTNAME"));
        assert_eq!(now["core.auth"], "shibboleth,email,ldap");
        for field in ["firstname", "lastname", "email"] {
            assert_eq!(now[&format!("auth_shibboleth.field_updatelocal_{field}")], "oncreate");
        }
    }
    assert!(moodle.done("header-off.sh", "").starts_with("8 settings"));
    assert_eq!(moodle.settings(), original);
    assert!(moodle.done("header-off.sh", "").starts_with("Nothing was kept"));
    assert_eq!(moodle.settings(), original);
}

#[test]
fn a_plugin_that_was_enabled_before_stays_enabled_and_none_is_needed() {
    let moodle = Moodle::new("enabled", &[("core.auth", "email,shibboleth")]);
    moodle.done("header-on.sh", FIRST);
    assert_eq!(moodle.settings()["core.auth"], "email,shibboleth");
    let bare = Moodle::new("bare", &[]);
    bare.done("header-on.sh", FIRST);
    assert_eq!(bare.settings()["core.auth"], "shibboleth");
    bare.done("header-off.sh", "");
    assert!(bare.settings().is_empty());
}

#[test]
fn a_name_that_clients_could_send_is_not_set() {
    let moodle = Moodle::new("names", &[]);
    let long = format!("{FIRST}0");
    let upper = FIRST.replace("abcdef", "ABCDEF");
    for header in ["", "X-Remote-User", "X-V-", "X-V-short", &long, &upper, "0123456789abcdef0123456789abcdef"] {
        assert!(!moodle.run("header-on.sh", header).status.success(), "{header}");
    }
    assert!(moodle.settings().is_empty());
}

#[test]
fn a_setting_fixed_in_config_php_stops_it_before_the_plugin_is_enabled() {
    let moodle = Moodle::new("fixed", &[("fixed.user_attribute", "")]);
    assert!(!moodle.run("header-on.sh", FIRST).status.success());
    assert!(!moodle.settings().contains_key("core.auth"));
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let scripts = ["header-on.sh", "header-off.sh"]
        .map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/moodle").join(name));
    match Command::new("shellcheck").args(&scripts).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "skipped: no shellcheck here ({error})");
        }
    }
}
