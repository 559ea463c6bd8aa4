//! Acts on an account's ways to sign in: look, link, unlink, choose the primary, make one of two accounts.
//!
//! The operator's word is the proof that two identities are one person; every act is recorded and told to the
//! account's address. Never taken away are the primary and the last method (design §2 "Accounts and linked methods").

use super::{
    Admin, AdminError, Operator, Reply,
    api::{count, done, has},
    command::LineProblem,
    reply::{AccountRow, short, table},
};
use crate::{
    accounts::{Account, Binding, Created, LinkedBy, Method, State},
    audit::Event,
    chain::{Instance, Person},
    language::Lang,
    mfa::enrolment::Enrolments,
    outbound::mail::Message,
    sessions,
    types::{SourceId, Subject, Timestamp, Unavailable, Username},
};
use clap::Args;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct LinkMethod {
    /// User name, or the account's id
    pub user: String,
    /// The instance in chain.instances
    #[arg(long, value_name = "NAME")]
    pub source: String,
    #[command(flatten)]
    #[serde(flatten)]
    pub who: Who,
}

/// Who it is at the source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Args)]
#[group(required = true, multiple = false)]
pub struct Who {
    /// What the source tells people apart by, as `account methods` shows it: a user id, an entryUUID. Taken as it
    /// stands
    #[arg(long)]
    #[serde(default)]
    pub subject: Option<String>,
    /// Their name at the source, which is asked whose it is
    #[arg(long, value_name = "USER")]
    #[serde(default)]
    pub username: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct MethodOf {
    /// User name, or the account's id
    pub user: String,
    /// The instance, as `account methods` shows it
    #[arg(long, value_name = "NAME")]
    pub source: String,
    /// Which one, where the account has several of that instance
    #[arg(long)]
    #[serde(default)]
    pub subject: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Merge {
    /// The account that ends
    pub from: String,
    /// The account that stays
    #[arg(long, value_name = "TO")]
    pub into: String,
    /// Say what would be done, and do nothing
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodRow {
    pub source: String,
    pub subject: String,
    pub primary: bool,
    pub linked: String,
    /// `first_sign_in`, `owner`, `operator`, `import`, `rediscovered`.
    pub linked_by: String,
    /// When the source last said that this one may sign in; `None`: not since it was linked.
    pub vouched: Option<String>,
    /// Whether the instance is in the chain, and enabled.
    pub asked: bool,
}

/// Why a method or a binding stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    #[error("chain.instances has no enabled \"{name}\"{}", has(known))]
    NoSource { name: String, known: Vec<SourceId> },
    #[error("{0}")]
    Unknown(String),
    #[error("{0}")]
    Unasked(String),
    #[error("a subject is 1 to 255 characters without control characters")]
    BadSubject,
    #[error("name the subject or the user name, one of them")]
    NoSubject,
    #[error("{0}")]
    Taken(String),
    #[error("{account} has no such way to sign in by {source_name}; `vestibule account methods` shows what it has")]
    NotLinked { account: String, source_name: String },
    #[error("{account} signs in by {source_name} in several ways; say which by --subject: {subjects}")]
    Several { account: String, source_name: String, subjects: String },
    #[error("it is the only way to sign in to {0}, and stays")]
    Last(String),
    #[error("it is the primary way to sign in to {0}, and stays; `vestibule account make-primary` chooses another")]
    Primary(String),
    #[error("{0} is gone, merged or no longer known to its source; nothing is linked or bound to it")]
    Gone(String),
    #[error("{0} is suspended: merged into another account its owner would sign in again")]
    Suspended(String),
    #[error("that is one account already")]
    Itself,
    #[error("nothing was changed:\n{}", .0.join("\n"))]
    Collision(Vec<String>),
    #[error("{account} is bound to nobody at {site}")]
    Unbound { account: String, site: String },
    #[error("nothing was written: meanwhile something of it was taken; look again")]
    Race,
    #[error("at most {0} lines at one time; import it in parts")]
    TooMany(usize),
}

impl MethodError {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoSource { .. } | Self::Unknown(_) | Self::NotLinked { .. } | Self::Unbound { .. } => {
                StatusCode::NOT_FOUND
            }
            Self::Unasked(_) => StatusCode::BAD_GATEWAY,
            Self::BadSubject | Self::NoSubject | Self::TooMany(_) => StatusCode::BAD_REQUEST,
            Self::Taken(_)
            | Self::Several { .. }
            | Self::Last(_)
            | Self::Primary(_)
            | Self::Gone(_)
            | Self::Suspended(_)
            | Self::Itself
            | Self::Collision(_)
            | Self::Race => StatusCode::CONFLICT,
        }
    }
}

