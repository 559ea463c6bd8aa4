//! `campus --listen 127.0.0.1:8081 --public-url https://localhost:8443`
//!
//! One line per request on standard output; ends on SIGINT and SIGTERM.

use campus::{Campus, Options};
use std::io::Write;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: campus [--listen ADDRESS:PORT] [--public-url URL]";

#[tokio::main]
async fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => return fail(&format!("{problem}\n{USAGE}"), 2),
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(&problem.to_string(), 1),
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut listen = "127.0.0.1:8081".to_owned();
    let mut public_url = "https://localhost:8443".to_owned();
    while let Some(flag) = arguments.next() {
        let place = match flag.as_str() {
            "--listen" => &mut listen,
            "--public-url" => &mut public_url,
            other => return Err(format!("unknown argument {other}")),
        };
        *place = arguments.next().ok_or(format!("{flag} needs a value"))?;
    }
    Ok(Options { listen: listen.parse().map_err(|_| format!("{listen} is no address with a port"))?, public_url })
}

async fn run(options: Options) -> std::io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let url = options.public_url.clone();
    let campus = Campus::start(options).await?;
    // the demonstration keeps no log and shows no identity provider that is not there
    campus.settings(|settings| {
        settings.keep_requests = 0;
        settings.access_log = true;
        settings.shibboleth = false;
        settings.oauth2 = false;
        settings.webservice_auth = false;
        settings.header_log_user = 3;
    });
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
