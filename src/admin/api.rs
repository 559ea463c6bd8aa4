//! What administration does, whoever asks: the command line by the socket, or directly while no gateway runs.

use super::{
    HelpError, ImportCommand,
    command::{
        AccountCommand, Command, FactorCommand, KeysCommand, LineProblem, Listing, ListingOf, MailCommand,
        SessionCommand, SessionTarget, TokenCommand,
    },
    devices::DeviceRow,
    keyfile::{self, KeyfileError},
    methods::MethodError,
    reload::{NotReloaded, Reloads},
    reply::{AccountRow, AccountSheet, HeaderSheet, Reply, SessionRow, TokenRow, devices, short},
    source::SharedChain,
};
use crate::{
    accounts::{Account, AccountStore, State},
    audit::{Audit, AuditStore, Context, Event},
    chain::local::LocalStore,
    keys::SharedKeyring,
    mfa::{
        enrolment::EnrolmentStore,
        exemption::ExemptionStore,
        factors::device::DeviceStore,
        help_desk::{enrolment_code_digest, generate_enrolment_code, shown_enrolment_code},
        known::KnownStore,
        marks::MarkStore,
        takeover::TakeoverStore,
    },
    outbound::mail::{self, Mailer, Message},
    sessions::{Session, SessionStore},
    tokens::LedgerStore,
    types::{AccountId, Clock, LmsUserId, Rng, SiteName, SourceId, TokenId, Unavailable},
};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// Everything administration touches.
pub struct Admin {
    pub accounts: Arc<dyn AccountStore>,
    pub enrolments: Arc<dyn EnrolmentStore>,
    pub devices: Arc<dyn DeviceStore>,
    pub marks: Arc<dyn MarkStore>,
    pub known: Arc<dyn KnownStore>,
    pub exemptions: Arc<dyn ExemptionStore>,
    pub takeovers: Arc<dyn TakeoverStore>,
    pub sessions: Arc<dyn SessionStore>,
    pub ledger: Arc<dyn LedgerStore>,
    pub locals: Arc<dyn LocalStore>,
    /// The instances of kind `local`, as configured now.
    pub local_sources: Arc<dyn Fn() -> Vec<SourceId> + Send + Sync>,
    /// What is to be known of each site.
    pub places: Vec<Place>,
    pub keyring: SharedKeyring,
    pub keys_file: PathBuf,
    /// Those of gateway.yaml.
    pub sites: Vec<SiteName>,
    pub audit: Audit,
    /// The database's copy of what was recorded.
    pub trail: Arc<dyn AuditStore>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    pub mailer: Mailer,
    pub chain: SharedChain,
    /// `mfa.help_desk_code_hours`.
    pub enrolment_code_life: Duration,
    /// `None` where no gateway runs.
    pub reloads: Option<Reloads>,
}

/// A site, for acts on bindings and for letters.
#[derive(Clone, Debug)]
pub struct Place {
    pub site: SiteName,
    /// The public host its people know.
    pub host: String,
    /// The instances that are asked for its visitors.
    pub sources: Vec<SourceId>,
    /// The LMS's guest, who is nobody.
    pub guest: LmsUserId,
}

/// Who asks: the Unix user at the other end of the socket, for the audit log.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    pub uid: u32,
}

impl Operator {
    fn name(self) -> String {
        format!("uid {}", self.uid)
    }
}

