//! The acts of administration against stores in memory, directly and through the socket.

use super::*;
use crate::{
    accounts::{Account, AccountStore, Binding, Created, Entry, Learned, Method, State, Vouched},
    audit::{Audit, AuditStore, Line, Target},
    chain::{Instance, Rules, local::memory::LocalMemory},
    keys::{Keyring, Sealed},
    limits::Throttle,
    mfa::{
        enrolment::{Claim, Enrolled, Enrolment, EnrolmentStore, Enrolments},
        exemption::{Exemption, ExemptionKind, ExemptionStore},
        help_desk::{canonical_enrolment_code, enrolment_code_digest},
        known::{Known, KnownStore},
        marks::MarkStore,
        policy::Policy,
        takeover::{TakenOver, Takeover, TakeoverStore},
    },
    outbound::mail::Mailer,
    sessions::{Identity, Session, SessionStore, Who},
    telemetry::Metrics,
    tokens::{Device, Holder, LedgerStore, TokenRecord},
    types::*,
};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::watch;

pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000);

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// All four stores, as far as administration uses them.
#[derive(Default)]
pub(super) struct Memory {
    accounts: Mutex<Vec<Account>>,
    sessions: Mutex<Vec<Session>>,
    tokens: Mutex<Vec<TokenRecord>>,
    resets: Mutex<Vec<AccountId>>,
    codes: Mutex<Vec<(AccountId, String, Timestamp)>>,
    exemptions: Mutex<Vec<Exemption>>,
    trail: Mutex<Vec<Line>>,
    methods: Mutex<Vec<(SourceId, Subject, AccountId)>>,
    /// The session store does not answer.
    down: Mutex<bool>,
}

