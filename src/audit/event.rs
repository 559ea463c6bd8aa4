//! The closed list of what can be recorded. Fields are names, ids and verdicts; never a secret, code or cookie.

use crate::types::{
    AccountId, ClientAddr, DeviceId, Door, EnrolmentId, FactorKind, LmsUserId, RequestId, SiteName, SourceId,
    Timestamp, TokenId, Unavailable,
};
use async_trait::async_trait;
use serde::Serialize;
use std::time::Instant;

/// What one instance of the chain said, and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceVerdict {
    pub instance: SourceId,
    /// ok, declined, denied or error.
    pub verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub milliseconds: u64,
}

impl InstanceVerdict {
    pub fn of(instance: &SourceId, verdict: &'static str, reason: Option<&str>, began: Instant) -> Self {
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Self { instance: instance.clone(), verdict, reason: reason.map(str::to_owned), milliseconds }
    }
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A password was judged: each instance's verdict in order.
    PasswordJudged {
        door: Door,
        name: String,
        verdicts: Vec<InstanceVerdict>,
        accepted: bool,
    },
    /// A limit refused a sign-in before any source was asked.
    SignInThrottled {
        door: Door,
        name: String,
        limit: &'static str,
    },
    /// One wrong password was tried at many names: the next tries of it are slowed down.
    SprayingNoticed {
        door: Door,
    },
    /// The password was right and the account may not sign in all the same.
    SignInDenied {
        door: Door,
        name: String,
        reason: &'static str,
    },
    AccountCreated {
        account: AccountId,
        source: SourceId,
    },
    /// The LMS's session or token for an account was not that account's, and was ended.
    BindingRefused {
        account: AccountId,
        named: LmsUserId,
        reason: &'static str,
    },
    /// An account got its LMS user.
    LmsUserKnown {
        account: AccountId,
        user: LmsUserId,
        /// `by` in a line is the operator.
        #[serde(rename = "how")]
        by: &'static str,
    },
    /// An account is no LMS user of that site any more.
    BindingRemoved {
        account: AccountId,
        user: LmsUserId,
    },
    MethodLinked {
        account: AccountId,
        source: SourceId,
        /// `by` in a line is the operator.
        #[serde(rename = "how")]
        by: &'static str,
    },
    MethodUnlinked {
        account: AccountId,
        source: SourceId,
    },
    /// What was to be linked is somebody else's.
    LinkRefused {
        account: AccountId,
        source: SourceId,
        reason: &'static str,
    },
    /// A redirect source's answer was judged.
    ReturnJudged {
        source: SourceId,
        verdicts: Vec<InstanceVerdict>,
        accepted: bool,
    },
    /// Somebody came back from a redirect source, and this browser had not been sent there.
    ReturnRefused {
        source: SourceId,
        reason: &'static str,
    },
    PrimaryChanged {
        account: AccountId,
        source: SourceId,
    },
    AccountsMerged {
        account: AccountId,
        from: AccountId,
    },
    FactorAccepted {
        account: AccountId,
        factor: FactorKind,
        door: Door,
    },
    FactorRefused {
        account: AccountId,
        factor: FactorKind,
        door: Door,
        reason: &'static str,
    },
    /// There may be a copy of the key (WebAuthn Level 3 §6.1.1).
    SignCountRegressed {
        account: AccountId,
        enrolment: EnrolmentId,
    },
    /// Somebody showed a passkey instead of a password, and what the account's source said of them.
    PasskeyJudged {
        account: AccountId,
        source: SourceId,
        accepted: bool,
        verdicts: Vec<InstanceVerdict>,
    },
    FactorEnrolled {
        account: AccountId,
        factor: FactorKind,
        proof: &'static str,
    },
    FactorRemoved {
        account: AccountId,
        factor: FactorKind,
    },
    /// The help desk lets somebody in without a factor, until then.
    Exempted {
        account: AccountId,
        kind: &'static str,
        until: Timestamp,
        reason: String,
    },
    /// An import found a second factor that cannot be carried over: the password alone enrols none here.
    LeftToHelpDesk {
        account: AccountId,
    },
    ExemptionEnded {
        account: AccountId,
        kind: &'static str,
    },
    FactorRenamed {
        account: AccountId,
        factor: FactorKind,
    },
    /// All recovery codes that there were are void.
    RecoveryCodesReplaced {
        account: AccountId,
    },
    /// A code is on its way to an address or number of the account.
    CodeSent {
        account: AccountId,
        factor: FactorKind,
        door: Door,
    },
    CodeNotSent {
        account: AccountId,
        factor: FactorKind,
        reason: &'static str,
    },
    /// The reader of a mailed code said "this was not me".
    SignInDisowned {
        account: AccountId,
    },
    /// The source states another address than an e-mail factor was made for: it rests.
    AddressOvertaken {
        account: AccountId,
    },
    AddressConfirmed {
        account: AccountId,
    },
    FactorsReset {
        account: AccountId,
    },
    /// What too many wrong answers had locked is open again.
    AccountUnlocked {
        account: AccountId,
    },
    /// A browser or app is asked for no factor where the rule counts it.
    DeviceTrusted {
        account: AccountId,
        device: DeviceId,
        door: Door,
    },
    DeviceForgotten {
        account: AccountId,
        device: DeviceId,
    },
    /// An older secret of a trusted device came back: somebody has a copy. Its whole series is over.
    DeviceCopied {
        account: AccountId,
        device: DeviceId,
    },
    EnrolmentCodeIssued {
        account: AccountId,
    },
    EnrolmentCodeRefused {
        account: AccountId,
    },
    RecoveryCodesLow {
        account: AccountId,
        left: u32,
    },
    /// Nothing was asked, and why.
    LetThrough {
        account: AccountId,
        door: Door,
        rule: String,
        /// The stage, the signals, grace or an exemption.
        reason: String,
        /// What would have been next: `pass`, `challenge`, `enrol`.
        would: &'static str,
    },
    SignedIn {
        account: AccountId,
        door: Door,
        amr: String,
    },
    /// A factor was answered in a live session, for a path that asks for a fresh one.
    SteppedUp {
        account: AccountId,
        rule: String,
    },
    /// A form that was kept meanwhile was sent to the LMS, at its owner's click.
    KeptFormSent {
        account: AccountId,
        path: String,
    },
    GuestSignedIn,
    SignedOut {
        account: Option<AccountId>,
    },
    SessionRevoked {
        account: Option<AccountId>,
        session: String,
    },
    TokenMinted {
        account: AccountId,
        token: TokenId,
        service: String,
        unproven: bool,
    },
    TokenRevoked {
        account: AccountId,
        token: TokenId,
    },
    AccountState {
        account: AccountId,
        state: &'static str,
    },
    EpochRaised {
        account: AccountId,
        reason: &'static str,
    },
    /// An account's primary source said, without a password, that it may not sign in any more, or may again.
    StandingChanged {
        account: AccountId,
        source: SourceId,
        state: &'static str,
        reason: &'static str,
    },
    /// Its source has not answered for a day: sessions and apps have ended, the account stays.
    SignInDue {
        account: AccountId,
        source: SourceId,
    },
    /// One full pass over an instance's accounts.
    SourceSynced {
        source: SourceId,
        asked: usize,
        changed: usize,
    },
    /// An operator tried a source with somebody's name.
    SourceTested {
        source: SourceId,
        verdict: &'static str,
    },
    /// An account is pinned to another instance.
    MethodMoved {
        account: AccountId,
        source: SourceId,
        from: SourceId,
    },
    /// An instance is not in gateway.yaml any more: what became of its accounts.
    SourceRemoved {
        source: SourceId,
        becomes: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<SourceId>,
        methods: u64,
    },
    /// R9: the LMS's answer changed or named another identity and was withheld.
    IdentityWithheld {
        expected: Option<LmsUserId>,
        named: Option<String>,
        reason: &'static str,
    },
    /// A door of the LMS that stays shut was tried.
    ClosedDoor {
        door: &'static str,
    },
    KeysRotated {
        key: String,
    },
    LocalAccountAdded {
        source: SourceId,
        name: String,
    },
    LocalAccountsImported {
        source: SourceId,
        count: usize,
    },
    LocalPasswordSet {
        source: SourceId,
        name: String,
    },
    /// A password for one sign-in was made.
    BreakGlassIssued {
        source: SourceId,
        name: String,
    },
    /// It was used. Somebody should know why.
    BreakGlassUsed {
        source: SourceId,
        name: String,
    },
    /// A site's trusted header has another name. Not which.
    HeaderRotated {
        site: SiteName,
    },
    /// gateway.yaml was read again and is in force: which keys and entries are another.
    ConfigurationReloaded {
        changes: Vec<String>,
    },
    /// It was read again and is not: the one before stays.
    ConfigurationRefused {
        reason: &'static str,
        keys: Vec<String>,
    },
}

