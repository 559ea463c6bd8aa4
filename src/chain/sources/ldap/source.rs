//! The source itself: how a name and a password are judged, and how somebody is looked up without one.
//!
//! A refusal costs the same whether the name exists or not (attack E1): one search and one bind. For a name that is
//! not there, the bind is made as somebody who cannot exist.

use super::{
    dial::{Dialer, Errand},
    endpoint::{Endpoint, Rules},
    entry::{Attributes, Entry},
    line::{BindAnswer, Fault, Line, Query},
    look_up::Found,
    names,
    pool::Pool,
    settings,
    state::{self, BindSays, Dialect},
};
use crate::{
    chain::{Asked, Directory, PasswordSource, Person, Proven, Standing, Trace, Verdict},
    types::{Clock, Password, Rng, RngExt, Subject},
};
use async_trait::async_trait;
use ldap3::Scope;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Longer than any password that people have and any that directories take (Active Directory: 256 characters).
const PASSWORD_LIMIT: usize = 1024;

/// People's own binds at a time. Each is a connection of its own, with a TLS handshake; more would only wait there.
const BINDS: usize = 16;

/// Groups of one person. Active Directory itself allows 1,015 in a token.
const GROUPS_LIMIT: usize = 1_015;

pub const AMBIGUOUS: &str = "ambiguous name";
pub const NOT_MATCHED: &str = "no longer matched by the filter";

/// Where groups are read.
#[derive(Clone, Debug)]
pub enum GroupsFrom {
    Nowhere,
    MemberOf { base: Option<String> },
    Search { base: String, filter: String },
}

/// What an instance is made of.
pub struct Parts {
    pub dialer: Dialer,
    pub pool: Pool,
    pub rules: Rules,
    pub follow: Vec<String>,
    pub search: Option<settings::Search>,
    pub filter: String,
    pub direct: Option<String>,
    pub attributes: Attributes,
    pub dialect: Dialect,
    pub groups: GroupsFrom,
    pub deadline: Duration,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
}

pub struct LdapSource {
    pub(super) parts: Parts,
    /// The attributes that a search asks for.
    pub(super) wanted: Vec<String>,
    binds: Semaphore,
}

/// As whom something is read: the service account, or the person on the connection of their own bind.
enum Reader<'a> {
    Service,
    Own(&'a mut Line),
}

/// Why something could not be said.
struct Trouble {
    said: String,
    /// It is the server's, and everybody's: not of one name or entry.
    all: bool,
}

impl LdapSource {
    pub fn new(parts: Parts) -> Self {
        let state = parts.dialect.state_attributes().iter().copied();
        let mut wanted: Vec<String> = parts.attributes.names().chain(state).map(str::to_owned).collect();
        if matches!(parts.groups, GroupsFrom::MemberOf { .. }) {
            wanted.push("memberOf".to_owned());
        }
        Self { parts, wanted, binds: Semaphore::new(BINDS) }
    }