/// Longer than any directory's id; what is longer is a mistake in a file.
const LONGEST_SUBJECT: usize = 255;

impl Admin {
    pub(super) async fn methods(&self, account: &Account) -> Result<Reply, AdminError> {
        let methods = self.accounts.methods(&account.id).await?;
        Ok(Reply::Methods(methods.iter().map(|method| self.method_row(method)).collect()))
    }

    fn method_row(&self, method: &Method) -> MethodRow {
        MethodRow {
            source: method.source.to_string(),
            subject: method.subject.to_string(),
            primary: method.primary,
            linked: short(method.linked),
            linked_by: method.linked_by.as_str().to_owned(),
            vouched: (method.vouched > NEVER).then(|| short(method.vouched)),
            asked: self.chain.load().instances.iter().any(|instance| instance.name == method.source),
        }
    }

    pub(super) async fn link_method(&self, by: Operator, link: LinkMethod) -> Result<Reply, AdminError> {
        let account = self.find(&link.user).await?;
        let instance = self.instance(&link.source)?;
        let person = match (link.who.subject, link.who.username) {
            (Some(subject), None) => Person::of(self::subject(&subject)?),
            (None, Some(username)) => ask(&instance, &username).await.map_err(|unfound| match unfound {
                Unfound::Nobody(what) => MethodError::Unknown(what),
                Unfound::Unasked(what) => MethodError::Unasked(what),
            })?,
            (None, None) | (Some(_), Some(_)) => return Err(MethodError::NoSubject.into()),
        };
        if self.linkable(&account, &instance, &person).await?.map_err(MethodError::Taken)? == Linked::Already {
            return Ok(done(format!("{} signs in by {} already", called(&account), instance.name)));
        }
        let first = self.accounts.methods(&account.id).await?.is_empty();
        let method = self.new_method(&account, &instance, person.subject, (LinkedBy::Operator, first));
        if self.accounts.link(&method).await? == Created::Taken {
            return Err(MethodError::Race.into());
        }
        let (id, source) = (account.id.clone(), method.source.clone());
        self.note(by, Event::MethodLinked { account: id, source, by: LinkedBy::Operator.as_str() });
        self.tell(&account, |site| Message::MethodLinked { site, source: method.source.to_string() }).await;
        Ok(done(format!("{} signs in by {} too, where it is {}", called(&account), method.source, method.subject)))
    }

    pub(super) async fn unlink_method(&self, by: Operator, which: MethodOf) -> Result<Reply, AdminError> {
        let account = self.find(&which.user).await?;
        let methods = self.accounts.methods(&account.id).await?;
        let method = one_of(&account, &methods, &which)?;
        if methods.len() == 1 {
            return Err(MethodError::Last(called(&account)).into());
        }
        if method.primary {
            return Err(MethodError::Primary(called(&account)).into());
        }
        if !self.accounts.unlink(&account.id, &method.source, &method.subject).await? {
            return Err(MethodError::Race.into());
        }
        let source = &method.source;
        self.note(by, Event::MethodUnlinked { account: account.id.clone(), source: source.clone() });
        self.tell(&account, |site| Message::MethodUnlinked { site, source: source.to_string() }).await;
        let (sessions, tokens) = self.end_where(&account, Opened::By(source), "it is unlinked").await?;
        Ok(done(format!(
            "{} no longer signs in by {source}; {} and {} that it had opened have ended",
            called(&account),
            count(sessions, "session"),
            count(tokens, "app token"),
        )))
    }

    pub(super) async fn make_primary(&self, by: Operator, which: MethodOf) -> Result<Reply, AdminError> {
        let account = self.find(&which.user).await?;
        let methods = self.accounts.methods(&account.id).await?;
        let Method { source, subject, primary, .. } = one_of(&account, &methods, &which)?;
        // An account whose primary is in no chain signs in no more.
        self.instance(source.as_str())?;
        if *primary {
            return Ok(done(format!("{source} is the primary way to sign in to {} already", called(&account))));
        }
        if !self.accounts.make_primary(&account.id, source, subject).await? {
            return Err(MethodError::Race.into());
        }
        self.note(by, Event::PrimaryChanged { account: account.id.clone(), source: source.clone() });
        self.tell(&account, |site| Message::PrimaryChanged { site, source: source.to_string() }).await;
        Ok(done(format!("{source} is the primary way to sign in to {} now", called(&account))))
    }