impl Event {
    /// Whose history it belongs to.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Event::AccountCreated { account, .. }
            | Event::BindingRefused { account, .. }
            | Event::LmsUserKnown { account, .. }
            | Event::BindingRemoved { account, .. }
            | Event::MethodLinked { account, .. }
            | Event::MethodUnlinked { account, .. }
            | Event::LinkRefused { account, .. }
            | Event::PrimaryChanged { account, .. }
            | Event::AccountsMerged { account, .. }
            | Event::FactorAccepted { account, .. }
            | Event::FactorRefused { account, .. }
            | Event::FactorEnrolled { account, .. }
            | Event::SignCountRegressed { account, .. }
            | Event::PasskeyJudged { account, .. }
            | Event::FactorRemoved { account, .. }
            | Event::FactorRenamed { account, .. }
            | Event::Exempted { account, .. }
            | Event::ExemptionEnded { account, .. }
            | Event::LeftToHelpDesk { account }
            | Event::RecoveryCodesReplaced { account }
            | Event::CodeSent { account, .. }
            | Event::CodeNotSent { account, .. }
            | Event::SignInDisowned { account }
            | Event::AddressOvertaken { account }
            | Event::AddressConfirmed { account }
            | Event::FactorsReset { account }
            | Event::AccountUnlocked { account }
            | Event::DeviceTrusted { account, .. }
            | Event::DeviceForgotten { account, .. }
            | Event::DeviceCopied { account, .. }
            | Event::EnrolmentCodeIssued { account }
            | Event::EnrolmentCodeRefused { account }
            | Event::RecoveryCodesLow { account, .. }
            | Event::LetThrough { account, .. }
            | Event::SignedIn { account, .. }
            | Event::SteppedUp { account, .. }
            | Event::KeptFormSent { account, .. }
            | Event::TokenMinted { account, .. }
            | Event::TokenRevoked { account, .. }
            | Event::AccountState { account, .. }
            | Event::EpochRaised { account, .. }
            | Event::StandingChanged { account, .. }
            | Event::SignInDue { account, .. }
            | Event::MethodMoved { account, .. } => Some(account),
            Event::SignedOut { account } | Event::SessionRevoked { account, .. } => account.as_ref(),
            Event::PasswordJudged { .. }
            | Event::ReturnJudged { .. }
            | Event::ReturnRefused { .. }
            | Event::SignInThrottled { .. }
            | Event::SprayingNoticed { .. }
            | Event::SignInDenied { .. }
            | Event::GuestSignedIn
            | Event::IdentityWithheld { .. }
            | Event::ClosedDoor { .. }
            | Event::KeysRotated { .. }
            | Event::LocalAccountAdded { .. }
            | Event::LocalAccountsImported { .. }
            | Event::LocalPasswordSet { .. }
            | Event::BreakGlassIssued { .. }
            | Event::BreakGlassUsed { .. }
            | Event::SourceSynced { .. }
            | Event::SourceTested { .. }
            | Event::SourceRemoved { .. }
            | Event::HeaderRotated { .. }
            | Event::ConfigurationReloaded { .. }
            | Event::ConfigurationRefused { .. } => None,
        }
    }
}

