//! A real MariaDB on a free port, started by a test and gone with it.

use super::servers::{Scratch, free_port, until};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

const READY_WITHIN: Duration = Duration::from_secs(60);

/// One database, `users`. As root it runs as user `mysql`, which it asks for.
pub struct MariaDb {
    process: Child,
    directory: Scratch,
    port: u16,
}

impl MariaDb {
    pub fn start() -> Self {
        let directory = Scratch::new("mariadb");
        // Its user makes the data directory in here.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let data = directory.path().join("data");
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        // Several at once would take each other's temporary tables for their own.
        let own_tmp = format!("--tmpdir={}", directory.path().display());
        install.args(as_user()).arg(format!("--datadir={}", data.display())).arg(&own_tmp);
        let done = install.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(done.success(), "mariadb-install-db");
        let port = free_port();
        let mut server = Command::new(program());
        server.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"]);
        server.args(as_user()).arg(format!("--datadir={}", data.display())).arg(format!("--port={port}"));
        server.arg(format!("--socket={}", directory.path().join("socket").display()));
        server.args([
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=16M",
            "--innodb-use-native-aio=0",
        ]);
        let process = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mariadb = Self { process, directory, port };
        until("MariaDB answers", READY_WITHIN, || mariadb.sql("SELECT 1").is_ok());
        mariadb.sql("CREATE DATABASE users CHARACTER SET utf8mb4").unwrap();
        mariadb
    }

    /// Runs statements as its administrator; what went wrong is the error.
    pub fn sql(&self, text: &str) -> Result<(), String> {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "--user=root", "--default-character-set=utf8mb4", "--execute", text]);
        client.arg(format!("--socket={}", self.directory.path().join("socket").display()));
        let output = client.stdin(Stdio::null()).output().unwrap();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    pub fn url(&self, user: &str) -> String {
        format!("mysql://{user}@127.0.0.1:{}/users", self.port)
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> PathBuf {
    let installed = PathBuf::from("/usr/sbin/mariadbd");
    if installed.exists() { installed } else { "mariadbd".into() }
}

/// It refuses to run as root unless it is told whom to become.
fn as_user() -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.starts_with(b"0\n").then_some("--user=mysql")
}