#[async_trait]
impl AccountStore for Memory {
    async fn account(&self, id: &AccountId) -> Result<Option<Account>, Unavailable> {
        Ok(self.accounts.lock().unwrap().iter().find(|a| a.id == *id).cloned())
    }
    async fn by_username(&self, username: &str) -> Result<Vec<Account>, Unavailable> {
        let named = |a: &&Account| a.username.as_deref() == Some(username);
        Ok(self.accounts.lock().unwrap().iter().filter(named).cloned().collect())
    }
    async fn list(&self, _: Option<&AccountId>, limit: u32) -> Result<Vec<Account>, Unavailable> {
        Ok(self.accounts.lock().unwrap().iter().take(limit as usize).cloned().collect())
    }
    async fn set_state(&self, id: &AccountId, state: State) -> Result<Option<u32>, Unavailable> {
        let mut accounts = self.accounts.lock().unwrap();
        let Some(account) = accounts.iter_mut().find(|a| a.id == *id) else { return Ok(None) };
        account.epoch += u32::from(state != State::Active);
        account.state = state;
        Ok(Some(account.epoch))
    }
    async fn bar(&self, id: &AccountId, _: &SourceId, state: State) -> Result<bool, Unavailable> {
        self.set_state(id, state).await.map(|epoch| epoch.is_some())
    }
    async fn readmit(&self, _: &AccountId) -> Result<bool, Unavailable> {
        unreachable!("these tests ask no source")
    }
    async fn barred_by(&self, _: &AccountId) -> Result<Option<SourceId>, Unavailable> {
        unreachable!("these tests ask no source")
    }
    async fn kinds(&self) -> Result<Vec<(SourceId, String)>, Unavailable> {
        unreachable!("these tests ask no source")
    }
    async fn note_kind(&self, _: &SourceId, _: &str) -> Result<(), Unavailable> {
        unreachable!("these tests ask no source")
    }
    async fn raise_epoch(&self, id: &AccountId) -> Result<Option<u32>, Unavailable> {
        let mut accounts = self.accounts.lock().unwrap();
        let Some(account) = accounts.iter_mut().find(|a| a.id == *id) else { return Ok(None) };
        account.epoch += 1;
        Ok(Some(account.epoch))
    }
    async fn methods(&self, _: &AccountId) -> Result<Vec<Method>, Unavailable> {
        Ok(Vec::new())
    }
    async fn by_method(&self, source: &SourceId, subject: &Subject) -> Result<Option<Account>, Unavailable> {
        let methods = self.methods.lock().unwrap();
        let Some((_, _, id)) = methods.iter().find(|(s, t, _)| s == source && t == subject) else { return Ok(None) };
        Ok(self.accounts.lock().unwrap().iter().find(|account| account.id == *id).cloned())
    }
    async fn create(
        &self,
        account: &Account,
        method: &Method,
        _: Option<&Binding>,
        _: &[SourceId],
    ) -> Result<Created, Unavailable> {
        self.accounts.lock().unwrap().push(account.clone());
        self.method(&account.id, method.source.as_str(), method.subject.clone());
        Ok(Created::Yes)
    }
    async fn binding(&self, _: &SiteName, _: &AccountId) -> Result<Option<Binding>, Unavailable> {
        unreachable!("administration does not ask for bindings")
    }
    async fn bound_sites(&self, _: &AccountId) -> Result<Vec<SiteName>, Unavailable> {
        unreachable!("administration does not ask for bindings")
    }
    async fn bound_account(&self, _: &SiteName, _: LmsUserId) -> Result<Option<AccountId>, Unavailable> {
        unreachable!("administration does not ask for bindings")
    }
    async fn learn(&self, _: &AccountId, _: &Learned<'_>) -> Result<(), Unavailable> {
        unreachable!("administration learns nothing from sources")
    }
    async fn vouch(&self, _: &SourceId, _: &Subject, _: &Vouched<'_>) -> Result<(), Unavailable> {
        unreachable!("administration learns nothing from sources")
    }
    async fn by_email(&self, _: &str) -> Result<Vec<Account>, Unavailable> {
        unreachable!("administration finds people by name")
    }
    async fn method(&self, _: &SourceId, _: &Subject) -> Result<Option<Method>, Unavailable> {
        unreachable!("these tests link nothing")
    }
    async fn link(&self, _: &Method) -> Result<Created, Unavailable> {
        unreachable!("these tests link nothing")
    }
    async fn unlink(&self, _: &AccountId, _: &SourceId, _: &Subject) -> Result<bool, Unavailable> {
        unreachable!("these tests link nothing")
    }
    async fn make_primary(&self, _: &AccountId, _: &SourceId, _: &Subject) -> Result<bool, Unavailable> {
        unreachable!("these tests link nothing")
    }
    async fn pinned(&self) -> Result<Vec<(SourceId, u64)>, Unavailable> {
        unreachable!("these tests link nothing")
    }
    async fn methods_of(&self, _: &SourceId, _: Option<&Subject>, _: u32) -> Result<Vec<Method>, Unavailable> {
        unreachable!("these tests link nothing")
    }
    async fn move_method(&self, _: (&SourceId, &Subject), _: (&SourceId, &Subject)) -> Result<Created, Unavailable> {
        unreachable!("these tests link nothing")
    }
    async fn rename_source(&self, _: &SourceId, _: &SourceId) -> Result<Created, Unavailable> {
        unreachable!("these tests link nothing")
    }
    async fn drop_source(&self, _: &SourceId) -> Result<u64, Unavailable> {
        unreachable!("these tests link nothing")
    }
    async fn merge(&self, _: &AccountId, _: &AccountId) -> Result<Created, Unavailable> {
        unreachable!("these tests link nothing")
    }
    async fn bind(&self, _: &Binding) -> Result<Created, Unavailable> {
        unreachable!("these tests bind nothing")
    }
    async fn bindings(&self, _: &SiteName, _: Option<LmsUserId>, _: u32) -> Result<Vec<Binding>, Unavailable> {
        unreachable!("these tests bind nothing")
    }
    async fn unbind(&self, _: &SiteName, _: &AccountId) -> Result<bool, Unavailable> {
        unreachable!("these tests bind nothing")
    }
    async fn import(&self, _: &[Entry]) -> Result<Created, Unavailable> {
        unreachable!("these tests bind nothing")
    }
    async fn highest_bound(&self, _: &SiteName) -> Result<LmsUserId, Unavailable> {
        unreachable!("these tests bind nothing")
    }
}

#[async_trait]
impl MarkStore for Memory {
    async fn password_came_by_mail(&self, _: &SiteName, _: LmsUserId, _: Timestamp) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn last_mailed_password(
        &self,
        _: &AccountId,
        _: Option<(&SiteName, LmsUserId)>,
    ) -> Result<Option<Timestamp>, Unavailable> {
        Ok(None)
    }
    async fn disowned(&self, _: &AccountId, _: Timestamp) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn last_disowned(&self, _: &AccountId) -> Result<Option<Timestamp>, Unavailable> {
        Ok(None)
    }
}

