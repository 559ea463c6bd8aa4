//! The program as a newcomer meets it: init, check, help, and the exit codes that scripts rely on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// An empty folder with the repository's gateway.yaml.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vestibule-cli-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.yaml"), path.join("gateway.yaml")).unwrap();
        Self(path)
    }

    fn run(&self, words: &str) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.args(words.split(' ')).current_dir(&self.0).env_remove("VESTIBULE_CONFIG");
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn init_makes_what_check_misses_and_does_nothing_twice() {
    let folder = Folder::new("init");
    let (code, _, told) = folder.run("check");
    assert_eq!(code, 2);
    assert!(told.starts_with("gateway.yaml: 3 errors\n") && told.contains("run `vestibule init`"), "{told}");
    let (code, said, _) = folder.run("init --name lms.test");
    assert_eq!(code, 0);
    assert!(said.contains("data/keys") && said.contains("lms.test"), "{said}");
    let keys = fs::read(folder.0.join("data/keys")).unwrap();
    assert_eq!(folder.run("init"), (0, "nothing was missing\n".into(), String::new()));
    assert_eq!(keys, fs::read(folder.0.join("data/keys")).unwrap());
    let (code, said, told) = folder.run("check");
    assert_eq!((code, told.as_str()), (0, ""));
    assert!(said.contains("campus at https://localhost:8443"), "{said}");
}

#[test]
fn what_has_to_be_mended_first_has_exit_code_2() {
    let folder = Folder::new("codes");
    folder.run("init");
    for words in ["--config nowhere.yaml check", "serv", "session revoke", "account list --limit many"] {
        assert_eq!(folder.run(words).0, 2, "{words}");
    }
    fs::write(folder.0.join("gateway.yaml"), "edge: { htps: x }\n").unwrap();
    for words in ["check", "serve", "init", "account list"] {
        let (code, said, told) = folder.run(words);
        assert_eq!((code, said.as_str()), (2, ""), "{words}");
        assert!(told.contains("line 1: edge.htps") && told.contains("did you mean \"https\"?"), "{told}");
    }
}

#[test]
fn a_development_certificate_overwrites_nothing() {
    let folder = Folder::new("certificate");
    let words = "certificate development --chain c.pem --key c.key --name 192.0.2.7";
    assert_eq!(folder.run(words).0, 0);
    let (code, _, told) = folder.run(words);
    assert_eq!((code, told.as_str()), (1, "c.pem is already there; it is not overwritten\n"));
}

#[test]
fn what_passes_is_told_from_the_file_alone() {
    let folder = Folder::new("combinations");
    let (code, said, told) = folder.run("mfa combinations");
    assert_eq!((code, told.as_str()), (0, ""), "before anything is there");
    let expected = "everybody (required): everybody\n  browser and app\n    100  TOTP\n    100  a recovery code\n";
    assert_eq!(said, expected);
    let (code, said, _) = folder.run("--json mfa combinations --rule everybody");
    let sheet: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(code, 0);
    assert_eq!(sheet["combinations"]["rules"][0]["passes"][0]["combinations"][0]["asked"][0], "totp", "{said}");
    let (code, said, told) = folder.run("mfa combinations --rule nobody");
    assert_eq!((code, said.as_str()), (1, ""));
    assert_eq!(told, "there is no rule \"nobody\"; known: everybody\n");
}
