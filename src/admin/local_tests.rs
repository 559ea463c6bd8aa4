//! Accounts of the gateway itself: what is typed, what is sent, and what becomes of it.

use super::{
    command::AccountCommand,
    complete::{Terminal, complete},
    tests::{Desk, NOW, command},
    *,
};
use crate::accounts::AccountStore;
use crate::{
    chain::{local::LocalAccount, password::StoredHash},
    types::{Password, SystemRng},
};
use std::io;

const PASSWORD: &str = "seven-lamps-at-noon";

/// Answers prompts and standard input with what it was given.
struct Script(Vec<&'static str>);

impl Terminal for Script {
    fn ask(&mut self, _: &str) -> io::Result<String> {
        if self.0.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(self.0.remove(0).to_owned()) }
    }
    fn line(&mut self) -> io::Result<String> {
        self.ask("")
    }
}

impl Desk {
    /// As the command line does it: completed, across the socket's JSON, carried out.
    async fn told(&self, line: &str, typed: &[&'static str]) -> Result<Reply, String> {
        let command = complete(command(line), &mut Script(typed.to_vec()), &SystemRng)?;
        let sent = serde_json::to_string(&command).unwrap();
        for secret in typed {
            assert!(!sent.contains(secret.trim_end()) && !format!("{command:?}").contains(secret.trim_end()));
        }
        assert!(!format!("{command:?}").contains("$argon2id$"), "a hash is not shown");
        let command = serde_json::from_str(&sent).unwrap();
        self.admin.execute(Operator { uid: 0 }, command).await.map_err(|error| error.to_string())
    }
    fn local(&self, username: &str) -> LocalAccount {
        self.locals.rows().iter().find(|row| row.username == username).cloned().unwrap()
    }
    fn csv(&self, text: &str) -> String {
        let path = self.folder.join("accounts.csv");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn opens(account: &LocalAccount, password: &str) -> bool {
    StoredHash::parse(account.hash.expose()).unwrap().verify(&Password::new(password.to_owned()))
}

fn said(reply: Result<Reply, String>) -> String {
    reply.unwrap().to_string()
}

#[tokio::test]
async fn an_account_is_added_with_a_password_typed_twice() {
    let desk = Desk::new("local-add");
    let line = "account add --source staff --user Zoë --email zoe@campus.example";
    assert!(said(desk.told(line, &[PASSWORD, PASSWORD]).await).contains("zoë can sign in by staff"));
    let account = desk.local("zoë");
    assert!(opens(&account, PASSWORD) && !account.one_time && !account.must_change);
    assert_eq!((account.id.as_str().len(), account.created), (32, NOW));
    assert_eq!(account.email.as_deref(), Some("zoe@campus.example"));
    let again = desk.told(line, &[PASSWORD, PASSWORD]).await.unwrap_err();
    assert!(again.contains("staff has a \"zoë\" already"), "{again}");
    let audit = desk.audited().await.join("\n");
    assert!(audit.contains("local_account_added") && audit.contains("zoë") && audit.contains("uid 0"), "{audit}");
    assert!(!audit.contains(PASSWORD) && !audit.contains("argon2"));
}

#[tokio::test]
async fn what_cannot_be_an_account_is_refused_and_nothing_is_written() {
    let desk = Desk::new("local-bad");
    let add = "account add --source staff --user zoe";
    let refusals = [
        (add, [PASSWORD, "another-lamp-at-noon"], "the two differ"),
        (add, ["short", "short"], "at least 10 characters"),
        (add, ["football2024", "football2024"], "most common"),
        ("account add --source staff --user marina", ["marina-at-noon", "marina-at-noon"], "account's name"),
        ("account add --source nowhere --user zoe", [PASSWORD, PASSWORD], "no \"nowhere\" of kind local; it has staff"),
        ("account add --source staff --user z,e", [PASSWORD, PASSWORD], "nobody's user name"),
        ("account add --source staff --user zoe --email zoe", [PASSWORD, PASSWORD], "e-mail address"),
        ("account passwd --source staff --user zoe", [PASSWORD, PASSWORD], "staff has no \"zoe\""),
    ];
    for (line, typed, why) in refusals {
        let told = desk.told(line, &typed).await.unwrap_err();
        assert!(told.contains(why) && !told.contains(typed[0]), "{line}: {told}");
    }
    assert!(desk.told(add, &[]).await.unwrap_err().contains("no password could be read"));
    let bare = desk.admin.execute(Operator { uid: 0 }, command(add)).await.unwrap_err();
    assert!(matches!(bare, AdminError::NoPassword), "an act that comes by the socket without a hash");
    assert!(desk.locals.rows().is_empty());
}

#[tokio::test]
async fn a_new_password_ends_what_is_older() {
    let desk = Desk::new("local-passwd");
    said(desk.told("account add --source staff --user alice --password-stdin", &["seven-lamps-at-noon\r\n"]).await);
    assert!(opens(&desk.local("alice"), PASSWORD), "the line's end is no part of it");
    let unused = "account passwd --source staff --user alice --password-stdin";
    assert!(said(desk.told(unused, &["eight-lamps-at-noon\n"]).await).contains("nobody has signed in"));
    let account = desk.somebody('a', "alice").await;
    desk.stores.method(&account, "staff", desk.local("alice").id);
    let told = said(desk.told(unused, &["nine-lamps-at-noon\n"]).await);
    assert!(told.contains("1 session") && told.contains("1 app token"), "{told}");
    assert!(opens(&desk.local("alice"), "nine-lamps-at-noon"));
    assert_eq!(desk.stores.epoch(&account), 1);
    let audit = desk.audited().await.join("\n");
    assert!(audit.contains("local_password_set") && audit.contains("password_changed"), "{audit}");
    assert!(!audit.contains("lamps"));
}

#[tokio::test]
async fn break_glass_makes_or_resets_an_account_and_tells_its_password_once() {
    let desk = Desk::new("local-glass");
    let Reply::OneTimePassword { password, user, source } =
        desk.told("account break-glass --source staff --user Rescue", &[]).await.unwrap()
    else {
        panic!()
    };
    assert_eq!((password.len(), user.as_str(), source.as_str()), (30, "rescue", "staff"));
    let made = desk.local("rescue");
    assert!(made.one_time && opens(&made, &password));
    // It is no stranger when every other source is down (attack X9).
    let account = desk.stores.by_method(&made.source, &made.id).await.unwrap().expect("linked at once").id;
    let again = said(desk.told("account break-glass --source staff --user rescue", &[]).await);
    assert!(again.contains("one sign-in") && !again.contains(&password), "{again}");
    let reset = desk.local("rescue");
    assert!(reset.one_time && reset.id == made.id && !opens(&reset, &password));
    assert_eq!(desk.stores.epoch(&account), 1);
    let audit = desk.audited().await.join("\n");
    assert_eq!(audit.matches("break_glass_issued").count(), 2, "{audit}");
    assert!(!audit.contains(&password) && !audit.contains("argon2"));
}

#[tokio::test]
async fn an_import_takes_hashes_and_passwords_and_a_dry_run_writes_nothing() {
    let desk = Desk::new("local-import");
    let file = desk.csv(
        "\u{feff}username,name,email,password_hash,password\r\n\
         Anna,\"Anna, the first\",anna@campus.example,$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i,\r\n\
         ben,,,,seven-lamps-at-noon\r\n\
         cleo,Cleo,,900150983cd24fb0d6963f7d28e17f72,\r\n",
    );
    let line = format!("account import --source staff {file}");
    let told = said(desk.told(&format!("{line} --dry-run"), &[]).await);
    assert!(told.contains("3 accounts would be added to staff; hashes fit for migration only"), "{told}");
    assert!(desk.locals.rows().is_empty());
    assert!(said(desk.told(&line, &[]).await).contains("3 accounts added to staff"));
    assert!(
        opens(&desk.local("anna"), "abc") && opens(&desk.local("ben"), PASSWORD) && opens(&desk.local("cleo"), "abc")
    );
    assert_eq!(desk.local("anna").name.as_deref(), Some("Anna, the first"));
    let audit = desk.audited().await.join("\n");
    assert!(audit.contains("local_accounts_imported") && audit.contains("\"count\":3"), "{audit}");
    assert!(!audit.contains("argon2") && !audit.contains(PASSWORD));
}

#[tokio::test]
async fn an_import_tells_everything_that_is_wrong_by_line_and_writes_nothing() {
    let desk = Desk::new("local-import-bad");
    said(desk.told("account add --source staff --user taken", &[PASSWORD, PASSWORD]).await);
    let file = desk.csv(
        "username,email,password_hash,password\n\
         good,good@campus.example,,seven-lamps-at-noon\n\
         taken,,,seven-lamps-at-noon\n\
         GOOD,,,seven-lamps-at-noon\n\
         weak,,,short-one\n\
         ,,,seven-lamps-at-noon\n\
         none,,,\n\
         both,,900150983cd24fb0d6963f7d28e17f72,seven-lamps-at-noon\n\
         fields,,\n\
         z*,,,seven-lamps-at-noon\n\
         costly,,$2b$15$abcdefghijklmnopqrstu.Lb.yfKpIM/1qFJy4hk/.JCZ8CObXRJy,\n\
         locked,,!,\n\
         mail,not an address,900150983cd24fb0d6963f7d28e17f72,\n",
    );
    let told = desk.told(&format!("account import --source staff {file}"), &[]).await.unwrap_err();
    let lines = [
        "line 3: taken exists",
        "line 4: good stands in line 2 already",
        "line 5: The password needs at least",
        "line 6: there is no user name",
        "line 7: there is neither",
        "line 8: there is a password and a hash",
        "line 9: it has 3 fields",
        "line 10: the user name",
        "line 11: the password hash is its bcrypt parameters cost more",
        "line 12: the password hash is locked",
        "line 13: the e-mail address",
    ];
    for line in lines {
        assert!(told.contains(line), "{line} is not in:\n{told}");
    }
    assert_eq!(told.lines().count(), 1 + lines.len(), "{told}");
    assert!(!told.contains("seven-lamps") && !told.contains("short-one") && !told.contains("$2b$"), "{told}");
    assert_eq!(desk.locals.rows().len(), 1);
}

#[tokio::test]
async fn a_file_that_is_no_import_is_refused_as_a_whole() {
    let desk = Desk::new("local-import-file");
    let read = |text: &str| {
        let line = format!("account import --source staff {}", desk.csv(text));
        complete(command(&line), &mut Script(vec![]), &SystemRng).unwrap_err()
    };
    assert!(read("").contains("needs the columns username"));
    assert!(read("name,password\na,b\n").contains("needs the columns username"));
    assert!(read("username,password,shoe\na,b,c\n").contains("no column \"shoe\""));
    let many = format!("username,password_hash\n{}", "a,x\n".repeat(10_001));
    assert!(read(&many).contains("more than 10000"), "{}", read(&many));
    let missing =
        complete(command("account import --source staff /nonexistent/x.csv"), &mut Script(vec![]), &SystemRng);
    assert!(missing.unwrap_err().contains("/nonexistent/x.csv"));
}

#[tokio::test]
async fn bytes_that_are_no_text_are_told_by_line_without_quoting_them() {
    let desk = Desk::new("local-import-bytes");
    let path = desk.folder.join("bytes.csv");
    std::fs::write(&path, b"username,password\nanna,\xff\xfesecret-in-latin\n").unwrap();
    let line = format!("account import --source staff {}", path.display());
    let Command::Account(AccountCommand::Import(import)) =
        complete(command(&line), &mut Script(vec![]), &SystemRng).unwrap()
    else {
        panic!()
    };
    assert!(import.dry_run, "a file with problems writes nothing");
    assert_eq!(import.problems, [LineProblem { line: 2, what: "it is no UTF-8 text".into() }]);
}