#[async_trait]
impl EnrolmentStore for Memory {
    async fn enrolments(&self, _: &AccountId) -> Result<Enrolments, Unavailable> {
        Ok(Enrolments::default())
    }
    async fn reset(&self, account: &AccountId) -> Result<(), Unavailable> {
        self.resets.lock().unwrap().push(account.clone());
        Ok(())
    }
    async fn put_enrolment_code(&self, id: &AccountId, digest: &str, expires: Timestamp) -> Result<(), Unavailable> {
        self.codes.lock().unwrap().push((id.clone(), digest.to_owned(), expires));
        Ok(())
    }
    async fn enrol_first(&self, _: &Enrolment, _: &[String], _: usize) -> Result<bool, Unavailable> {
        unreachable!("administration enrols nobody")
    }
    async fn by_handle(&self, _: &str) -> Result<Option<Enrolment>, Unavailable> {
        unreachable!("administration answers no factor")
    }
    async fn enrol(&self, _: &Enrolment) -> Result<Enrolled, Unavailable> {
        unreachable!("administration enrols nobody")
    }
    async fn rename(&self, _: &AccountId, _: &EnrolmentId, _: &str) -> Result<bool, Unavailable> {
        unreachable!("administration renames no factor")
    }
    async fn remove(&self, _: &AccountId, _: &EnrolmentId) -> Result<bool, Unavailable> {
        Ok(false)
    }
    async fn suspend(&self, _: &EnrolmentId, _: bool) -> Result<bool, Unavailable> {
        unreachable!("administration suspends no factor")
    }
    async fn claim_counter(&self, _: &EnrolmentId, _: i64, _: Timestamp) -> Result<bool, Unavailable> {
        unreachable!("administration answers no factor")
    }
    async fn update_secret(&self, _: &EnrolmentId, _: &Sealed<Vec<u8>>) -> Result<(), Unavailable> {
        unreachable!("administration answers no factor")
    }
    async fn used(&self, _: &EnrolmentId, _: Timestamp) -> Result<(), Unavailable> {
        unreachable!("administration answers no factor")
    }
    async fn replace_recovery(&self, _: &AccountId, _: &[String]) -> Result<(), Unavailable> {
        unreachable!("administration makes no codes")
    }
    async fn leave_to_help_desk(&self, _: &AccountId) -> Result<(), Unavailable> {
        Ok(())
    }
    async fn claim_recovery(&self, _: &AccountId, _: &str, _: Timestamp) -> Result<Claim, Unavailable> {
        unreachable!("administration answers no factor")
    }
    async fn claim_enrolment_code(&self, _: &AccountId, _: &str, _: Timestamp) -> Result<bool, Unavailable> {
        unreachable!("administration enrols nobody")
    }
}

#[async_trait]
impl AuditStore for Memory {
    async fn append(&self, at: Timestamp, _: Option<&AccountId>, line: &str) -> Result<(), Unavailable> {
        let mut trail = self.trail.lock().unwrap();
        let number = i64::try_from(trail.len()).unwrap();
        trail.push(Line { number, at, text: line.to_owned() });
        Ok(())
    }
    async fn recent(&self, _: Option<&AccountId>, _: u32) -> Result<Vec<String>, Unavailable> {
        unreachable!("administration reads the log page by page")
    }
    async fn page(&self, before: Option<i64>, limit: u32) -> Result<Vec<Line>, Unavailable> {
        let trail = self.trail.lock().unwrap();
        let older = trail.iter().rev().filter(|line| before.is_none_or(|before| line.number < before));
        Ok(older.take(limit as usize).cloned().collect())
    }
}

#[async_trait]
impl KnownStore for Memory {
    async fn known(&self, _: &AccountId) -> Result<Arc<Known>, Unavailable> {
        Ok(Arc::default())
    }
}

#[async_trait]
impl ExemptionStore for Memory {
    async fn exempt(&self, exemption: &Exemption) -> Result<(), Unavailable> {
        self.exemptions.lock().unwrap().push(exemption.clone());
        Ok(())
    }
    async fn end_exemption(&self, account: &AccountId, kind: ExemptionKind) -> Result<bool, Unavailable> {
        let mut exemptions = self.exemptions.lock().unwrap();
        let before = exemptions.len();
        exemptions.retain(|exemption| exemption.account != *account || exemption.kind != kind);
        Ok(exemptions.len() < before)
    }
    async fn exemptions(&self, account: &AccountId) -> Result<Vec<Exemption>, Unavailable> {
        let exemptions = self.exemptions.lock().unwrap();
        Ok(exemptions.iter().filter(|exemption| exemption.account == *account).cloned().collect())
    }
}

#[async_trait]
impl TakeoverStore for Memory {
    async fn take_over(&self, _: &Takeover) -> Result<TakenOver, Unavailable> {
        unreachable!("these tests import nothing")
    }
    async fn would_take_over(&self, _: &Takeover) -> Result<TakenOver, Unavailable> {
        unreachable!("these tests import nothing")
    }
    async fn was_taken_over(&self, _: &SiteName, _: u64) -> Result<bool, Unavailable> {
        unreachable!("these tests import nothing")
    }
}

