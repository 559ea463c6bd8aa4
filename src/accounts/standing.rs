//! What a source's word about one of its people changes (design §2 "Leavers"). The word comes without a password, from
//! the source of the account's primary method.

use super::{Method, State};
use crate::{
    chain::Standing,
    types::{SourceId, Timestamp},
};
use std::time::Duration;

/// A source that has been silent for so long vouches for nobody any more: a new sign-in is needed.
pub const SILENCE: Duration = Duration::from_secs(24 * 3600);

/// What becomes of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Nothing,
    /// The password is another one: what was issued before is dead.
    PasswordChanged,
    /// It may not sign in any more, for this reason.
    Barred(State, &'static str),
    /// It was barred by a source, and may sign in again.
    Back,
}

/// `barred_by` is the source that barred the account; where an operator did, no source changes anything.
pub fn change(state: State, barred_by: Option<&SourceId>, method: &Method, standing: &Standing) -> Change {
    let ours = state == State::Active || barred_by.is_some();
    match (standing, state) {
        (Standing::Active(person), State::Active) => match (&method.password_mark, &person.password_mark) {
            (Some(old), Some(new)) if old != new => Change::PasswordChanged,
            (Some(_) | None, _) => Change::Nothing,
        },
        (Standing::Active(_), State::Suspended | State::Gone) if ours => Change::Back,
        (Standing::Barred(reason), State::Active | State::Gone) if ours => Change::Barred(State::Suspended, reason),
        (Standing::Unknown, State::Active | State::Suspended) if ours => Change::Barred(State::Gone, UNKNOWN),
        (Standing::Active(_) | Standing::Barred(_) | Standing::Unknown, _) => Change::Nothing,
    }
}

/// The reason where the source has nobody of that subject.
pub const UNKNOWN: &str = "unknown_to_its_source";

/// Whether it is time to ask again.
pub fn is_due(method: &Method, recheck: Duration, now: Timestamp) -> bool {
    now.since(method.vouched) >= recheck
}

/// Whether the source's last word is too old to go on with, now that it does not answer.
pub fn is_silent(method: &Method, now: Timestamp) -> bool {
    now.since(method.vouched) >= SILENCE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::LinkedBy,
        chain::Person,
        types::{AccountId, Subject},
    };

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn method(mark: Option<&str>) -> Method {
        Method {
            source: SourceId::new("staff"),
            subject: Subject::new("7"),
            account: AccountId::new("a"),
            linked: NOW,
            linked_by: LinkedBy::FirstSignIn,
            primary: true,
            password_mark: mark.map(str::to_owned),
            groups: None,
            vouched: NOW,
        }
    }

    fn active(mark: Option<&str>) -> Standing {
        let person = Person { password_mark: mark.map(str::to_owned), ..Person::of(Subject::new("7")) };
        Standing::Active(Box::new(person))
    }

    #[test]
    fn a_source_bars_its_own_and_takes_them_back() {
        let staff = SourceId::new("staff");
        let of = |state, by: Option<&SourceId>, standing: &Standing| change(state, by, &method(None), standing);
        let barred = Standing::Barred("disabled");
        assert_eq!(of(State::Active, None, &barred), Change::Barred(State::Suspended, "disabled"));
        assert_eq!(of(State::Active, None, &Standing::Unknown), Change::Barred(State::Gone, UNKNOWN));
        assert_eq!(of(State::Suspended, Some(&staff), &Standing::Unknown), Change::Barred(State::Gone, UNKNOWN));
        assert_eq!(of(State::Gone, Some(&staff), &barred), Change::Barred(State::Suspended, "disabled"));
        assert_eq!(of(State::Suspended, Some(&staff), &barred), Change::Nothing, "one line per change");
        assert_eq!(of(State::Gone, Some(&staff), &Standing::Unknown), Change::Nothing);
        for state in [State::Suspended, State::Gone] {
            assert_eq!(of(state, Some(&staff), &active(None)), Change::Back);
        }
    }

    #[test]
    fn an_operators_word_stands_whatever_the_source_says() {
        for standing in [active(Some("2")), Standing::Barred("disabled"), Standing::Unknown] {
            for state in [State::Suspended, State::Gone] {
                assert_eq!(change(state, None, &method(Some("1")), &standing), Change::Nothing);
            }
        }
    }

    #[test]
    fn another_mark_is_another_password_and_a_missing_one_says_nothing() {
        let marked = |old, new| change(State::Active, None, &method(old), &active(new));
        assert_eq!(marked(Some("1"), Some("2")), Change::PasswordChanged);
        for (old, new) in [(Some("1"), Some("1")), (None, Some("2")), (Some("1"), None), (None, None)] {
            assert_eq!(marked(old, new), Change::Nothing);
        }
    }

    #[test]
    fn a_word_is_due_after_the_interval_and_worthless_after_a_day() {
        let (method, recheck) = (method(None), Duration::from_secs(900));
        let after = |seconds| NOW.plus(Duration::from_secs(seconds));
        assert!(!is_due(&method, recheck, after(899)) && is_due(&method, recheck, after(900)));
        assert!(!is_silent(&method, after(86_399)) && is_silent(&method, after(86_400)));
        assert!(!is_due(&method, recheck, NOW.minus(recheck)), "a clock put back asks nobody twice");
    }
}
