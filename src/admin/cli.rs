//! The command line: its words, its help, and how an act of administration is carried out from it.

use super::{
    About, Admin, AdminError, Command, Facts, Operator, Reply, SourceCommand,
    complete::{Console, complete},
    socket,
    tool_mfa::{self, ImportCommand},
};
use crate::{
    outbound::database::Read,
    types::{Clock, SystemClock, SystemRng},
};
use clap::{Args, Parser, Subcommand};
use std::{
    fmt::Display,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Everything is as it should be.
pub const OK: u8 = 0;
/// It was not done; standard error says why.
pub const FAILED: u8 = 1;
/// gateway.yaml, or the command line, is what has to be mended.
pub const MISCONFIGURED: u8 = 2;

/// A TLS reverse proxy that asks for a second factor in front of an LMS nobody may change.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    /// The configuration
    #[arg(long, global = true, env = "VESTIBULE_CONFIG", value_name = "FILE", default_value = "gateway.yaml")]
    pub config: PathBuf,
    /// Answer in JSON, for scripts
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub task: Task,
}

#[derive(Debug, Subcommand)]
pub enum Task {
    /// Run the gateway until it is told to stop (SIGTERM or Ctrl-C: it lets requests in flight end)
    Serve,
    /// Make what a first start needs: data folder, keyring, a certificate to try with. Changes nothing that is there
    Init(Init),
    /// Read gateway.yaml, say everything that is wrong with it, and what your users will meet
    Check(Check),
    /// Certificates to try with
    #[command(subcommand)]
    Certificate(CertificateTask),
    #[command(flatten)]
    Manage(Command),
}

#[derive(Debug, Args)]
pub struct Check {
    /// Look as well whether the LMS can be reached around the gateway, and whether it believes a header
    #[arg(long)]
    pub probe: bool,
    /// Try header sign-in with this account of the LMS. It must be there, with `auth` = `shibboleth`
    #[arg(long = "as", value_name = "USER", requires = "probe")]
    pub as_user: Option<String>,
}

#[derive(Debug, Args)]
pub struct Init {
    /// One more host name or address for the development certificate; may be repeated
    #[arg(long = "name", value_name = "HOST")]
    pub names: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum CertificateTask {
    /// Make a self-signed certificate for localhost, 127.0.0.1, ::1 and the names given
    Development {
        /// One more host name or address; may be repeated
        #[arg(long = "name", value_name = "HOST")]
        names: Vec<String>,
        #[arg(long, default_value = "certs/localhost.pem")]
        chain: PathBuf,
        #[arg(long, default_value = "certs/localhost.key")]
        key: PathBuf,
    },
}

const EXAMPLES: &str = "\
A first start:
  vestibule init                     make data/, the keyring and a certificate for localhost
  vestibule check                    what is wrong, and what your users will meet
  vestibule check --probe            can the LMS be reached around the gateway?
  vestibule serve

Somebody has lost a phone. Make sure that it is they who ask, then:
  vestibule account reset-factors alice
  vestibule factor issue-enrolment-code alice

Somebody was wrong too often and says so:
  vestibule account show alice       what is locked, and until when
  vestibule account unlock alice

Somebody has left, or something looks wrong:
  vestibule account disable alice    sessions and apps end at once
  vestibule session list --account alice
  vestibule token revoke 3f9a6c0d12e4b587

Somebody cannot sign in, or a source looks wrong:
  vestibule explain sign-in alice    who would be asked, and why
  vestibule source list
  vestibule source test staff-ldap --user alice
  vestibule source sync staff-ldap --dry-run

The rules of gateway.yaml, and whom a stricter stage would ask:
  vestibule mfa combinations         what passes, rule by rule
  vestibule mfa report --since 14
Somebody's phone is at home today. Make sure that it is they who ask, then:
  vestibule account bypass alice --hours 4 --reason phone
  vestibule factor list alice

Moodle's own second factor is to go on counting here:
  vestibule import tool-mfa --dsn file:moodle-url --dry-run

Mail has been set up in gateway.yaml:
  vestibule mail test --to you@example.org

gateway.yaml was edited, or a certificate replaced:
  vestibule check
  vestibule reload                   sessions and connections stay; on any error the old one stays in force

Acts of administration go to the running gateway by its Unix socket (admin.socket), as its own user or root. Where
none runs they work on the stores directly.

Exit codes: 0 done, 1 not done, 2 the configuration or the command line is wrong.";

/// Carries out one act: by the socket if a gateway answers there, else with the stores that `direct` opens. `direct`
/// must fail where a gateway holds the stores' lock: two writers would not know of each other's caches.
/// `secret` reads what `env:NAME` or `file:PATH` stands for.
pub async fn manage<E: Display>(
    command: Command,
    json: bool,
    socket: &Path,
    secret: &Read<'_>,
    direct: impl AsyncFnOnce() -> Result<Admin, E>,
) -> ExitCode {
    if let Command::Import(ImportCommand::ToolMfa(import)) = command {
        let mut hand = Hand { socket, direct: Some(direct), opened: None };
        let told = tool_mfa::gather(import, secret, SystemClock.now(), async |batch| hand.carry_out(batch).await).await;
        hand.let_go().await;
        return tell(told, json);
    }
    let command = match complete(command, &mut Console, &SystemRng) {
        Ok(command) => command,
        Err(why) => return fail(&why),
    };
    tell(carry_out(command, socket, direct).await, json)
}

/// The one act that nobody but a running gateway can carry out.
pub async fn reload(json: bool, socket: &Path) -> ExitCode {
    let asked = socket::ask(socket, &Command::Reload).await;
    let told = match asked {
        Ok(socket::Asked::Reply(reply)) => Ok(reply),
        Ok(socket::Asked::Refused(why)) => Err(why),
        Ok(socket::Asked::Nobody) => Err(format!("nobody answers on {}: {}", socket.display(), AdminError::NotRunning)),
        Err(error) => Err(format!("the gateway could not be asked by {}: {error}", socket.display())),
    };
    tell(told, json)
}

/// What was answered, to standard output or, where it was not done, to standard error.
pub fn tell(told: Result<Reply, String>, json: bool) -> ExitCode {
    match told {
        Ok(reply) => {
            let text = match json {
                true => format!("{}\n", serde_json::to_string_pretty(&reply).unwrap_or_default()),
                false => reply.to_string(),
            };
            let said = say(&text);
            if reply.is_success() { said } else { ExitCode::from(FAILED) }
        }
        Err(error) => fail(&error),
    }
}

pub(super) async fn carry_out<E: Display>(
    command: Command,
    socket: &Path,
    direct: impl AsyncFnOnce() -> Result<Admin, E>,
) -> Result<Reply, String> {
    let mut hand = Hand { socket, direct: Some(direct), opened: None };
    let result = hand.carry_out(command).await;
    hand.let_go().await;
    result
}

/// By which acts are carried out: the socket, or the stores once they had to be opened.
struct Hand<'a, F> {
    socket: &'a Path,
    direct: Option<F>,
    opened: Option<Admin>,
}