    /// Everything within the deadline, and a little before the chain's own, so that the reason names the server.
    async fn within<T>(&self, errand: &Errand<'_>, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Trouble> {
        let deadline = self.parts.deadline - self.parts.deadline / 20;
        let done = tokio::time::timeout(deadline, work).await;
        let said = match done {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(fault)) if !fault.is_the_servers() => return Err(Trouble { said: fault.to_string(), all: false }),
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => match errand.last() {
                Some(at) => format!("{at}: no answer within {deadline:?}"),
                // Our own bound was reached, which is no fault of the directory's.
                None => {
                    let said = format!("no connection became free within {deadline:?}");
                    return Err(Trouble { said, all: false });
                }
            },
        };
        if let Some(at) = errand.last() {
            self.parts.dialer.suspect(&at);
        }
        Err(Trouble { said, all: true })
    }

    /// Somebody's own bind, on a connection that is used for nothing before it.
    async fn own_bind(
        &self,
        at: &Endpoint,
        dn: &str,
        password: &Password,
        errand: &Errand<'_>,
    ) -> Result<(Line, BindAnswer), Fault> {
        errand.asks(at);
        let mut line = Line::open(at, &self.parts.dialer.tls, errand.trace).await?;
        let answer = line.bind(dn, password).await?;
        errand.trace.note("user bind", || format!("result code {}{}", answer.code, grace(&answer)));
        Ok((line, answer))
    }

    fn bound(&self, answer: &BindAnswer) -> BindSays {
        state::of_bind(answer.code, &answer.text, answer.policy, self.parts.dialect)
    }

    async fn by_search(&self, username: &str, password: &Password, errand: &Errand<'_>) -> Result<Verdict, Fault> {
        let found = self.look_up(&names::filter_for(&self.parts.filter, username), errand).await?;
        let _permit = self.binds.acquire().await.map_err(|closed| Fault::Other(closed.to_string()))?;
        let (entry, at) = match found {
            Found::One(entry, at) => (entry, at),
            nobody_or_several => {
                self.decoy_bind(password, errand).await?;
                return Ok(match nobody_or_several {
                    Found::Several => Verdict::Denied(AMBIGUOUS, None),
                    Found::Nobody | Found::One(..) => Verdict::Unknown,
                });
            }
        };
        let (_line, answer) = self.own_bind(&at, &entry.dn, password, errand).await?;
        let now = self.parts.clock.now();
        match state::of_bind_and_entry(self.bound(&answer), &entry, self.parts.dialect, now) {
            BindSays::Right => self.accept(&entry, username, Reader::Service, errand).await,
            BindSays::Wrong => Ok(Verdict::Declined(None)),
            BindSays::Barred(reason) => Ok(Verdict::Denied(reason, None)),
            BindSays::CannotSay(code) => Err(Fault::Answer { at, step: "the user's bind", code }),
        }
    }

    /// A bind as somebody who cannot exist, over the way that a real one would take.
    async fn decoy_bind(&self, password: &Password, errand: &Errand<'_>) -> Result<(), Fault> {
        let (base, _) = self.base()?;
        let nobody = self.parts.rng.hex(16);
        let dn = if base.is_empty() { format!("cn={nobody}") } else { format!("cn={nobody},{base}") };
        let asked = errand.last().ok_or_else(|| Fault::Other("nothing was searched".into()))?;
        let (_line, answer) = self.own_bind(&asked, &dn, password, errand).await?;
        match self.bound(&answer) {
            BindSays::Wrong | BindSays::Barred(_) => Ok(()),
            BindSays::Right => {
                Err(Fault::Other("the directory accepts a password of somebody who cannot exist".into()))
            }
            BindSays::CannotSay(code) => Err(Fault::Answer { at: asked, step: "a bind", code }),
        }
    }

    async fn directly(
        &self,
        template: &str,
        username: &str,
        password: &Password,
        errand: &Errand<'_>,
    ) -> Result<Verdict, Fault> {
        let _permit = self.binds.acquire().await.map_err(|closed| Fault::Other(closed.to_string()))?;
        let name = names::bind_name(template, username);
        let (mut line, answer) = self.parts.dialer.first(errand, |line| first_bind(line, &name, password)).await?;
        errand.trace.note("user bind", || format!("as {name}: result code {}{}", answer.code, grace(&answer)));
        match self.bound(&answer) {
            BindSays::Right => {}
            BindSays::Wrong => return Ok(Verdict::Declined(None)),
            BindSays::Barred(reason) => return Ok(Verdict::Denied(reason, None)),
            BindSays::CannotSay(code) => {
                return Err(Fault::Answer { at: line.at().clone(), step: "the user's bind", code });
            }
        }
        let is_own_dn = names::is_dn(template) && self.parts.search.is_none();
        let hits = if is_own_dn {
            line.search(&self.query(&name, Scope::Base, "(objectClass=*)", 1)).await?
        } else {
            let (base, scope) = self.base()?;
            line.search(&self.query(base, scope, &names::filter_for(&self.parts.filter, username), 1)).await?
        };
        if hits.more || hits.entries.len() > 1 {
            return Ok(Verdict::Denied(AMBIGUOUS, None));
        }
        let Some(entry) = hits.entries.into_iter().next() else {
            return Err(Fault::Other("the password was right and the person's own entry cannot be read".into()));
        };
        // The name that was bound and the name that was searched need not be the same person's: one may carry the
        // other's name as their `userPrincipalName`. The entry found must open with this password too.
        if !is_own_dn {
            let again = line.bind(&entry.dn, password).await?;
            errand.trace.note("user bind", || format!("as {}: result code {}", entry.dn, again.code));
            if self.bound(&again) != BindSays::Right {
                return Ok(Verdict::Denied(AMBIGUOUS, None));
            }
        }
        self.accept(&entry, username, Reader::Own(&mut line), errand).await
    }

    /// The password was right. May the person sign in, and who is it?
    async fn accept(
        &self,
        entry: &Entry,
        username: &str,
        reader: Reader<'_>,
        errand: &Errand<'_>,
    ) -> Result<Verdict, Fault> {
        if let Some(reason) = state::barred(entry, self.parts.dialect, self.parts.clock.now()) {
            return Ok(Verdict::Denied(reason, None));
        }
        let person = self.person(entry, username, reader, errand).await?;
        Ok(Verdict::Ok(Box::new(Proven { person, lms: None })))
    }

    async fn person(
        &self,
        entry: &Entry,
        username: &str,
        reader: Reader<'_>,
        errand: &Errand<'_>,
    ) -> Result<Person, Fault> {
        let mut person = self.parts.attributes.person(entry).ok_or_else(|| {
            let subject = &self.parts.attributes.subject;
            Fault::Other(format!("the entry has no {subject} that can be read here, and so no lasting name"))
        })?;
        person.groups = self.groups(entry, username, reader, errand).await?;
        errand.trace.note("attributes", || describe(&person));
        Ok(person)
    }

    /// Groups that cannot be read are no empty list: the whole answer is ERROR then (design R4).
    async fn groups(
        &self,
        entry: &Entry,
        username: &str,
        reader: Reader<'_>,
        errand: &Errand<'_>,
    ) -> Result<Option<Vec<String>>, Fault> {
        let too_many = || Fault::Other(format!("somebody is in more than {GROUPS_LIMIT} groups"));
        let mut groups: Vec<String> = match &self.parts.groups {
            GroupsFrom::Nowhere => return Ok(None),
            GroupsFrom::MemberOf { .. } if entry.is_partial("memberOf") => return Err(too_many()),
            GroupsFrom::MemberOf { base } => {
                entry.texts("memberOf").into_iter().map(|dn| names::group_name(dn, base.as_deref())).collect()
            }
            GroupsFrom::Search { base, filter } => {
                let filter = names::filter_for(filter, username);
                let filter = filter.replace(names::DN, &names::filter_value(entry.dn.as_bytes()));
                let nothing = ["1.1".to_owned()]; // no attributes, RFC 4511 §4.5.1.8
                let query = Query { attributes: &nothing, ..self.query(base, Scope::Subtree, &filter, GROUPS_LIMIT) };
                let hits = match reader {
                    Reader::Own(line) => line.search(&query).await?,
                    Reader::Service => self.parts.pool.search(&self.parts.dialer, &query, errand).await?.0,
                };
                if hits.more {
                    return Err(too_many());
                }
                hits.entries.iter().map(|group| names::group_name(&group.dn, Some(base))).collect()
            }
        };
        if groups.len() > GROUPS_LIMIT {
            return Err(too_many());
        }
        groups.sort();
        groups.dedup();
        Ok(Some(groups))
    }

    /// The entry of a subject. Whoever the filter no longer matches is barred, not unknown.
    async fn look_up_subject(&self, subject: &Subject, errand: &Errand<'_>) -> Result<Standing, Fault> {
        let Some(by_subject) = self.parts.attributes.filter_of(subject) else { return Ok(Standing::Unknown) };
        let anybody = names::filter_for_anybody(&self.parts.filter);
        match self.look_up(&format!("(&{by_subject}{anybody})"), errand).await? {
            Found::One(entry, _) => {
                if let Some(reason) = state::barred(&entry, self.parts.dialect, self.parts.clock.now()) {
                    return Ok(Standing::Barred(reason));
                }
                let username = entry.text(&self.parts.attributes.username).unwrap_or_default();
                let person = self.person(&entry, username, Reader::Service, errand).await?;
                Ok(Standing::Active(Box::new(person)))
            }
            Found::Several => Err(Fault::Other("one subject has several entries".into())),
            Found::Nobody => Ok(match self.look_up(&by_subject, errand).await? {
                Found::Nobody => Standing::Unknown,
                Found::One(..) | Found::Several => Standing::Barred(NOT_MATCHED),
            }),
        }
    }
}

