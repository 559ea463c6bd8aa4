//! `campus --listen 127.0.0.1:8081 --public-url https://localhost:8443`
//!
//! One line per request on standard output; ends on SIGINT and SIGTERM. With `--trusted-header NAME`, or
//! CAMPUS_TRUSTED_HEADER, auth_shibboleth is enabled and believes that header (and NAME-Firstname, NAME-Lastname,
//! NAME-Email).

use campus::{Campus, Options};
use std::io::Write;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: campus [--listen ADDRESS:PORT] [--public-url URL] [--trusted-header NAME]";

#[tokio::main]
async fn main() -> ExitCode {
    let (options, trusted) = match options(std::env::args().skip(1)) {
        Ok(told) => told,
        Err(problem) => return fail(&format!("{problem}\n{USAGE}"), 2),
    };
    match run(options, trusted).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(&problem.to_string(), 1),
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<(Options, Option<String>), String> {
    let mut listen = "127.0.0.1:8081".to_owned();
    let mut public_url = "https://localhost:8443".to_owned();
    let mut trusted = std::env::var("CAMPUS_TRUSTED_HEADER").unwrap_or_default();
    while let Some(flag) = arguments.next() {
        let place = match flag.as_str() {
            "--listen" => &mut listen,
            "--public-url" => &mut public_url,
            "--trusted-header" => &mut trusted,
            other => return Err(format!("unknown argument {other}")),
        };
        *place = arguments.next().ok_or(format!("{flag} needs a value"))?;
    }
    let listen = listen.parse().map_err(|_| format!("{listen} is no address with a port"))?;
    Ok((Options { listen, public_url }, Some(trusted).filter(|name| !name.is_empty())))
}

async fn run(options: Options, trusted: Option<String>) -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let url = options.public_url.clone();
    let campus = Campus::start(options).await?;
    // the demonstration keeps no log and shows no identity provider that is not there
    campus.settings(|settings| {
        settings.keep_requests = 0;
        settings.access_log = true;
        settings.oauth2 = false;
        settings.webservice_auth = false;
        settings.header_log_user = 3;
    });
    campus.trust_header(trusted.as_deref());
    writeln!(std::io::stdout(), "campus listens on http://{} for {url}", campus.addr())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    campus.stop().await;
    Ok(())
}

fn fail(problem: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "campus: {problem}");
    ExitCode::from(code)
}