#[async_trait]
impl SessionStore for Memory {
    async fn remove(&self, key: &SessionKey) -> Result<bool, Unavailable> {
        let mut sessions = self.sessions.lock().unwrap();
        let before = sessions.len();
        sessions.retain(|s| s.key != *key);
        Ok(sessions.len() < before)
    }
    async fn remove_account(&self, account: &AccountId) -> Result<usize, Unavailable> {
        if *self.down.lock().unwrap() {
            return Err(Unavailable::state("connection refused"));
        }
        let mut sessions = self.sessions.lock().unwrap();
        let before = sessions.len();
        sessions.retain(|s| s.account() != Some(account));
        Ok(before - sessions.len())
    }
    async fn of_account(&self, account: &AccountId) -> Result<Vec<Session>, Unavailable> {
        Ok(self.sessions.lock().unwrap().iter().filter(|s| s.account() == Some(account)).cloned().collect())
    }
    async fn list(&self, limit: usize) -> Result<Vec<Session>, Unavailable> {
        Ok(self.sessions.lock().unwrap().iter().take(limit).cloned().collect())
    }
    async fn put(&self, session: &Session) -> Result<(), Unavailable> {
        self.sessions.lock().unwrap().push(session.clone());
        Ok(())
    }
    async fn get(&self, _: &SessionKey) -> Result<Option<Arc<Session>>, Unavailable> {
        unreachable!("administration uses no session")
    }
    async fn touch(&self, _: &SessionKey, _: Timestamp) -> Result<(), Unavailable> {
        unreachable!("administration uses no session")
    }
}

#[async_trait]
impl LedgerStore for Memory {
    async fn insert(&self, record: &TokenRecord) -> Result<(), Unavailable> {
        self.tokens.lock().unwrap().push(record.clone());
        Ok(())
    }
    async fn revoke(&self, id: &TokenId, at: Timestamp) -> Result<usize, Unavailable> {
        Ok(self.revoke_where(at, |token| token.id == *id))
    }
    async fn revoke_account(&self, account: &AccountId, at: Timestamp) -> Result<usize, Unavailable> {
        Ok(self.revoke_where(at, |token| token.account == *account))
    }
    async fn of_account(&self, account: &AccountId) -> Result<Vec<TokenRecord>, Unavailable> {
        Ok(self.tokens.lock().unwrap().iter().filter(|t| t.account == *account).cloned().collect())
    }
    async fn list(&self, limit: u32) -> Result<Vec<TokenRecord>, Unavailable> {
        Ok(self.tokens.lock().unwrap().iter().take(limit as usize).cloned().collect())
    }
    async fn in_use(&self, _: Timestamp, _: Timestamp, _: u32) -> Result<Vec<AccountId>, Unavailable> {
        unreachable!("these tests ask no source")
    }
    async fn by_digest(&self, _: &str) -> Result<Option<Arc<TokenRecord>>, Unavailable> {
        unreachable!("administration uses no token")
    }
    async fn by_file_digest(&self, _: &str) -> Result<Option<Arc<TokenRecord>>, Unavailable> {
        unreachable!("administration uses no token")
    }
    async fn set_file_key(&self, _: &TokenId, _: &str, _: &Sealed<String>) -> Result<(), Unavailable> {
        unreachable!("administration uses no token")
    }
    async fn touch(&self, _: &TokenId, _: Timestamp) -> Result<(), Unavailable> {
        unreachable!("administration uses no token")
    }
}

impl Memory {
    pub(super) fn method(&self, account: &AccountId, source: &str, subject: Subject) {
        self.methods.lock().unwrap().push((SourceId::new(source), subject, account.clone()));
    }
    pub(super) fn epoch(&self, account: &AccountId) -> u32 {
        self.accounts.lock().unwrap().iter().find(|a| a.id == *account).unwrap().epoch
    }
    fn revoke_where(&self, at: Timestamp, which: impl Fn(&TokenRecord) -> bool) -> usize {
        let mut tokens = self.tokens.lock().unwrap();
        let live = tokens.iter_mut().filter(|token| token.revoked.is_none() && which(token));
        live.map(|token| token.revoked = Some(at)).count()
    }
}

/// An instance of the gateway's own accounts.
fn staff() -> Instance {
    Instance {
        name: SourceId::new("staff"),
        kind: &crate::chain::sources::local::KIND,
        password: None,
        redirect: None,
        directory: None,
        deadline: Duration::from_secs(1),
        rules: Rules::default(),
        health: Arc::default(),
    }
}

/// These tests ask no source.
fn no_chain() -> Chain {
    Chain {
        configured: Vec::new(),
        instances: vec![staff()],
        sites: Vec::new(),
        sync_limit_percent: 10,
        throttle: Throttle::new(
            Arc::new(crate::limits::lane_tests::Plain::default()),
            crate::limits::Config::default(),
        ),
        policy: Policy::new(&crate::mfa::Config::default(), Default::default()),
        fault: None,
    }
}

