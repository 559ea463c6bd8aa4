//! Arguments → configuration → the gateway, or one act of administration.

use clap::Parser;
use std::{future::Future, path::Path, process::ExitCode};
use vestibule::{
    admin::{
        self, Command, KeysCommand, MfaCommand, Plan, Reply,
        cli::{self, CertificateTask, Check, Cli, Init, Task},
        probe::Weight,
    },
    app,
    config::{self, Config, Loaded, Machine},
    edge::Certificate,
    lms::SignIn,
    store, telemetry,
    types::{Clock, SiteName, SystemClock, SystemRng},
};

fn main() -> ExitCode {
    // First of all: the data plane would install another provider, and the first one wins.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let Cli { config, json, task } = Cli::parse();
    match task {
        Task::Serve => with_config(&config, serve),
        Task::Check(what) => with_config(&config, |loaded| check(loaded, &what)),
        Task::Init(Init { names }) => init(&config, &names),
        Task::Certificate(CertificateTask::Development { names, chain, key }) => {
            match admin::development_certificate(&Certificate { chain, key }, &names, SystemClock.now()) {
                Ok(said) => cli::say(&format!("{said}\n")),
                Err(error) => cli::fail(&error),
            }
        }
        // What this one makes may be all that is missing.
        Task::Manage(command @ Command::Keys(KeysCommand::RotateHeader(_))) => {
            without_machine(&config, |loaded| manage(loaded, command, json))
        }
        // What is wrong with the file is the running gateway's to say.
        Task::Manage(Command::Reload) => match config::admin_socket(&config, SystemClock.now()) {
            Ok(socket) => block_on(cli::reload(json, &socket)),
            Err(invalid) => cli::complain(&invalid, cli::FAILED),
        },
        // Of the file as it is, whatever runs.
        Task::Manage(Command::Mfa(MfaCommand::Combinations(of))) => without_machine(&config, |loaded| {
            let told = admin::combinations(&app::policy(&loaded.config), &of);
            cli::tell(told.map(Reply::Combinations).map_err(|error| error.to_string()), json)
        }),
        Task::Manage(command) => with_config(&config, |loaded| manage(loaded, command, json)),
    }
}

fn with_config(path: &Path, then: impl FnOnce(Loaded) -> ExitCode) -> ExitCode {
    match config::load(path, SystemClock.now(), &Machine) {
        Ok(loaded) => then(loaded),
        Err(invalid) => cli::complain(&invalid, cli::MISCONFIGURED),
    }
}

/// The same before the files it names are as they should be.
fn without_machine(path: &Path, then: impl FnOnce(Loaded) -> ExitCode) -> ExitCode {
    match config::load_before_init(path, SystemClock.now()) {
        Ok(loaded) => then(loaded),
        Err(invalid) => cli::complain(&invalid, cli::MISCONFIGURED),
    }
}

fn manage(Loaded { config, .. }: Loaded, command: Command, json: bool) -> ExitCode {
    block_on(async {
        let secret = |text: &str| config::resolve(text).map_err(|error| error.to_string());
        let direct = async || app::administration(&config).await;
        cli::manage(command, json, &config.admin.socket, &secret, direct).await
    })
}

fn serve(Loaded { config, warnings }: Loaded) -> ExitCode {
    telemetry::init(&config.telemetry);
    for warning in &warnings {
        tracing::warn!(line = warning.line, "gateway.yaml: {}: {}; {}", warning.path, warning.what, warning.fix);
    }
    block_on(async {
        match app::serve(config).await {
            Ok(()) => ExitCode::from(cli::OK),
            Err(error) => cli::fail(&error),
        }
    })
}

fn check(Loaded { config, warnings }: Loaded, what: &Check) -> ExitCode {
    let warnings: String = warnings.iter().map(|warning| format!("{warning}\n")).collect();
    let gap = if warnings.is_empty() { "" } else { "\n" };
    cli::say(&format!("{warnings}{gap}{}", config::explain(&config, SystemClock.now())));
    let accounts = block_on(accounts(&config));
    if accounts == ExitCode::from(cli::OK) && what.probe {
        block_on(probe(&config, what.as_user.as_deref()))
    } else {
        accounts
    }
}

/// Whether the accounts there are can live with this configuration.
async fn accounts(config: &Config) -> ExitCode {
    let direct = async || app::administration_as_it_is(config).await;
    match cli::facts(config::about(config), &config.admin.socket, direct).await {
        Err(why) => cli::say(&format!("  accounts  not looked at: {why}\n")),
        Ok((facts, whose)) => {
            let problems = config::check_accounts(config, &facts);
            if problems.is_empty() {
                return cli::say(&format!("  accounts  {whose} can all live with this\n"));
            }
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            cli::complain(&format!("held against {whose} accounts:\n{}", told.join("\n")), cli::MISCONFIGURED)
        }
    }
}

/// Warnings are the operator's to weigh; what is certainly wrong is a failure.
async fn probe(config: &Config, as_user: Option<&str>) -> ExitCode {
    match app::probe(config, as_user).await {
        Err(error) => cli::fail(&error),
        Ok(reports) => {
            for report in &reports {
                cli::say(&format!("\n{report}"));
            }
            let bad = reports.iter().any(|report| report.worst() == Weight::Bad);
            ExitCode::from(if bad { cli::FAILED } else { cli::OK })
        }
    }
}

fn init(path: &Path, names: &[String]) -> ExitCode {
    without_machine(path, |Loaded { config, .. }| {
        let header_sites: Vec<SiteName> =
            config.sites.iter().filter(|site| site.sign_in == SignIn::Header).map(|site| site.name.clone()).collect();
        let plan = Plan {
            folders: folders(&config),
            keys_file: &config.keys.file,
            certificates: &config.edge.certificates,
            header_sites: &header_sites,
            names,
        };
        match admin::init(&plan, &SystemRng, SystemClock.now()) {
            Ok(said) if said.is_empty() => cli::say("nothing was missing\n"),
            Ok(said) => cli::say(&format!("{}\n", said.join("\n"))),
            Err(error) => cli::fail(&error),
        }
    })
}

/// Where the gateway writes.
fn folders(config: &Config) -> Vec<std::path::PathBuf> {
    let store::Config { directory, database, .. } = &config.store;
    let file =
        |text: &str| text.strip_prefix("sqlite:").map(|path| Path::new(path.trim_start_matches("//")).to_owned());
    let audit = match &config.audit.file {
        vestibule::audit::Target::File(path) => Some(path.clone()),
        vestibule::audit::Target::Stdout => None,
    };
    let files = [file(database), audit, Some(config.admin.socket.clone())];
    let parents = files.into_iter().flatten().filter_map(|path| Some(path.parent()?.to_owned()));
    std::iter::once(directory.clone()).chain(parents).collect()
}

fn block_on(task: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("vestibule").build() {
        Ok(runtime) => runtime.block_on(task),
        Err(error) => cli::fail(&error),
    }
}