impl<F: AsyncFnOnce() -> Result<Admin, E>, E: Display> Hand<'_, F> {
    async fn carry_out(&mut self, command: Command) -> Result<Reply, String> {
        let shown = self.socket.display();
        if self.opened.is_none() {
            match socket::ask(self.socket, &command).await {
                Ok(socket::Asked::Reply(reply)) => return Ok(reply),
                Ok(socket::Asked::Refused(why)) => return Err(why),
                Ok(socket::Asked::Nobody) => {}
                Err(error) => return Err(format!("the gateway could not be asked by {shown}: {error}")),
            }
        }
        if let Some(direct) = self.direct.take() {
            self.opened = Some(direct().await.map_err(|error| {
                format!("no gateway answers on {shown}, and the stores cannot be opened directly: {error}")
            })?);
        }
        let admin = self.opened.as_ref().ok_or("the stores could not be opened")?;
        let uid = tokio::net::UnixStream::pair().and_then(|pair| pair.0.peer_cred()).map_or(u32::MAX, |c| c.uid());
        admin.execute(Operator { uid }, command).await.map_err(|error| error.to_string())
    }

    /// The process ends after this: what was recorded must be on disk.
    async fn let_go(self) {
        if let Some(admin) = self.opened {
            crate::lms::farewell::drain().await;
            admin.audit.flush().await;
        }
    }
}

/// What a running gateway, or else the stores, know of these names; with whom was asked. `Err`: nobody could be.
pub async fn facts<E: Display>(
    about: About,
    socket: &Path,
    direct: impl AsyncFnOnce() -> Result<Admin, E>,
) -> Result<(Facts, &'static str), String> {
    let running = tokio::net::UnixStream::connect(socket).await.is_ok();
    let asked = if running { "the running gateway's" } else { "the database's" };
    match carry_out(Command::Source(SourceCommand::Facts(about)), socket, direct).await? {
        Reply::Facts(facts) => Ok((facts, asked)),
        _ => Err("the gateway that runs is of another version".to_owned()),
    }
}

/// To standard output. A reader that went away (`| head`) is no failure.
pub fn say(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(FAILED),
        _ => ExitCode::from(OK),
    }
}

/// To standard error, with the exit code for an act that was not done.
pub fn fail(why: &dyn Display) -> ExitCode {
    complain(why, FAILED)
}

pub fn complain(why: &dyn Display, code: u8) -> ExitCode {
    // Where standard error is closed there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{AccountCommand, SessionCommand, SessionTarget, User};
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Task, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.task)
    }

    #[test]
    fn the_words_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_examples_in_the_help_are_commands() {
        let lines = EXAMPLES.lines().filter_map(|line| line.strip_prefix("  vestibule "));
        let mut tried = 0;
        for line in lines {
            let words = line.split("   ").next().unwrap();
            parse(&format!("vestibule {words}")).unwrap_or_else(|error| panic!("{words}: {error}"));
            tried += 1;
        }
        assert_eq!(tried, 23);
    }

    #[test]
    fn a_command_is_the_same_on_the_socket() {
        let Task::Manage(command) = parse("vestibule account show alice").unwrap() else { panic!() };
        assert_eq!(command, Command::Account(AccountCommand::Show(User { user: "alice".into() })));
        let json = serde_json::to_string(&command).unwrap();
        assert_eq!(json, r#"{"account":{"show":{"user":"alice"}}}"#);
        assert_eq!(serde_json::from_str::<Command>(&json).unwrap(), command);
        let Task::Manage(command) = parse("vestibule session revoke --account bob").unwrap() else { panic!() };
        let target = SessionTarget { key: None, account: Some("bob".into()) };
        assert_eq!(command, Command::Session(SessionCommand::Revoke(target)));
    }

    #[test]
    fn a_revocation_without_target_is_not_understood() {
        assert!(parse("vestibule session revoke").is_err());
        assert!(parse("vestibule session revoke abcdef --account bob").is_err());
        assert!(parse("vestibule session revoke --acount bob").is_err());
    }

    #[test]
    fn a_sessions_key_may_begin_with_a_hyphen() {
        for key in ["-bcdef", "--cdef"] {
            let Task::Manage(command) = parse(&format!("vestibule session revoke {key}")).unwrap() else { panic!() };
            let target = SessionTarget { key: Some(key.into()), account: None };
            assert_eq!(command, Command::Session(SessionCommand::Revoke(target)));
        }
    }
}
