//! Acts that bring many ways to sign in, or the LMS users there are already, from a file; and bindings one by one.
//!
//! All or nothing for each file: everything that is wrong is told by line before anything is written, and then the
//! store writes it in one transaction. A line that is so already changes nothing, so a file can be imported again.
//!
//! A binding's name is what a header sign-in will send to the LMS. It is taken from the LMS's own list, never derived,
//! and only if no database folds it (attacks J1, J2).

use super::{
    Admin, AdminError, Operator, Place, Reply,
    api::{count, done},
    command::LineProblem,
    methods::{self, Linked, MethodError, Opened, Unfound, Who, called, problem},
    reply::{or_dash, short, table},
    sheet::{self, Fields, Shape},
};
use crate::{
    accounts::{Account, Binding, BoundBy, Created, Entry, LinkedBy, State, is_plain},
    audit::{Context, Event},
    chain::{Instance, Person, Standing},
    types::{AccountId, LmsUserId, RngExt, SiteName, SourceId, Subject},
};
use clap::Args;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// The store writes up to three records for each, in one transaction and within its deadline; a directory is asked
/// for each while the socket waits.
pub const MOST_ROWS: usize = 5_000;
/// Names asked for at one time.
const ASKED_AT_ONCE: usize = 8;
/// Lines of the audit log between two waits for it: it holds some thousands and loses the rest.
const RECORDED_AT_ONCE: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct ImportLinks {
    /// A file with a line of column names
    #[serde(skip)]
    pub file: PathBuf,
    /// Say what would be done, and do nothing
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
    #[arg(skip)]
    #[serde(default)]
    pub rows: Vec<LinkRow>,
    /// What was wrong already when the file was read.
    #[arg(skip)]
    #[serde(default)]
    pub problems: Vec<LineProblem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkRow {
    pub line: u64,
    /// Id or canonical user name.
    pub account: String,
    pub source: String,
    #[serde(flatten)]
    pub who: Who,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct ImportBindings {
    /// A file with a line of column names
    #[serde(skip)]
    pub file: PathBuf,
    /// Say what would be done, and do nothing
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
    /// Accounts that the import makes enrol their first factor as the rule says, also at sign-in; without it only with a
    /// code of the help desk
    #[arg(long)]
    #[serde(default)]
    pub enrol_by_rule: bool,
    #[arg(skip)]
    #[serde(default)]
    pub rows: Vec<NewBinding>,
    /// What was wrong already when the file was read.
    #[arg(skip)]
    #[serde(default)]
    pub problems: Vec<LineProblem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBinding {
    pub line: u64,
    pub site: String,
    pub lms_user: u64,
    pub lms_username: String,
    pub source: String,
    #[serde(flatten)]
    pub who: Who,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct BindingsOf {
    /// Only this site's
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub site: Option<String>,
    /// At most so many of each site
    #[arg(long, default_value_t = 200)]
    pub limit: u32,
    /// Go on after the LMS user with this id
    #[arg(long, value_name = "ID")]
    #[serde(default)]
    pub after: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct BindingAt {
    /// The site's name in gateway.yaml
    #[arg(long, value_name = "NAME")]
    pub site: String,
    /// User name, or the account's id
    pub user: String,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingRow {
    pub site: String,
    pub lms_user: u64,
    pub lms_username: Option<String>,
    pub account: String,
    pub username: Option<String>,
    pub since: String,
    /// `lms`, `created`, `import`, `proof`.
    pub bound_by: String,
}

/// Before what a dry run found.
const DRY: &str = "nothing was written; it would be: ";

const LINKS: Shape = Shape {
    of: "lines",
    columns: &["account", "source", "subject", "username"],
    needs: &[&["account"], &["source"], &["subject", "username"]],
    most_rows: MOST_ROWS,
};

const BINDINGS: Shape = Shape {
    of: "lines",
    columns: &["site", "lms_user", "lms_username", "source", "subject", "username"],
    needs: &[&["site"], &["lms_user"], &["lms_username"], &["source"], &["subject", "username"]],
    most_rows: MOST_ROWS,
};

impl ImportLinks {
    /// With the file's rows. Where anything is wrong with it the act becomes a dry run, and all is told at once.
    pub(super) fn read(mut self) -> Result<Self, String> {
        let one = |fields: &Fields<'_>| {
            let account = fields.needed("account", "account")?;
            let source = fields.needed("source", "source")?;
            Ok(LinkRow { line: fields.line, account, source, who: who(fields)? })
        };
        (self.rows, self.problems) = sheet::read(&self.file, &LINKS, one)?;
        self.dry_run |= !self.problems.is_empty();
        Ok(self)
    }
}

impl ImportBindings {
    /// As with links.
    pub(super) fn read(mut self) -> Result<Self, String> {
        let one = |fields: &Fields<'_>| {
            let site = fields.needed("site", "site")?;
            let lms_user = fields.needed("lms_user", "LMS user id")?;
            let lms_user = lms_user.parse().map_err(|_| "the LMS user id is no number".to_owned())?;
            // Not trimmed: a name with a space at its end is another one, and refused.
            let lms_username = fields.get("lms_username").ok_or("there is no LMS user name")?;
            let source = fields.needed("source", "source")?;
            Ok(NewBinding { line: fields.line, site, lms_user, lms_username, source, who: who(fields)? })
        };
        (self.rows, self.problems) = sheet::read(&self.file, &BINDINGS, one)?;
        self.dry_run |= !self.problems.is_empty();
        Ok(self)
    }
}

fn who(fields: &Fields<'_>) -> Result<Who, String> {
    match (fields.trimmed("subject"), fields.trimmed("username")) {
        (None, None) => Err("there is neither a subject nor a user name".to_owned()),
        (Some(_), Some(_)) => Err("there is a subject and a user name; one of them is too many".to_owned()),
        (subject, username) => Ok(Who { subject, username }),
    }
}

impl Admin {
    pub(super) async fn import_links(&self, by: Operator, import: ImportLinks) -> Result<Reply, AdminError> {
        let mut problems = import.problems;
        let wanted = import.rows.iter().map(|row| (row.source.clone(), row.who.clone())).collect();
        let people = self.people(wanted, Subjects::AsTheyStand).await?;
        let mut seen: HashMap<(SourceId, Subject), u64> = HashMap::new();
        let mut with_methods: HashSet<AccountId> = HashSet::new();
        let (mut linked, mut already) = (Vec::new(), 0);
        for row in &import.rows {
            let (instance, person) = match self.known(&people, &row.source, &row.who) {
                Ok(known) => known,
                Err(what) => {
                    problems.push(problem(row.line, what));
                    continue;
                }
            };
            if let Some(line) = seen.get(&(instance.name.clone(), person.subject.clone())) {
                problems.push(problem(row.line, format!("the same one of {} stands in line {line}", instance.name)));
                continue;
            }
            seen.insert((instance.name.clone(), person.subject.clone()), row.line);
            let account = match self.find(&row.account).await {
                Ok(account) => account,
                Err(AdminError::Store(cause)) => return Err(cause.into()),
                Err(other) => {
                    problems.push(problem(row.line, other.to_string().lines().next().unwrap_or_default()));
                    continue;
                }
            };
            match self.linkable(&account, &instance, &person).await? {
                Err(what) => problems.push(problem(row.line, what)),
                Ok(Linked::Already) => already += 1,
                Ok(Linked::New) => {
                    let first =
                        !with_methods.contains(&account.id) && self.accounts.methods(&account.id).await?.is_empty();
                    with_methods.insert(account.id.clone());
                    linked.push(self.new_method(&account, &instance, person.subject, (LinkedBy::Import, first)));
                }
            }
        }
        refuse_if_any(problems)?;
        let said = format!("linked: {}; linked already: {already}", linked.len());
        if import.dry_run {
            return Ok(done(format!("{DRY}{said}")));
        }
        let entries: Vec<Entry> = linked.iter().cloned().map(Entry::Method).collect();
        self.write(&entries).await?;
        let by_import = LinkedBy::Import.as_str();
        for (n, method) in linked.into_iter().enumerate() {
            self.note(by, Event::MethodLinked { account: method.account, source: method.source, by: by_import });
            self.keep_pace(n).await;
        }
        Ok(done(said))
    }

    pub(super) async fn bindings(&self, by: Operator, command: super::BindingCommand) -> Result<Reply, AdminError> {
        match command {
            super::BindingCommand::List(of) => self.list_bindings(of).await,
            super::BindingCommand::Import(import) => self.import_bindings(by, import).await,
            super::BindingCommand::Remove(at) => self.remove_binding(by, at).await,
        }
    }

    async fn list_bindings(&self, of: BindingsOf) -> Result<Reply, AdminError> {
        let sites = match &of.site {
            Some(name) => vec![self.site(name)?],
            None => self.sites.clone(),
        };
        let mut rows = Vec::new();
        for site in sites {
            for binding in self.accounts.bindings(&site, of.after.map(LmsUserId), of.limit).await? {
                let username = self.accounts.account(&binding.account).await?.and_then(|account| account.username);
                rows.push(BindingRow {
                    site: site.to_string(),
                    lms_user: binding.lms_user.0,
                    lms_username: binding.lms_username,
                    account: binding.account.to_string(),
                    username,
                    since: short(binding.created),
                    bound_by: binding.bound_by.as_str().to_owned(),
                });
            }
        }
        Ok(Reply::Bindings(rows))
    }

    async fn remove_binding(&self, by: Operator, at: BindingAt) -> Result<Reply, AdminError> {
        let site = self.site(&at.site)?;
        let account = self.find(&at.user).await?;
        let not_bound = || MethodError::Unbound { account: called(&account), site: site.to_string() };
        let binding = self.accounts.binding(&site, &account.id).await?.ok_or_else(not_bound)?;
        if !self.accounts.unbind(&site, &account.id).await? {
            return Err(not_bound().into());
        }
        self.note_at(&site, by, Event::BindingRemoved { account: account.id.clone(), user: binding.lms_user });
        let (sessions, tokens) = self.end_where(&account, Opened::At(&site), "the binding is removed").await?;
        Ok(done(format!(
            "{} is not LMS user {} of {site} any more; {} and {} there have ended",
            called(&account),
            binding.lms_user,
            count(sessions, "session"),
            count(tokens, "app token"),
        )))
    }

    async fn import_bindings(&self, by: Operator, import: ImportBindings) -> Result<Reply, AdminError> {
        let mut problems = import.problems;
        let wanted = import.rows.iter().map(|row| (row.source.clone(), row.who.clone())).collect();
        let people = self.people(wanted, Subjects::AreAsked).await?;
        let mut plan = BindingPlan::default();
        for row in &import.rows {
            if let Err(what) = self.plan_binding(&mut plan, &people, row, !import.enrol_by_rule).await? {
                problems.push(problem(row.line, what));
            }
        }
        refuse_if_any(problems)?;
        let (bound, made, already) = (plan.bound, plan.made.len(), plan.already);
        let said = format!("bound: {bound}; accounts made for them: {made}; bound already: {already}");
        if import.dry_run {
            return Ok(done(format!("{DRY}{said}")));
        }
        self.write(&plan.entries).await?;
        for (n, entry) in plan.entries.into_iter().enumerate() {
            match entry {
                Entry::Account(made) => {
                    self.note(by, Event::AccountCreated { account: made.1.account, source: made.1.source });
                }
                Entry::Method(method) => {
                    let linked_by = method.linked_by.as_str();
                    self.note(
                        by,
                        Event::MethodLinked { account: method.account, source: method.source, by: linked_by },
                    );
                }
                Entry::Binding(Binding { site, account, lms_user: user, bound_by, .. }) => {
                    self.note_at(&site, by, Event::LmsUserKnown { account, user, by: bound_by.as_str() });
                }
            }
            self.keep_pace(n).await;
        }
        Ok(done(said))
    }

    /// Adds one line to the plan. The inner error is what is wrong with it.
    async fn plan_binding(
        &self,
        plan: &mut BindingPlan,
        people: &People,
        row: &NewBinding,
        help_desk_only: bool,
    ) -> Result<Result<(), String>, AdminError> {
        let (instance, person) = match self.known(people, &row.source, &row.who) {
            Ok(known) => known,
            Err(what) => return Ok(Err(what)),
        };
        let place = match self.place_for(row, &instance, &person) {
            Ok(place) => place,
            Err(what) => return Ok(Err(what)),
        };
        if let Err(what) = plan.first_time(row, &instance, &person) {
            return Ok(Err(what));
        }
        let user = LmsUserId(row.lms_user);
        let key = (instance.name.clone(), person.subject.clone());
        let account = self.accounts.by_method(&key.0, &key.1).await?;
        if let Some(account) = account.as_ref().filter(|account| account.state == State::Gone) {
            return Ok(Err(MethodError::Gone(called(account)).to_string()));
        }
        let known = account.map(|account| account.id).or_else(|| plan.made.get(&key).cloned());
        if let Some(owner) = self.accounts.bound_account(&place.site, user).await? {
            return Ok(match self.accounts.binding(&place.site, &owner).await? {
                Some(binding) if Some(&owner) == known.as_ref() => {
                    if binding.lms_username.as_deref() == Some(row.lms_username.as_str()) {
                        plan.already += 1;
                        Ok(())
                    } else {
                        let name = binding.lms_username.as_deref().unwrap_or("none");
                        Err(format!("LMS user {user} is bound to this account already, its name there being {name}"))
                    }
                }
                Some(_) | None => Err(format!("LMS user {user} is bound to the account {owner} already")),
            });
        }
        let id = match known {
            Some(id) => {
                if let Some(binding) = self.accounts.binding(&place.site, &id).await? {
                    return Ok(Err(format!("the account {id} is bound to LMS user {} already", binding.lms_user)));
                }
                id
            }
            None => {
                let account = match self.newcomer(&instance, &person, row, help_desk_only).await? {
                    Ok(account) => account,
                    Err(what) => return Ok(Err(what)),
                };
                let id = account.id.clone();
                let method = self.new_method(&account, &instance, person.subject, (LinkedBy::Import, true));
                plan.entries.push(Entry::Account(Box::new((account, method))));
                plan.made.insert(key, id.clone());
                id
            }
        };
        plan.bound += 1;
        plan.entries.push(Entry::Binding(Binding {
            site: place.site.clone(),
            lms_user: user,
            account: id,
            created: self.clock.now(),
            lms_username: Some(row.lms_username.clone()),
            bound_by: BoundBy::Import,
        }));
        Ok(Ok(()))
    }

    /// The site, where the line can be meant for it.
    fn place_for(&self, row: &NewBinding, instance: &Instance, person: &Person) -> Result<&Place, String> {
        let place = self.places.iter().find(|place| place.site.as_str() == row.site);
        let place = place.ok_or_else(|| format!("there is no site \"{}\"", row.site))?;
        if !place.sources.contains(&instance.name) {
            return Err(format!("{} is not asked for visitors of {}", instance.name, place.site));
        }
        if row.lms_user == 0 || LmsUserId(row.lms_user) == place.guest || row.lms_username == "guest" {
            return Err("that is the LMS's guest, or nobody".to_owned());
        }
        if !is_plain(&row.lms_username) {
            return Err("the LMS user name is not 1 to 100 of a-z 0-9 . _ @ - and is never sent in a header".to_owned());
        }
        if instance.kind.name == "lms" && person.subject.as_str() != row.lms_user.to_string() {
            return Err(format!("{} is that LMS, where the subject is the LMS user id", instance.name));
        }
        Ok(place)
    }

    /// An account for somebody who has never signed in, unless another has the name or the verified address.
    async fn newcomer(
        &self,
        instance: &Instance,
        person: &Person,
        row: &NewBinding,
        help_desk_only: bool,
    ) -> Result<Result<Account, String>, AdminError> {
        // The LMS as a source says nothing without a password; the name is its own, from its own list.
        let stated = person.username.as_deref().or((instance.kind.name == "lms").then_some(row.lms_username.as_str()));
        let name = stated.and_then(|name| instance.canonical(name));
        if let Some(other) = self.namesake(name.as_ref(), &instance.name, None).await? {
            return Ok(Err(format!(
                "{} is the account {} already, which does not sign in by {}; `vestibule account link` adds it",
                called(&other),
                other.id,
                instance.name
            )));
        }
        let verified = person.email.as_deref().filter(|_| instance.rules.email_verified);
        if let Some(address) = verified {
            let others = self.accounts.by_email(address).await?;
            if let Some(other) = others.iter().find(|other| other.email_verified_by.is_some()) {
                return Ok(Err(format!(
                    "its verified address is that of the account {} ({}); `vestibule account link` adds it",
                    called(other),
                    other.id
                )));
            }
        }
        Ok(Ok(Account {
            id: AccountId::new(self.rng.hex(16)),
            username_verified: name.is_some(),
            username: name.map(|name| name.as_str().to_owned()),
            display_name: person.name.clone(),
            given_name: person.first_name.clone(),
            family_name: person.last_name.clone(),
            email: person.email.clone(),
            email_verified_by: verified.map(|_| instance.name.to_string()),
            groups: Vec::new(),
            email_before: None,
            email_changed: None,
            groups_at: None,
            state: State::Active,
            epoch: 0,
            created: self.clock.now(),
            enrol_by_help_desk_only: help_desk_only,
        }))
    }

    /// Everybody a file names, asked for a few at a time. An instance that fails once is not asked again.
    async fn people(&self, wanted: HashSet<(String, Who)>, subjects: Subjects) -> Result<People, AdminError> {
        if wanted.len() > MOST_ROWS {
            return Err(MethodError::TooMany(MOST_ROWS).into());
        }
        let failed = Failed::default();
        let asked = wanted.into_iter().map(|(source, who)| {
            let instance = self.instance(&source).map_err(|error| error.to_string());
            look_up(instance, (source, who), subjects, failed.clone())
        });
        // Collected first: a lazy iterator that borrows `self` is not known to be Send across the wait.
        let asked: Vec<_> = asked.collect();
        Ok(stream::iter(asked).buffer_unordered(ASKED_AT_ONCE).collect().await)
    }

    fn known(&self, people: &People, source: &str, who: &Who) -> Result<(Instance, Person), String> {
        let instance = self.instance(source).map_err(|error| error.to_string())?;
        match people.get(&(source.to_owned(), who.clone())) {
            Some(found) => found.clone().map(|person| (instance, person)),
            None => Err(MethodError::NoSubject.to_string()),
        }
    }

    async fn write(&self, entries: &[Entry]) -> Result<(), AdminError> {
        match self.accounts.import(entries).await? {
            Created::Yes => Ok(()),
            Created::Taken => Err(MethodError::Race.into()),
        }
    }

    /// The audit log takes what a file of thousands brings only as fast as it is written.
    pub(super) async fn keep_pace(&self, n: usize) {
        if n % RECORDED_AT_ONCE == RECORDED_AT_ONCE - 1 {
            self.audit.flush().await;
        }
    }

    pub(super) fn note_at(&self, site: &SiteName, by: Operator, event: Event) {
        let context = Context { site: Some(site.clone()), by: Some(format!("uid {}", by.uid)), ..Context::default() };
        self.audit.record(context, event);
    }

    fn site(&self, name: &str) -> Result<SiteName, AdminError> {
        let known: Vec<&str> = self.sites.iter().map(SiteName::as_str).collect();
        let found = self.sites.iter().find(|site| site.as_str() == name).cloned();
        found.ok_or_else(|| AdminError::NoSite { name: name.to_owned(), known: known.join(", ") })
    }
}

/// Whom a file's lines mean, or why nobody.
type People = HashMap<(String, Who), Result<Person, String>>;

/// Instances that could not be asked, and why.
type Failed = Arc<Mutex<HashMap<SourceId, String>>>;

/// What becomes of a subject that a line names.
#[derive(Clone, Copy)]
enum Subjects {
    AsTheyStand,
    /// Their names are wanted too, for accounts that will be made.
    AreAsked,
}

/// What a file of bindings would write.
#[derive(Default)]
struct BindingPlan {
    entries: Vec<Entry>,
    made: HashMap<(SourceId, Subject), AccountId>,
    bound: usize,
    already: usize,
    users: HashMap<(String, u64), u64>,
    names: HashMap<(String, String), u64>,
    subjects: HashMap<(String, SourceId, Subject), u64>,
}

impl BindingPlan {
    /// No two lines of one site may name one LMS user, one name, or one person.
    fn first_time(&mut self, row: &NewBinding, instance: &Instance, person: &Person) -> Result<(), String> {
        let site = || row.site.clone();
        let before = [
            ("LMS user", self.users.insert((site(), row.lms_user), row.line)),
            ("LMS user name", self.names.insert((site(), row.lms_username.clone()), row.line)),
            ("person", self.subjects.insert((site(), instance.name.clone(), person.subject.clone()), row.line)),
        ];
        match before.iter().find_map(|(what, line)| line.map(|line| (what, line))) {
            Some((what, line)) => Err(format!("the same {what} stands in line {line} for this site")),
            None => Ok(()),
        }
    }
}

async fn look_up(
    instance: Result<Instance, String>,
    wanted: (String, Who),
    subjects: Subjects,
    failed: Failed,
) -> ((String, Who), Result<Person, String>) {
    let found = match &instance {
        Ok(instance) => one_of(instance, &wanted.1, subjects, &failed).await,
        Err(what) => Err(what.clone()),
    };
    (wanted, found)
}

async fn one_of(instance: &Instance, who: &Who, subjects: Subjects, failed: &Failed) -> Result<Person, String> {
    let before = failed.lock().unwrap_or_else(PoisonError::into_inner).get(&instance.name).cloned();
    if let Some(before) = before {
        return Err(before);
    }
    let found = match (&who.subject, &who.username, subjects) {
        (Some(subject), None, Subjects::AreAsked) => standing(instance, subject).await,
        (Some(subject), None, Subjects::AsTheyStand) => {
            methods::subject(subject).map(Person::of).map_err(Unfound::from)
        }
        (None, Some(username), _) => methods::ask(instance, username).await,
        (None, None, _) | (Some(_), Some(_), _) => Err(MethodError::NoSubject.into()),
    };
    found.map_err(|unfound| {
        if let Unfound::Unasked(what) = &unfound {
            failed.lock().unwrap_or_else(PoisonError::into_inner).insert(instance.name.clone(), what.clone());
        }
        unfound.to_string()
    })
}

/// What the instance says of a subject, where it can be asked. Whoever is barred there is still that person.
async fn standing(instance: &Instance, text: &str) -> Result<Person, Unfound> {
    let subject = methods::subject(text)?;
    let Some(directory) = &instance.directory else { return Ok(Person::of(subject)) };
    match methods::within(instance, directory.standing(&subject)).await? {
        Standing::Active(person) => Ok(*person),
        Standing::Barred(_) => Ok(Person::of(subject)),
        Standing::Unknown => Err(Unfound::Nobody(format!("{} knows no subject \"{subject}\"", instance.name))),
    }
}

fn refuse_if_any(mut problems: Vec<LineProblem>) -> Result<(), AdminError> {
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() { Ok(()) } else { Err(AdminError::Import(problems)) }
}

pub(super) fn table_of(rows: &[BindingRow]) -> String {
    let cells = rows.iter().map(|row| {
        [
            row.site.clone(),
            row.lms_user.to_string(),
            or_dash(&row.lms_username),
            row.account.clone(),
            or_dash(&row.username),
            row.since.clone(),
            row.bound_by.clone(),
        ]
    });
    table(["SITE", "LMS USER", "LMS NAME", "ACCOUNT", "USER", "SINCE", "BY"], cells.collect())
}