async fn first_bind(mut line: Line, name: &str, password: &Password) -> Result<(Line, BindAnswer), Fault> {
    let answer = line.bind(name, password).await?;
    Ok((line, answer))
}

fn grace(answer: &BindAnswer) -> String {
    let left = answer.policy.and_then(|policy| policy.grace);
    left.map(|left| format!(", the password has expired and works {left} times more")).unwrap_or_default()
}

fn describe(person: &Person) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let groups = person.groups.as_ref().map_or("not read".to_owned(), |groups| groups.join(", "));
    format!(
        "subject {}, username {}, name {}, e-mail {}, groups {groups}, password of {}",
        person.subject,
        or_none(&person.username),
        or_none(&person.name),
        or_none(&person.email),
        or_none(&person.password_mark)
    )
}

/// What is refused without asking anybody: directories answer an empty password with success, and read a NUL as the
/// end or not (attack E7).
fn is_no_password(password: &Password) -> bool {
    let password = password.expose();
    password.is_empty() || password.len() > PASSWORD_LIMIT || password.contains('\0')
}

#[async_trait]
impl PasswordSource for LdapSource {
    async fn judge(&self, asked: &Asked<'_>) -> Verdict {
        let (username, password, trace) = (asked.username, asked.password(), asked.trace());
        if username.is_empty() || is_no_password(password) {
            trace.note("verdict", || "declined without asking: no name, or nothing that can be a password".to_owned());
            return Verdict::Declined(None);
        }
        let errand = Errand::new(trace);
        let judged = match &self.parts.direct {
            Some(template) => self.within(&errand, self.directly(template, username, password, &errand)).await,
            None => self.within(&errand, self.by_search(username, password, &errand)).await,
        };
        // What is wrong with one name or entry opens no breaker for everybody.
        let verdict = judged.unwrap_or_else(|trouble| match trouble.all {
            true => Verdict::Error(trouble.said),
            false => Verdict::Unclear(trouble.said),
        });
        trace.note("verdict", || match verdict.reason() {
            Some(reason) => format!("{}: {reason}", verdict.name()),
            None => verdict.name().to_owned(),
        });
        verdict
    }

    /// Connects and binds as the service account, if there is one.
    async fn probe(&self) -> Result<(), String> {
        let trace = Trace::off();
        let errand = Errand::new(&trace);
        let opened = async { self.parts.pool.open(&self.parts.dialer, &errand).await.map(drop) };
        self.within(&errand, opened).await.map_err(|trouble| trouble.said)
    }
}

#[async_trait]
impl Directory for LdapSource {
    async fn standing(&self, subject: &Subject) -> Result<Standing, String> {
        let trace = Trace::off();
        let errand = Errand::new(&trace);
        self.within(&errand, self.look_up_subject(subject, &errand)).await.map_err(|trouble| trouble.said)
    }

    async fn find(&self, username: &str) -> Result<Option<Person>, String> {
        let trace = Trace::off();
        let errand = Errand::new(&trace);
        let look = async {
            match self.look_up(&names::filter_for(&self.parts.filter, username), &errand).await? {
                Found::One(entry, _) => Ok(Some(self.person(&entry, username, Reader::Service, &errand).await?)),
                Found::Nobody => Ok(None),
                Found::Several => Err(Fault::Other("several entries have that name".into())),
            }
        };
        self.within(&errand, look).await.map_err(|trouble| trouble.said)
    }
}