    pub(super) async fn merge_accounts(&self, by: Operator, merge: Merge) -> Result<Reply, AdminError> {
        let (from, into) = (self.find(&merge.from).await?, self.find(&merge.into).await?);
        let plan = self.plan_merge(&from, &into).await?;
        if merge.dry_run {
            let first = format!("{} would become part of {}; nothing was changed", called(&from), called(&into));
            return Ok(Reply::Steps { steps: [vec![first], plan.steps].concat() });
        }
        // Before anything moves: a password that has lost its second factor must not enrol one by itself (attack J3).
        if plan.help_desk_only {
            self.enrolments.reset(&into.id).await?;
            self.note(by, Event::FactorsReset { account: into.id.clone() });
        }
        if self.accounts.merge(&from.id, &into.id).await? == Created::Taken {
            return Err(MethodError::Race.into());
        }
        self.note(by, Event::AccountsMerged { account: into.id.clone(), from: from.id.clone() });
        let so_far = "the ways to sign in have moved";
        let half = |cause: Unavailable| AdminError::Half { done: so_far, cause };
        self.sign_out(&from, so_far).await?;
        self.enrolments.reset(&from.id).await.map_err(half)?;
        self.note(by, Event::FactorsReset { account: from.id.clone() });
        if let (true, Some(method)) = (plan.first_is_primary, plan.methods.first()) {
            self.accounts.make_primary(&into.id, &method.source, &method.subject).await.map_err(half)?;
        }
        for method in &plan.methods {
            let source = method.source.to_string();
            self.tell(&into, |site| Message::MethodLinked { site, source: source.clone() }).await;
            if from.email != into.email {
                self.tell(&from, |site| Message::MethodUnlinked { site, source }).await;
            }
        }
        let first = format!("{} is part of {} now", called(&from), called(&into));
        Ok(Reply::Steps { steps: [vec![first], plan.steps].concat() })
    }

    /// What a merge would move and end, or why it may not be.
    async fn plan_merge(&self, from: &Account, into: &Account) -> Result<Plan, AdminError> {
        if from.id == into.id {
            return Err(MethodError::Itself.into());
        }
        match (from.state, into.state) {
            (State::Suspended, _) => return Err(MethodError::Suspended(called(from)).into()),
            (_, State::Gone) => return Err(MethodError::Gone(called(into)).into()),
            (State::Active | State::Gone, State::Active | State::Suspended) => {}
        }
        let methods = self.accounts.methods(&from.id).await?;
        let mut steps: Vec<String> =
            methods.iter().map(|method| format!("moves: sign-in by {} as {}", method.source, method.subject)).collect();
        let mut collisions = Vec::new();
        for site in &self.sites {
            let theirs = self.accounts.binding(site, &from.id).await?;
            match (theirs, self.accounts.binding(site, &into.id).await?) {
                (Some(theirs), Some(own)) => collisions.push(format!(
                    "at {site} {} is {} and {} is {}: whichever is not theirs any more has to go first, \
                     `vestibule binding remove --site {site} USER`",
                    called(from),
                    lms_user(&theirs),
                    called(into),
                    lms_user(&own)
                )),
                (Some(theirs), None) => steps.push(format!("moves: {} at {site}", lms_user(&theirs))),
                (None, Some(_) | None) => {}
            }
        }
        if !collisions.is_empty() {
            return Err(MethodError::Collision(collisions).into());
        }
        let sessions = self.sessions.of_account(&from.id).await?.len();
        let tokens = self.ledger.of_account(&from.id).await?.iter().filter(|token| token.revoked.is_none()).count();
        steps.push(format!("ends: {}, {} of {}", count(sessions, "session"), count(tokens, "app token"), called(from)));
        let lost = self.enrolments.enrolments(&from.id).await?;
        let kept = self.enrolments.enrolments(&into.id).await?;
        let help_desk_only = !has_factors(&kept) && (has_factors(&lost) || from.enrol_by_help_desk_only);
        steps.push(match (has_factors(&lost), has_factors(&kept)) {
            (true, true) => format!("lost: the factors of {}; those of {} stay", called(from), called(into)),
            (true, false) => format!("lost: the factors of {}, and {} has none", called(from), called(into)),
            (false, _) => format!("lost: no factor, {} has none", called(from)),
        });
        if help_desk_only {
            steps.push(format!("next: vestibule factor issue-enrolment-code {}", called(into)));
        }
        let first_is_primary = self.accounts.methods(&into.id).await?.is_empty();
        Ok(Plan { methods, steps, help_desk_only, first_is_primary })
    }

    pub(super) fn instance(&self, name: &str) -> Result<Instance, MethodError> {
        let chain = self.chain.load();
        let instances = &chain.instances;
        let known = || instances.iter().map(|instance| instance.name.clone()).collect();
        let found = instances.iter().find(|instance| instance.name.as_str() == name).cloned();
        found.ok_or_else(|| MethodError::NoSource { name: name.to_owned(), known: known() })
    }