/// A gateway's administration in a folder of its own.
pub(super) struct Desk {
    pub(super) folder: PathBuf,
    pub(super) stores: Arc<Memory>,
    pub(super) locals: Arc<LocalMemory>,
    pub(super) admin: Arc<Admin>,
}

impl Desk {
    pub(super) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("vestibule-admin-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let keys_file = folder.join("keys");
        create_keyring(&keys_file, &SystemRng, NOW).unwrap();
        let stores = Arc::new(Memory::default());
        let locals = Arc::new(LocalMemory::default());
        let audit = crate::audit::Config { file: Target::File(folder.join("audit.jsonl")), database: false };
        let admin = Admin {
            accounts: stores.clone(),
            enrolments: stores.clone(),
            devices: Arc::new(super::devices::memory::Devices::default()),
            marks: stores.clone(),
            known: stores.clone(),
            exemptions: stores.clone(),
            takeovers: stores.clone(),
            sessions: stores.clone(),
            ledger: stores.clone(),
            locals: locals.clone(),
            local_sources: Arc::new(|| vec![SourceId::new("staff")]),
            places: Vec::new(),
            keyring: Arc::new(ArcSwap::from_pointee(read_keyring(&keys_file).unwrap())),
            keys_file,
            sites: vec![SiteName::new("campus")],
            audit: Audit::new(&audit, Arc::new(FixedClock), None, Arc::new(Metrics::new())).unwrap(),
            clock: Arc::new(FixedClock),
            rng: Arc::new(SystemRng),
            mailer: Mailer::new(None),
            chain: Arc::new(ArcSwap::from_pointee(no_chain())),
            trail: stores.clone(),
            enrolment_code_life: Duration::from_secs(24 * 3600),
            reloads: None,
        };
        Self { folder, stores, locals, admin: Arc::new(admin) }
    }

    /// An account with one session and one app.
    pub(super) async fn somebody(&self, id: char, username: &str) -> AccountId {
        let account = AccountId::new(id.to_string().repeat(32));
        self.stores.accounts.lock().unwrap().push(Account {
            id: account.clone(),
            username: Some(username.to_owned()),
            username_verified: true,
            display_name: None,
            given_name: None,
            family_name: None,
            email: None,
            email_verified_by: None,
            groups: Vec::new(),
            email_before: None,
            email_changed: None,
            groups_at: None,
            state: State::Active,
            epoch: 0,
            created: NOW,
            enrol_by_help_desk_only: false,
        });
        self.stores.put(&session(&account, &format!("{id}{}", "s".repeat(42)))).await.unwrap();
        self.stores.insert(&token(&account, &id.to_string().repeat(16))).await.unwrap();
        account
    }

    async fn say(&self, line: &str) -> Result<Reply, AdminError> {
        self.admin.execute(Operator { uid: 0 }, command(line)).await
    }