/// Why it was not done. All of these are told to the operator as they stand.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("there is no account \"{0}\"; an account appears when somebody signs in for the first time")]
    NoAccount(String),
    #[error("\"{name}\" is the name of several accounts; say which by its id:\n{candidates}")]
    Ambiguous { name: String, candidates: Box<Reply> },
    #[error("no session's key begins with \"{0}\"")]
    NoSession(String),
    #[error("give at least 6 characters of the session's key")]
    ShortKey,
    #[error("several sessions' keys begin with \"{0}\"; give more of it")]
    AmbiguousSession(String),
    #[error("there is no live token \"{0}\"")]
    NoToken(String),
    #[error("there is no site \"{name}\" here; known: {known}. For one that was just added run `vestibule init`")]
    NoSite { name: String, known: String },
    #[error("chain.instances has no \"{name}\"{}", has(known))]
    NoSource { name: String, known: Vec<SourceId> },
    #[error("there is no rule \"{name}\"; known: {}", known.join(", "))]
    NoRule { name: String, known: Vec<String> },
    #[error("{0}")]
    Refused(String),
    #[error("name a session or an account")]
    NoTarget,
    #[error("{done}, but then: {cause}; do it again when the store answers")]
    Half { done: &'static str, cause: Unavailable },
    #[error("chain.instances has no \"{name}\" of kind local{}", has(known))]
    NotLocal { name: String, known: Vec<SourceId> },
    #[error("\"{0}\" can be nobody's user name: letters, digits and . _ - @ + make one")]
    BadName(String),
    #[error("{instance} has no \"{user}\"; `vestibule account add` makes one")]
    NoLocal { instance: SourceId, user: String },
    #[error("{instance} has a \"{user}\" already; `vestibule account passwd` gives another password")]
    LocalExists { instance: SourceId, user: String },
    #[error("there is no password")]
    NoPassword,
    #[error("{0}")]
    BadAccount(String),
    #[error("no trusted device {0}")]
    NoDevice(String),
    #[error("nothing was written:\n{}", lines(.0))]
    Import(Vec<LineProblem>),
    #[error("nothing was written: meanwhile somebody else added an account of the same name")]
    ImportRace,
    #[error(transparent)]
    Help(#[from] HelpError),
    #[error(transparent)]
    Method(#[from] MethodError),
    #[error(transparent)]
    Store(#[from] Unavailable),
    #[error(transparent)]
    Keyring(#[from] KeyfileError),
    #[error(transparent)]
    Mail(#[from] mail::TestError),
    #[error(transparent)]
    Reload(#[from] NotReloaded),
    #[error("no gateway runs here: there is nothing to reload, the next start reads the file")]
    NotRunning,
}

/// How many sessions or tokens are searched for one by its key.
const SEARCHED: u32 = 100_000;

impl Admin {
    pub async fn execute(&self, by: Operator, command: Command) -> Result<Reply, AdminError> {
        match command {
            Command::Account(command) => self.account(by, command).await,
            Command::Binding(command) => self.bindings(by, command).await,
            Command::Factor(FactorCommand::List(who)) => self.list_factors(&who.user).await,
            Command::Factor(FactorCommand::Revoke(target)) => self.revoke_factor(by, &target).await,
            Command::Factor(FactorCommand::IssueEnrolmentCode(who)) => self.issue_code(by, &who.user).await,
            Command::Device(command) => self.device(by, command).await,
            Command::Mfa(command) => self.mfa(command).await,
            Command::Import(ImportCommand::ToolMfa(import)) => self.import_tool_mfa(by, import).await,
            Command::Session(SessionCommand::List(of)) => self.list_sessions(of).await,
            Command::Session(SessionCommand::Revoke(target)) => self.revoke_sessions(by, target).await,
            Command::Token(TokenCommand::List(of)) => self.list_tokens(of).await,
            Command::Token(TokenCommand::Revoke(target)) => self.revoke_token(by, &target.id).await,
            Command::Keys(KeysCommand::Rotate) => self.rotate_keys(by).await,
            Command::Keys(KeysCommand::RotateHeader(named)) => self.rotate_header(by, &named.site).await,
            Command::Source(command) => self.source(by, command).await,
            Command::Explain(command) => self.explain(command).await,
            Command::Mail(MailCommand::Test(to)) => Ok(Reply::Steps { steps: self.mailer.test(&to.to).await? }),
            Command::Reload => self.reload(by).await,
        }
    }

    /// The gateway itself audits it, because a signal may ask for it too.
    async fn reload(&self, by: Operator) -> Result<Reply, AdminError> {
        let reloads = self.reloads.as_ref().ok_or(AdminError::NotRunning)?;
        Ok(Reply::Reloaded(reloads.ask(by.name()).await?))
    }

    async fn account(&self, by: Operator, command: AccountCommand) -> Result<Reply, AdminError> {
        match command {
            AccountCommand::List(Listing { limit, after }) => {
                let after = after.map(AccountId::new);
                let accounts = self.accounts.list(after.as_ref(), limit).await?;
                Ok(Reply::Accounts(accounts.iter().map(AccountRow::of).collect()))
            }
            AccountCommand::Show(who) => self.show(&self.find(&who.user).await?).await,
            AccountCommand::Disable(who) => self.disable(by, &self.find(&who.user).await?).await,
            AccountCommand::Enable(who) => self.enable(by, &self.find(&who.user).await?).await,
            AccountCommand::Unlock(who) => self.unlock(by, &self.find(&who.user).await?).await,
            AccountCommand::ResetFactors(who) => self.reset_factors(by, &self.find(&who.user).await?).await,
            AccountCommand::Bypass(bypass) => self.bypass(by, bypass).await,
            AccountCommand::Exempt(exempt) => self.exempt(by, exempt).await,
            AccountCommand::Add(new) => self.add_local(by, new).await,
            AccountCommand::Passwd(set) => self.set_local_password(by, set).await,
            AccountCommand::Import(import) => self.import_locals(by, import).await,
            AccountCommand::BreakGlass(who) => self.break_glass(by, who).await,
            AccountCommand::Methods(who) => self.methods(&self.find(&who.user).await?).await,
            AccountCommand::Link(link) => self.link_method(by, link).await,
            AccountCommand::Unlink(which) => self.unlink_method(by, which).await,
            AccountCommand::MakePrimary(which) => self.make_primary(by, which).await,
            AccountCommand::Merge(merge) => self.merge_accounts(by, merge).await,
            AccountCommand::ImportLinks(import) => self.import_links(by, import).await,
        }
    }

    /// By id, or by canonical user name. A name may be several people's: sources do not know each other.
    pub(super) async fn find(&self, user: &str) -> Result<Account, AdminError> {
        let user = user.trim();
        if user.len() == 32
            && user.bytes().all(|b| b.is_ascii_hexdigit())
            && let Some(account) = self.accounts.account(&AccountId::new(user.to_ascii_lowercase())).await?
        {
            return Ok(account);
        }
        let mut found = self.accounts.by_username(user).await?;
        if found.is_empty() {
            found = self.accounts.by_username(&user.to_lowercase()).await?;
        }
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(AdminError::NoAccount(user.to_owned())),
            (Some(account), true) => Ok(account),
            (Some(account), false) => {
                found.push(account);
                let candidates = Box::new(Reply::Accounts(found.iter().map(AccountRow::of).collect()));
                Err(AdminError::Ambiguous { name: user.to_owned(), candidates })
            }
        }
    }

    async fn show(&self, account: &Account) -> Result<Reply, AdminError> {
        let enrolments = self.enrolments.enrolments(&account.id).await?;
        let methods = self.accounts.methods(&account.id).await?;
        let sessions = self.sessions.of_account(&account.id).await?;
        let tokens = self.ledger.of_account(&account.id).await?;
        let trusted = self.trusted(account).await?;
        Ok(Reply::Account(Box::new(AccountSheet {
            account: AccountRow::of(account),
            username_verified: account.username_verified,
            email: account.email.clone(),
            epoch: account.epoch,
            methods: methods.iter().map(|method| format!("{}: {}", method.source, method.subject)).collect(),
            factors: devices(&enrolments),
            recovery_codes_left: enrolments.recovery_left,
            enrols_by_help_desk_only: account.enrol_by_help_desk_only,
            locked: self.locked(account).await?,
            disowned: self.marks.last_disowned(&account.id).await?.map(short),
            exemptions: self.exemptions_of(account).await?,
            sessions: sessions.iter().map(SessionRow::of).collect(),
            tokens: tokens.iter().map(TokenRow::of).collect(),
            devices: trusted.iter().map(DeviceRow::of).collect(),
        })))
    }

    async fn disable(&self, by: Operator, account: &Account) -> Result<Reply, AdminError> {
        // The state first: it raises the epoch, so nothing new begins while the rest is cleared away.
        self.accounts.set_state(&account.id, State::Suspended).await?.ok_or_else(|| gone(account))?;
        self.note(by, Event::AccountState { account: account.id.clone(), state: State::Suspended.as_str() });
        let (sessions, tokens) = self.sign_out(account, "the account is switched off").await?;
        Ok(done(format!(
            "{} is switched off; {} and {} have ended",
            AccountRow::of(account).called(),
            count(sessions, "session"),
            count(tokens, "app token")
        )))
    }

    async fn enable(&self, by: Operator, account: &Account) -> Result<Reply, AdminError> {
        self.accounts.set_state(&account.id, State::Active).await?.ok_or_else(|| gone(account))?;
        self.note(by, Event::AccountState { account: account.id.clone(), state: State::Active.as_str() });
        Ok(done(format!("{} may sign in again", AccountRow::of(account).called())))
    }

    async fn reset_factors(&self, by: Operator, account: &Account) -> Result<Reply, AdminError> {
        self.enrolments.reset(&account.id).await?;
        self.note(by, Event::FactorsReset { account: account.id.clone() });
        let epoch = self.accounts.raise_epoch(&account.id).await;
        epoch
            .map_err(|cause| AdminError::Half { done: "the factors are gone", cause })?
            .ok_or_else(|| gone(account))?;
        self.note(by, Event::EpochRaised { account: account.id.clone(), reason: "factors_reset" });
        self.tell(account, |site| Message::FactorsReset { site }).await;
        let (sessions, tokens) = self.sign_out(account, "the factors are gone").await?;
        let row = AccountRow::of(account);
        Ok(done(format!(
            "{0} has no factors any more; {1} and {2} have ended. Next: vestibule factor issue-enrolment-code {0}",
            row.called(),
            count(sessions, "session"),
            count(tokens, "app token")
        )))
    }

    pub(super) async fn sign_out(&self, account: &Account, so_far: &'static str) -> Result<(usize, usize), AdminError> {
        let half = |cause| AdminError::Half { done: so_far, cause };
        let sessions = self.sessions.remove_account(&account.id).await.map_err(half)?;
        let tokens = self.ledger.revoke_account(&account.id, self.clock.now()).await.map_err(half)?;
        self.devices.forget_all(&account.id).await.map_err(half)?;
        Ok((sessions, tokens))
    }

    async fn issue_code(&self, by: Operator, user: &str) -> Result<Reply, AdminError> {
        let account = self.find(user).await?;
        let code = generate_enrolment_code(&*self.rng);
        let digest = enrolment_code_digest(&self.keyring.load(), &account.id, code.expose());
        let expires = self.clock.now().plus(self.enrolment_code_life);
        self.enrolments.put_enrolment_code(&account.id, &digest, expires).await?;
        self.note(by, Event::EnrolmentCodeIssued { account: account.id.clone() });
        Ok(Reply::EnrolmentCode {
            account: AccountRow::of(&account),
            code: shown_enrolment_code(&code).expose().clone(),
            expires: short(expires),
        })
    }

    async fn list_sessions(&self, of: ListingOf) -> Result<Reply, AdminError> {
        let limit = usize::try_from(of.limit).unwrap_or(usize::MAX);
        let mut sessions = match of.account {
            Some(user) => self.sessions.of_account(&self.find(&user).await?.id).await?,
            None => self.sessions.list(limit).await?,
        };
        sessions.sort_by_key(|session| std::cmp::Reverse(session.last_used));
        let mut rows: Vec<SessionRow> = sessions.iter().take(limit).map(SessionRow::of).collect();
        for row in &mut rows {
            // A name that was only typed stands in the account, not in the session; a help desk knows people by it.
            if let (None, Some(id)) = (&row.username, &row.account) {
                row.username = self.accounts.account(&AccountId::new(id)).await?.and_then(|account| account.username);
            }
        }
        Ok(Reply::Sessions(rows))
    }

    async fn revoke_sessions(&self, by: Operator, target: SessionTarget) -> Result<Reply, AdminError> {
        let ending = match (target.key, target.account) {
            (Some(key), None) => vec![self.session(&key).await?],
            (None, Some(user)) => self.sessions.of_account(&self.find(&user).await?.id).await?,
            (None, None) | (Some(_), Some(_)) => return Err(AdminError::NoTarget),
        };
        let mut ended = 0;
        for session in &ending {
            if self.sessions.remove(&session.key).await? {
                ended += 1;
                let account = session.account().cloned();
                self.note(by, Event::SessionRevoked { account, session: session.key.short().to_owned() });
            }
        }
        Ok(done(format!("ended: {}", count(ended, "session"))))
    }

    async fn session(&self, prefix: &str) -> Result<Session, AdminError> {
        if prefix.len() < 6 {
            return Err(AdminError::ShortKey);
        }
        let all = self.sessions.list(SEARCHED as usize).await?;
        let mut found = all.into_iter().filter(|session| session.key.as_str().starts_with(prefix));
        match (found.next(), found.next()) {
            (None, _) => Err(AdminError::NoSession(prefix.to_owned())),
            (Some(session), None) => Ok(session),
            (Some(_), Some(_)) => Err(AdminError::AmbiguousSession(prefix.to_owned())),
        }
    }

    async fn list_tokens(&self, of: ListingOf) -> Result<Reply, AdminError> {
        let mut tokens = match of.account {
            Some(user) => self.ledger.of_account(&self.find(&user).await?.id).await?,
            None => self.ledger.list(of.limit).await?,
        };
        tokens.truncate(usize::try_from(of.limit).unwrap_or(usize::MAX));
        Ok(Reply::Tokens(tokens.iter().map(TokenRow::of).collect()))
    }

    async fn revoke_token(&self, by: Operator, id: &str) -> Result<Reply, AdminError> {
        let id = TokenId::new(id);
        let known = self.ledger.list(SEARCHED).await?.into_iter().find(|token| token.id == id);
        let live = self.ledger.revoke(&id, self.clock.now()).await?;
        match known {
            Some(token) if live > 0 => {
                self.note(by, Event::TokenRevoked { account: token.account, token: id });
                Ok(done(format!("revoked: {}, counting those that came from it", count(live, "app token"))))
            }
            _ => Err(AdminError::NoToken(id.to_string())),
        }
    }

    async fn rotate_keys(&self, by: Operator) -> Result<Reply, AdminError> {
        let ring = keyfile::rotate(&self.keys_file, &self.keyring.load(), &*self.rng, self.clock.now())?;
        let key = ring.keys().last().map(|key| key.id.clone()).unwrap_or_default();
        self.keyring.store(Arc::new(ring));
        self.note(by, Event::KeysRotated { key: key.clone() });
        Ok(done(format!(
            "key {key} seals and signs from now on. Copy {0} to all other nodes and restart them, and back it up: \
             what is sealed from now on opens with no older copy of {0}",
            self.keys_file.display()
        )))
    }

    /// The name is printed once, because the LMS has to be told it, and recorded nowhere.
    async fn rotate_header(&self, by: Operator, name: &str) -> Result<Reply, AdminError> {
        let Some(site) = self.sites.iter().find(|site| site.as_str() == name) else {
            let known: Vec<&str> = self.sites.iter().map(SiteName::as_str).collect();
            return Err(AdminError::NoSite { name: name.to_owned(), known: known.join(", ") });
        };
        let in_use = self.keyring.load();
        let (ring, header) = keyfile::rotate_header(&self.keys_file, &in_use, site, &*self.rng)?;
        self.keyring.store(Arc::new(ring));
        self.note(by, Event::HeaderRotated { site: site.clone() });
        Ok(Reply::Header(HeaderSheet::of(site, &header, &self.keys_file)))
    }

    pub(super) fn note(&self, by: Operator, event: Event) {
        self.audit.record(Context { by: Some(by.name()), ..Context::default() }, event);
    }
}

pub(super) fn done(said: String) -> Reply {
    Reply::Done { said }
}

pub(super) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

pub(super) fn gone(account: &Account) -> AdminError {
    AdminError::NoAccount(account.id.to_string())
}

pub(super) fn has(known: &[SourceId]) -> String {
    let names: Vec<&str> = known.iter().map(SourceId::as_str).collect();
    if names.is_empty() { String::new() } else { format!("; it has {}", names.join(", ")) }
}

fn lines(problems: &[LineProblem]) -> String {
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("line {}: {}", problem.line, problem.what)).collect();
    lines.join("\n")
}