    /// Whether this person of that instance may be linked to the account. The inner error is the operator's to read.
    pub(super) async fn linkable(
        &self,
        account: &Account,
        instance: &Instance,
        person: &Person,
    ) -> Result<Result<Linked, String>, AdminError> {
        if account.state == State::Gone {
            return Ok(Err(MethodError::Gone(called(account)).to_string()));
        }
        let source = &instance.name;
        match self.accounts.by_method(source, &person.subject).await? {
            Some(owner) if owner.id == account.id => return Ok(Ok(Linked::Already)),
            Some(owner) => {
                return Ok(Err(format!(
                    "{source} has {} signing in to {} ({}) already; `vestibule account merge` makes one of two accounts",
                    person.subject,
                    called(&owner),
                    owner.id
                )));
            }
            None => {}
        }
        let name = person.username.as_deref().and_then(|name| instance.canonical(name));
        Ok(match self.namesake(name.as_ref(), source, Some(account)).await? {
            Some(other) => Err(format!(
                "{source} calls them {}, and that is the account {}: sign-in by it would be refused (name_collision); \
                 `vestibule account merge` makes one of two accounts",
                called(&other),
                other.id
            )),
            None => Ok(Linked::New),
        })
    }

    /// Somebody else's account of that name whose sources meet this one at a site (attacks J7, J15).
    pub(super) async fn namesake(
        &self,
        name: Option<&Username>,
        source: &SourceId,
        known: Option<&Account>,
    ) -> Result<Option<Account>, AdminError> {
        let Some(name) = name else { return Ok(None) };
        for other in self.accounts.by_username(name.as_str()).await? {
            if known.is_some_and(|known| known.id == other.id) {
                continue;
            }
            let methods = self.accounts.methods(&other.id).await?;
            let meets =
                self.places.iter().filter(|place| place.sources.contains(source)).any(|place| {
                    methods.is_empty() || methods.iter().any(|method| place.sources.contains(&method.source))
                });
            if meets {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// Nobody has vouched for it yet: what the source says of its groups and its password is read when it does.
    pub(super) fn new_method(
        &self,
        account: &Account,
        instance: &Instance,
        subject: Subject,
        (linked_by, primary): (LinkedBy, bool),
    ) -> Method {
        Method {
            source: instance.name.clone(),
            subject,
            account: account.id.clone(),
            linked: self.clock.now(),
            linked_by,
            primary,
            password_mark: None,
            groups: None,
            vouched: NEVER,
        }
    }

    /// Ends what is open of an account in part. Tokens first: they open sessions.
    pub(super) async fn end_where(
        &self,
        account: &Account,
        opened: Opened<'_>,
        so_far: &'static str,
    ) -> Result<(usize, usize), AdminError> {
        let half = |cause| AdminError::Half { done: so_far, cause };
        let (mut sessions, mut tokens) = (0, 0);
        for token in self.ledger.of_account(&account.id).await.map_err(half)? {
            if token.revoked.is_none() && opened.is(&token.site, Some(&token.source)) {
                tokens += self.ledger.revoke(&token.id, self.clock.now()).await.map_err(half)?;
            }
        }
        for session in self.sessions.of_account(&account.id).await.map_err(half)? {
            let source = match &session.who {
                sessions::Who::Account(identity) => Some(&identity.source),
                sessions::Who::Guest => None,
            };
            if opened.is(&session.site, source) {
                sessions += usize::from(self.sessions.remove(&session.key).await.map_err(half)?);
            }
        }
        Ok((sessions, tokens))
    }

    /// A letter to the account's address, in the name of the sites its owner knows.
    pub(super) async fn tell(&self, account: &Account, message: impl FnOnce(String) -> Message) {
        let Some(address) = &account.email else { return };
        let mut hosts = Vec::new();
        for place in &self.places {
            // Without the database the act itself would have failed; the letter then names the first site.
            if matches!(self.accounts.binding(&place.site, &account.id).await, Ok(Some(_))) {
                hosts.push(place.host.as_str());
            }
        }
        if hosts.is_empty() {
            hosts.extend(self.places.first().map(|place| place.host.as_str()));
        }
        self.mailer.send(address, Lang::default(), message(hosts.join(", "))).await;
    }
}

/// Before any source could have vouched.
const NEVER: Timestamp = Timestamp(0);

struct Plan {
    methods: Vec<Method>,
    /// For people.
    steps: Vec<String>,
    help_desk_only: bool,
    /// The account that stays has no method of its own.
    first_is_primary: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Linked {
    New,
    Already,
}

/// Which of an account's sessions and tokens.
#[derive(Clone, Copy)]
pub(super) enum Opened<'a> {
    By(&'a SourceId),
    At(&'a crate::types::SiteName),
}

impl Opened<'_> {
    fn is(self, site: &crate::types::SiteName, source: Option<&SourceId>) -> bool {
        match self {
            Opened::By(by) => source == Some(by),
            Opened::At(at) => site == at,
        }
    }
}

/// Why nobody is meant; all for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfound {
    #[error("{0}")]
    Nobody(String),
    /// The instance could not be asked at all.
    #[error("{0}")]
    Unasked(String),
}

impl From<MethodError> for Unfound {
    fn from(error: MethodError) -> Self {
        Unfound::Nobody(error.to_string())
    }
}

/// Whom the instance knows by that name, given with or without its suffix.
pub(super) async fn ask(instance: &Instance, username: &str) -> Result<Person, Unfound> {
    let source = &instance.name;
    let Some(directory) = &instance.directory else {
        return Err(Unfound::Nobody(format!("{source} cannot be asked about a name; give the subject")));
    };
    let (whole, with_suffix) = (Username::canonical(username), instance.canonical(username));
    let names = [whole.as_ref(), with_suffix.as_ref()];
    let own = names.into_iter().flatten().find_map(|name| instance.own_name(Some(name)));
    let Some(name) = own else {
        return Err(Unfound::Nobody(format!("\"{username}\" can be no name of {source}")));
    };
    let found = within(instance, directory.find(name)).await?;
    found.ok_or_else(|| Unfound::Nobody(format!("{source} knows no \"{name}\"")))
}

/// One question to a directory, with its instance's deadline.
pub(super) async fn within<T>(
    instance: &Instance,
    asked: impl Future<Output = Result<T, String>>,
) -> Result<T, Unfound> {
    let answer = tokio::time::timeout(instance.deadline, asked).await;
    let late = || format!("no answer within {} s", instance.deadline.as_secs());
    answer
        .unwrap_or_else(|_| Err(late()))
        .map_err(|cause| Unfound::Unasked(format!("{} could not be asked: {cause}", instance.name)))
}

pub(super) fn subject(text: &str) -> Result<Subject, MethodError> {
    let text = text.trim();
    let fits = (1..=LONGEST_SUBJECT).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(Subject::new(text)) } else { Err(MethodError::BadSubject) }
}

pub(super) fn called(account: &Account) -> String {
    AccountRow::of(account).called().to_owned()
}

fn one_of<'a>(account: &Account, methods: &'a [Method], which: &MethodOf) -> Result<&'a Method, MethodError> {
    let wanted = which.subject.as_deref().map(str::trim);
    let is_it = |method: &&Method| {
        method.source.as_str() == which.source && wanted.is_none_or(|wanted| wanted == method.subject.as_str())
    };
    let found: Vec<&Method> = methods.iter().filter(is_it).collect();
    let (account, source_name) = (called(account), which.source.clone());
    match found.as_slice() {
        [] => Err(MethodError::NotLinked { account, source_name }),
        [method] => Ok(method),
        several => {
            let subjects: Vec<&str> = several.iter().map(|method| method.subject.as_str()).collect();
            Err(MethodError::Several { account, source_name, subjects: subjects.join(", ") })
        }
    }
}

fn has_factors(enrolments: &Enrolments) -> bool {
    !enrolments.kinds().is_empty()
}

fn lms_user(binding: &Binding) -> String {
    match &binding.lms_username {
        Some(name) => format!("LMS user {} ({name})", binding.lms_user),
        None => format!("LMS user {}", binding.lms_user),
    }
}

pub(super) fn table_of(rows: &[MethodRow]) -> String {
    let cells = rows.iter().map(|row| {
        let rank = match (row.primary, row.asked) {
            (true, true) => "primary",
            (false, true) => "linked",
            (_, false) => "not in the chain",
        };
        [
            row.source.clone(),
            row.subject.clone(),
            rank.to_owned(),
            row.linked.clone(),
            row.linked_by.clone(),
            row.vouched.clone().unwrap_or_else(|| "never".to_owned()),
        ]
    });
    table(["SOURCE", "SUBJECT", "STATE", "LINKED", "HOW", "VOUCHED"], cells.collect())
}

/// A problem of one line, from an error that stands for itself elsewhere.
pub(super) fn problem(line: u64, what: impl std::fmt::Display) -> LineProblem {
    LineProblem { line, what: what.to_string() }
}