    pub(super) async fn audited(&self) -> Vec<String> {
        self.admin.audit.flush().await;
        let text = std::fs::read_to_string(self.folder.join("audit.jsonl")).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(super) fn command(line: &str) -> Command {
    use clap::Parser;
    match cli::Cli::try_parse_from(format!("vestibule {line}").split(' ')).unwrap().task {
        cli::Task::Manage(command) => command,
        other => panic!("{other:?} is no act of administration"),
    }
}

fn session(account: &AccountId, key: &str) -> Session {
    let identity = Identity {
        account: account.clone(),
        epoch: 0,
        source: SourceId::new("campus-lms"),
        username: None,
        name: None,
        email: None,
        groups: Vec::new(),
    };
    Session {
        key: SessionKey::from_digest(key),
        site: SiteName::new("campus"),
        who: Who::Account(identity),
        lms: None,
        facts: Vec::new(),
        auth_time: NOW,
        created: NOW,
        last_used: NOW,
        ends: NOW,
        client: ClientAddr::new([192, 0, 2, 7].into()),
        agent: "Firefox".to_owned(),
        parent: None,
        device: None,
        no_setup: false,
        first: Default::default(),
        leaving: false,
    }
}

fn token(account: &AccountId, id: &str) -> TokenRecord {
    TokenRecord {
        id: TokenId::new(id),
        digest: "d".to_owned(),
        account: account.clone(),
        epoch: 0,
        site: SiteName::new("campus"),
        lms_user: LmsUserId(2),
        holder: Holder::default(),
        source: SourceId::new("campus-lms"),
        log_user: None,
        service: ServiceName::new("moodle_mobile_app"),
        device: Device { label: "phone".to_owned(), address: "192.0.2.7".to_owned() },
        issued: NOW,
        factor_at: None,
        amr: Amr::default(),
        unproven: None,
        last_used: NOW,
        expires: NOW,
        revoked: None,
        parent: None,
        lms_token: Sealed::from_text("sealed"),
        private_token: None,
        private_digest: None,
        file_key: None,
        file_digest: None,
    }
}

#[tokio::test]
async fn a_disabled_account_is_signed_out_everywhere_and_nobody_else_is() {
    let desk = Desk::new("disable");
    let alice = desk.somebody('a', "alice").await;
    desk.somebody('b', "bob").await;
    let said = desk.say("account disable alice").await.unwrap().to_string();
    assert_eq!(said, "alice is switched off; 1 session and 1 app token have ended\n");
    let account = desk.stores.account(&alice).await.unwrap().unwrap();
    assert_eq!((account.state, account.epoch), (State::Suspended, 1));
    assert_eq!(desk.stores.sessions.lock().unwrap().len(), 1);
    assert_eq!(desk.stores.tokens.lock().unwrap().iter().filter(|t| t.revoked.is_none()).count(), 1);
    let audited = desk.audited().await;
    assert!(
        audited[0].contains("\"event\":\"account_state\"") && audited[0].contains("\"by\":\"uid 0\""),
        "{audited:?}"
    );
    desk.say("account enable ALICE").await.unwrap();
    assert_eq!(desk.stores.account(&alice).await.unwrap().unwrap().state, State::Active);
}

#[tokio::test]
async fn half_a_disable_says_which_half() {
    let desk = Desk::new("half");
    let alice = desk.somebody('a', "alice").await;
    *desk.stores.down.lock().unwrap() = true;
    let error = desk.say("account disable alice").await.unwrap_err().to_string();
    assert!(error.starts_with("the account is switched off, but then: the state store is unavailable"), "{error}");
    // What matters most has happened: the epoch kills what could not be removed.
    assert_eq!(desk.stores.account(&alice).await.unwrap().unwrap().epoch, 1);
}

#[tokio::test]
async fn a_name_of_two_people_is_not_guessed() {
    let desk = Desk::new("ambiguous");
    desk.somebody('a', "alice").await;
    desk.somebody('b', "alice").await;
    let error = desk.say("account disable alice").await.unwrap_err().to_string();
    assert!(error.contains(&"a".repeat(32)) && error.contains(&"b".repeat(32)), "{error}");
    desk.say(&format!("account disable {}", "b".repeat(32))).await.unwrap();
    assert!(matches!(desk.say("account show carol").await, Err(AdminError::NoAccount(_))));
}

#[tokio::test]
async fn a_reset_takes_factors_sessions_and_apps() {
    let desk = Desk::new("reset");
    let alice = desk.somebody('a', "alice").await;
    let said = desk.say("account reset-factors alice").await.unwrap().to_string();
    assert!(said.contains("vestibule factor issue-enrolment-code alice"), "{said}");
    assert_eq!(*desk.stores.resets.lock().unwrap(), std::slice::from_ref(&alice));
    assert_eq!(desk.stores.account(&alice).await.unwrap().unwrap().epoch, 1);
    assert!(desk.stores.sessions.lock().unwrap().is_empty());
    let events = desk.audited().await;
    assert!(events[0].contains("factors_reset") && events[1].contains("epoch_raised"), "{events:?}");
}

#[tokio::test]
async fn an_enrolment_code_is_stored_as_a_digest_and_audited_without_it() {
    let desk = Desk::new("code");
    let alice = desk.somebody('a', "alice").await;
    let Reply::EnrolmentCode { code, expires, .. } = desk.say("factor issue-enrolment-code alice").await.unwrap()
    else {
        panic!()
    };
    let canonical = canonical_enrolment_code(&code).unwrap();
    let ring: &Keyring = &desk.admin.keyring.load();
    let stored = desk.stores.codes.lock().unwrap().clone();
    let day_later = NOW.plus(Duration::from_secs(24 * 3600));
    assert_eq!(stored, [(alice.clone(), enrolment_code_digest(ring, &alice, &canonical), day_later)]);
    assert_eq!(expires, "2027-01-16T08:00:00Z");
    let audited = desk.audited().await.join("\n");
    assert!(audited.contains("enrolment_code_issued") && !audited.contains(&code) && !audited.contains(&canonical));
}

#[tokio::test]
async fn sessions_and_tokens_are_revoked_by_what_the_lists_show() {
    let desk = Desk::new("revoke");
    desk.somebody('a', "alice").await;
    desk.somebody('b', "bob").await;
    let Reply::Sessions(rows) = desk.say("session list --account alice").await.unwrap() else { panic!() };
    assert!(matches!(desk.say("session revoke asss").await, Err(AdminError::ShortKey)));
    assert!(matches!(desk.say("session revoke zzzzzz").await, Err(AdminError::NoSession(_))));
    desk.say(&format!("session revoke {}", rows[0].key)).await.unwrap();
    assert_eq!(desk.stores.sessions.lock().unwrap().len(), 1);
    let Reply::Tokens(rows) = desk.say("token list").await.unwrap() else { panic!() };
    assert_eq!(rows.len(), 2);
    desk.say(&format!("token revoke {}", rows[0].id)).await.unwrap();
    assert!(matches!(desk.say(&format!("token revoke {}", rows[0].id)).await, Err(AdminError::NoToken(_))));
    let audited = desk.audited().await.join("\n");
    assert!(audited.contains("session_revoked") && audited.contains("token_revoked"), "{audited}");
}

#[tokio::test]
async fn a_rotated_key_is_in_the_file_and_in_use_at_once() {
    let desk = Desk::new("rotate");
    let sealed = desk.admin.keyring.load().seal(&SystemRng, "p", "a", b"x");
    let said = desk.say("keys rotate").await.unwrap().to_string();
    assert!(said.contains("Copy") && said.contains("back it up"), "{said}");
    assert_eq!(desk.admin.keyring.load().keys().len(), 2);
    assert_eq!(read_keyring(&desk.admin.keys_file).unwrap().keys().len(), 2);
    assert!(desk.admin.keyring.load().open("p", "a", &sealed).is_ok());
    assert!(desk.audited().await[0].contains("keys_rotated"));
}

#[tokio::test]
async fn i5_the_socket_is_its_owners_alone_and_only_post_acts() {
    let desk = Desk::new("socket");
    desk.somebody('a', "alice").await;
    let path = desk.folder.join("admin.sock");
    let socket = AdminSocket::bind(&path, &SystemRng).await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(AdminSocket::bind(&path, &SystemRng).await.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(socket.serve(Arc::new(ArcSwap::new(desk.admin.clone())), stopped));

    let socket::Asked::Reply(Reply::Accounts(rows)) = socket::ask(&path, &command("account list")).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(rows[0].username.as_deref(), Some("alice"));
    let socket::Asked::Refused(why) = socket::ask(&path, &command("account show carol")).await.unwrap() else {
        panic!()
    };
    assert!(why.starts_with("there is no account \"carol\""), "{why}");
    for (request, status) in [
        ("GET /v1/execute HTTP/1.1\r\nHost: x\r\n\r\n", "405"),
        ("POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "415"),
        (
            "POST /v1/execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
            "400",
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "404"),
    ] {
        assert_eq!(raw(&path, request).await.get(9..12), Some(status), "{request}");
    }
    assert_eq!(desk.stores.accounts.lock().unwrap()[0].state, State::Active);

    stop.send(true).unwrap();
    server.await.unwrap();
    assert!(!path.exists());
    assert!(matches!(socket::ask(&path, &command("account list")).await.unwrap(), socket::Asked::Nobody));
}

async fn raw(path: &std::path::Path, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::UnixStream::connect(path).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn j2_a_rotated_header_name_is_printed_once_counts_at_once_and_is_written_down_nowhere_else() {
    let desk = Desk::new("header");
    let by = Operator { uid: 7 };
    let campus = SiteName::new("campus");
    let mut names = Vec::new();
    for _ in 0..2 {
        let said = desk.admin.execute(by, command("keys rotate-header campus")).await.unwrap().to_string();
        let name = desk.admin.keyring.load().trusted_header(&campus).unwrap().user().expose().clone();
        let variable = format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_"));
        assert!(said.contains(&format!("--name=user_attribute --set={variable}\n")), "{said}");
        let kept = read_keyring(&desk.admin.keys_file).unwrap();
        assert_eq!(kept.trusted_header(&campus).unwrap().user().expose(), &name);
        names.push(name);
    }
    assert_ne!(names[0], names[1]);
    desk.admin.execute(by, command("keys rotate")).await.unwrap();
    assert!(desk.admin.keyring.load().trusted_header(&campus).is_some());
    let error = desk.admin.execute(by, command("keys rotate-header other")).await.unwrap_err();
    assert!(matches!(error, AdminError::NoSite { .. }), "{error}");
    desk.admin.audit.flush().await;
    let audit = std::fs::read_to_string(desk.folder.join("audit.jsonl")).unwrap();
    assert_eq!(audit.matches("header_rotated").count(), 2);
    assert!(audit.contains("\"site\":\"campus\"") && audit.contains("uid 7"), "{audit}");
    assert!(names.iter().all(|name| !audit.to_lowercase().contains(&name[4..])), "{audit}");
}

#[tokio::test]
async fn a_dead_gateways_socket_is_replaced_and_another_file_is_not() {
    let desk = Desk::new("stale");
    let path = desk.folder.join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(AdminSocket::bind(&path, &SystemRng).await.unwrap());
    std::fs::write(&path, "precious").unwrap();
    assert_eq!(AdminSocket::bind(&path, &SystemRng).await.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn monitoring_is_answered_over_tcp_until_the_end() {
    let desk = Desk::new("monitor");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let monitor = Arc::new(Monitor { metrics: Arc::default(), readiness: Arc::default() });
    let server = tokio::spawn(listener::serve(listener, monitor, stopped));
    for (request, status) in [
        ("GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200"),
        ("POST /v1/execute HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", "404"),
    ] {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer.get(9..12), Some(status), "{answer}");
    }
    stop.send(true).unwrap();
    server.await.unwrap();
    drop(desk);
}

#[tokio::test]
async fn without_a_gateway_the_stores_are_opened_directly_or_it_is_said_why_not() {
    let desk = Desk::new("direct");
    desk.somebody('a', "alice").await;
    let nobody = desk.folder.join("nobody.sock");
    let Desk { admin, .. } = &desk;
    let copy = Admin {
        accounts: admin.accounts.clone(),
        enrolments: admin.enrolments.clone(),
        devices: desk.admin.devices.clone(),
        marks: admin.marks.clone(),
        known: admin.known.clone(),
        exemptions: admin.exemptions.clone(),
        takeovers: admin.takeovers.clone(),
        sessions: admin.sessions.clone(),
        ledger: admin.ledger.clone(),
        locals: desk.admin.locals.clone(),
        local_sources: desk.admin.local_sources.clone(),
        places: admin.places.clone(),
        keyring: admin.keyring.clone(),
        keys_file: admin.keys_file.clone(),
        sites: admin.sites.clone(),
        audit: admin.audit.clone(),
        clock: admin.clock.clone(),
        rng: admin.rng.clone(),
        mailer: admin.mailer.clone(),
        chain: admin.chain.clone(),
        trail: admin.trail.clone(),
        enrolment_code_life: admin.enrolment_code_life,
        reloads: None,
    };
    let reply = cli::carry_out(command("account disable alice"), &nobody, async || Ok::<_, &str>(copy)).await;
    assert!(reply.unwrap().to_string().starts_with("alice is switched off"));
    // The process would end here; the event is on disk already.
    assert!(std::fs::read_to_string(desk.folder.join("audit.jsonl")).unwrap().contains("account_state"));
    let locked = async || Err::<Admin, _>("data/ is locked by process 7");
    let error = cli::carry_out(command("account list"), &nobody, locked).await.unwrap_err();
    assert!(error.contains("no gateway answers") && error.ends_with("data/ is locked by process 7"), "{error}");
}

#[tokio::test]
async fn the_report_counts_what_was_recorded_within_its_days_however_long_the_log() {
    let desk = Desk::new("report");
    let line = |account: &str, would: &str| {
        format!(r#"{{"event":"let_through","account":"{account}","rule":"all","reason":"report","would":"{would}"}}"#)
    };
    let day = Duration::from_secs(86_400);
    desk.stores.append(NOW.minus(20 * day), None, &line("old", "pass")).await.unwrap();
    // More than one page.
    for n in 0..6000 {
        let text = if n % 1000 == 0 { line(&n.to_string(), "enrol") } else { "{}".to_owned() };
        desk.stores.append(NOW.minus(day), None, &text).await.unwrap();
    }
    let report = async |days: u32| {
        let command = Command::Mfa(MfaCommand::Report(Since { since: days }));
        match desk.admin.execute(Operator { uid: 0 }, command).await.unwrap() {
            Reply::MfaReport(sheet) => {
                assert!(sheet.whole);
                sheet.rows.iter().map(|row| [row.people, row.pass, row.enrol]).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(report(14).await, [[6, 0, 6]]);
    assert_eq!(report(30).await, [[7, 1, 6]]);
}

#[tokio::test]
async fn combinations_are_told_by_the_gateway_too_and_an_unknown_rule_is_named() {
    let desk = Desk::new("combinations");
    let ask = async |rule: Option<&str>| {
        let of = OfRule { rule: rule.map(str::to_owned) };
        desk.admin.execute(Operator { uid: 0 }, Command::Mfa(MfaCommand::Combinations(of))).await
    };
    let Reply::Combinations(sheet) = ask(None).await.unwrap() else { panic!() };
    assert_eq!(sheet.rules.last().unwrap().rule, "default");
    assert!(sheet.to_string().contains("100  TOTP\n"), "{sheet}");
    assert!(ask(Some("nothing")).await.unwrap_err().to_string().contains("known: default"));
}