/// An event with its circumstances: one line of the audit log.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    pub at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Who did it, where that is not the account itself: `uid 0` of the administration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(flatten)]
    pub event: Event,
}

/// A line of the database's copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Rises with each line.
    pub number: i64,
    pub at: Timestamp,
    /// One JSON object.
    pub text: String,
}

/// The database's copy of the audit log.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// `line` is one JSON object.
    async fn append(&self, at: Timestamp, account: Option<&AccountId>, line: &str) -> Result<(), Unavailable>;
    /// Newest first.
    async fn recent(&self, account: Option<&AccountId>, limit: u32) -> Result<Vec<String>, Unavailable>;
    /// Newest first, those with a number below `before`.
    async fn page(&self, before: Option<i64>, limit: u32) -> Result<Vec<Line>, Unavailable>;
}

#[cfg(test)]
mod tests {
    /// The canary: a type that holds a secret, or a field that is named like one, has no place in an event.
    #[test]
    fn no_event_has_room_for_a_secret() {
        let source = include_str!("event.rs");
        let events = &source[source.find("pub enum Event").unwrap()..source.find("impl Event").unwrap()];
        for word in ["Secret", "Password,", "Password>", "Sealed", "FlowId", "SessionKey", "Keyring", "Vec<u8>"] {
            assert!(!events.contains(word), "{word} in an audit event");
        }
        for field in ["password:", "code:", "codes:", "cookie:", "secret:", "token: String", "body:", "query:"] {
            assert!(!events.contains(field), "{field} in an audit event");
        }
    }
}
