//! Cohorts by Moodle's web service.
//!
//! Core has no function that lists one person's cohorts, and none that lists roles: the members of all cohorts are
//! fetched at once (core_cohort_get_cohorts, core_cohort_get_cohort_members; Moodle 2.5+) and kept for a minute, so
//! that a round over everybody asks twice and not twice for each. Roles and administrators need `lms.groups.sql`.

use super::Moodle;
use crate::{
    lms::{
        LmsError,
        groups::{Groups, GroupsError, sorted},
    },
    types::{Clock, LmsUserId, Secret, Timestamp},
};
use async_trait::async_trait;
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Mutex;

/// How old an answer may be when it is used again.
const FRESH: Duration = Duration::from_secs(60);
/// More cohorts than anybody writes rules about; each is an argument of a call.
const MOST_COHORTS: usize = 2_000;

/// One site's cohorts, with a token that may see them.
pub struct Cohorts {
    moodle: Moodle,
    token: Secret<String>,
    clock: Arc<dyn Clock>,
    /// Held while it is filled: whoever asks meanwhile waits for that answer.
    known: Mutex<Option<Known>>,
}

struct Known {
    at: Timestamp,
    members: HashMap<u64, BTreeSet<String>>,
}

impl Cohorts {
    pub fn new(moodle: Moodle, token: Secret<String>, clock: Arc<dyn Clock>) -> Self {
        Self { moodle, token, clock, known: Mutex::new(None) }
    }

    async fn fetch(&self) -> Result<HashMap<u64, BTreeSet<String>>, LmsError> {
        let cohorts = self.ask("core_cohort_get_cohorts", &[]).await?;
        let names = names(&cohorts).ok_or_else(|| unexpected("core_cohort_get_cohorts", &cohorts))?;
        if names.len() > MOST_COHORTS {
            return Err(LmsError::Unsuitable(format!("the LMS has more than {MOST_COHORTS} cohorts")));
        }
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let arguments: Vec<(String, String)> =
            (0_usize..).zip(names.keys()).map(|(n, id)| (format!("cohortids[{n}]"), id.to_string())).collect();
        let arguments: Vec<(&str, &str)> = arguments.iter().map(|(key, id)| (key.as_str(), id.as_str())).collect();
        let members = self.ask("core_cohort_get_cohort_members", &arguments).await?;
        by_user(&names, &members).ok_or_else(|| unexpected("core_cohort_get_cohort_members", &members))
    }

    async fn ask(&self, function: &str, arguments: &[(&str, &str)]) -> Result<Value, LmsError> {
        self.moodle.call(&self.token, function, arguments, super::own_address(), None).await
    }
}

#[async_trait]
impl Groups for Cohorts {
    async fn of(&self, user: LmsUserId) -> Result<Vec<String>, GroupsError> {
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        // A clock that went back makes nothing fresh.
        let fresh = known.as_ref().filter(|known| known.at <= now && now.since(known.at) < FRESH);
        if let Some(fresh) = fresh {
            return sorted(fresh.members.get(&user.0).into_iter().flatten().cloned());
        }
        // An answer that is too old is none: what follows may fail, and must then fail for everybody.
        *known = None;
        let members = self.fetch().await?;
        let own = sorted(members.get(&user.0).into_iter().flatten().cloned());
        *known = Some(Known { at: now, members });
        own
    }
}

/// Each cohort's names, by its id: as people read it, and its id number where it has one.
fn names(answer: &Value) -> Option<HashMap<u64, Vec<String>>> {
    let one = |cohort: &Value| {
        let text = |key: &str| cohort.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let names = text("name").into_iter().chain(text("idnumber")).map(|name| format!("cohort:{name}")).collect();
        Some((cohort.get("id")?.as_u64()?, names))
    };
    answer.as_array()?.iter().map(one).collect()
}

/// `None` also where a cohort is missing that was asked for: its members would seem to be in none.
fn by_user(names: &HashMap<u64, Vec<String>>, answer: &Value) -> Option<HashMap<u64, BTreeSet<String>>> {
    let (mut all, mut seen) = (HashMap::<u64, BTreeSet<String>>::new(), BTreeSet::new());
    for cohort in answer.as_array()? {
        let id = cohort.get("cohortid")?.as_u64()?;
        let own = names.get(&id)?;
        seen.insert(id);
        for user in cohort.get("userids")?.as_array()? {
            all.entry(user.as_u64()?).or_default().extend(own.iter().cloned());
        }
    }
    (seen.len() == names.len()).then_some(all)
}

/// Moodle's error code names what is to be set; the message could hold anything.
fn unexpected(function: &str, answer: &Value) -> LmsError {
    let code = answer.get("errorcode").and_then(Value::as_str).filter(|code| code.len() < 64).unwrap_or("no list");
    LmsError::Unsuitable(format!(
        "{function} answered {code}: the token's service needs it, and its user moodle/cohort:view"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_listed_by_person() {
        let cohorts = json!([
            { "id": 1, "name": "Staff", "idnumber": "staff", "visible": true },
            { "id": 2, "name": "Board", "idnumber": "" },
        ]);
        let names = names(&cohorts).unwrap();
        let members = json!([{ "cohortid": 1, "userids": [3, 4] }, { "cohortid": 2, "userids": [4] }]);
        let by_user = by_user(&names, &members).unwrap();
        let of = |id: u64| by_user.get(&id).cloned().unwrap_or_default().into_iter().collect::<Vec<_>>();
        assert_eq!(of(3), ["cohort:Staff", "cohort:staff"]);
        assert_eq!(of(4), ["cohort:Board", "cohort:Staff", "cohort:staff"]);
        assert!(of(5).is_empty());
    }

    #[test]
    fn j16_an_answer_that_is_not_whole_is_none() {
        let exception = json!({ "exception": "x", "errorcode": "accessexception", "message": "no" });
        assert!(names(&exception).is_none());
        assert!(unexpected("f", &exception).to_string().contains("accessexception"));
        let both = names(&json!([{ "id": 1, "name": "a" }, { "id": 2, "name": "b" }])).unwrap();
        for members in [
            json!([{ "cohortid": 1, "userids": [3] }]),
            json!([{ "cohortid": 1, "userids": [3] }, { "cohortid": 2, "userids": null }]),
            json!([{ "cohortid": 1, "userids": [3] }, { "cohortid": 9, "userids": [3] }]),
            exception,
        ] {
            assert!(by_user(&both, &members).is_none(), "{members}");
        }
    }
}
