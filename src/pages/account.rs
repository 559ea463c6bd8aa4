//! The account page's values: what a [`Sheet`] becomes in the templates of `templates/account/`.

use crate::{
    flow::{AppLine, OwnFactor, SessionLine, SetUp, Sheet, TrustedLine, Way},
    mfa::enrolment::EnrolmentProof,
    types::Timestamp,
};
use minijinja::{context, value::Value};
use std::time::Duration;

/// With so few recovery codes left the page says so.
const LOW: u32 = 3;

pub(super) fn values(sheet: &Sheet, onward: Option<&str>, csrf: &str) -> Value {
    let recovery = sheet.recovery_left.map(|left| context! { left, low => left <= LOW });
    let by_help_desk = sheet.set_up.as_ref().is_some_and(|set_up| set_up.proof == EnrolmentProof::ByHelpDesk);
    context! {
        account => sheet.name.as_deref(),
        ways => sheet.ways.iter().map(|line| way(line, sheet.has_factor)).collect::<Vec<_>>(),
        more => sheet.more,
        has_factor => sheet.has_factor,
        factors => sheet.factors.iter().map(factor).collect::<Vec<_>>(),
        addable => sheet.addable.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
        recovery,
        set_up => sheet.set_up.is_some(),
        by_help_desk,
        due => sheet.set_up.as_ref().and_then(due),
        devices => sheet.devices.iter().map(device).collect::<Vec<_>>(),
        sessions => sheet.sessions.iter().map(session).collect::<Vec<_>>(),
        apps => sheet.apps.iter().map(app).collect::<Vec<_>>(),
        onward,
        csrf,
    }
}

/// The last day on which it is still good, in words: the deadline itself is the first moment that is not.
pub(super) fn last_day(deadline: Timestamp) -> Option<Value> {
    let last = deadline.minus(Duration::from_millis(1));
    let day = time::OffsetDateTime::from_unix_timestamp(last.secs()).ok()?.date();
    // A year is a name, not a number with separators.
    Some(context! { day => day.day(), month => u8::from(day.month()), year => day.year().to_string() })
}

fn due(set_up: &SetUp) -> Option<Value> {
    set_up.due.and_then(last_day)
}

/// What may not be done is not offered; without a factor nothing may.
fn way(way: &Way, has_factor: bool) -> Value {
    context! {
        handle => way.handle.as_str(),
        label => way.label.as_str(),
        name => way.name.as_deref(),
        linked => day(way.linked),
        primary => way.primary,
        current => way.current,
        may_unlink => way.may_unlink && has_factor,
        may_make_primary => way.may_make_primary && has_factor,
    }
}

fn factor(factor: &OwnFactor) -> Value {
    context! {
        id => factor.id.as_str(),
        kind => factor.kind.as_str(),
        label => factor.label.as_str(),
        added => day(factor.added),
        last_used => factor.last_used.map(moment),
        suspended => factor.suspended,
    }
}

fn device(device: &TrustedLine) -> Value {
    context! {
        id => device.id.as_str(),
        label => device.label.as_str(),
        address => device.address.as_str(),
        last_used => moment(device.last_used),
        expires => moment(device.expires),
    }
}

fn session(session: &SessionLine) -> Value {
    context! {
        handle => session.handle.as_str(),
        label => session.label.as_str(),
        address => session.address.as_str(),
        last_used => moment(session.last_used),
        current => session.current,
    }
}

fn app(app: &AppLine) -> Value {
    context! {
        id => app.id.as_str(),
        label => app.label.as_str(),
        address => app.address.as_str(),
        service => app.service.as_str(),
        issued => day(app.issued),
        last_used => moment(app.last_used),
    }
}

/// `2026-11-21`: read alike everywhere.
fn day(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// For machines, and `2026-11-21 14:05 UTC`: the reader's own zone is not known here.
fn moment(at: Timestamp) -> Value {
    let machine = at.to_string();
    let minute: String = machine.chars().skip(11).take(5).collect();
    context! { shown => format!("{} {minute} UTC", day(at)), machine }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_at_midnight_is_the_day_before() {
        // 2027-07-01T00:00:00Z ends 30 June.
        let value = last_day(Timestamp::from_secs(1_814_400_000)).unwrap();
        let of = |name: &str| value.get_attr(name).unwrap().to_string();
        assert_eq!((of("day"), of("month"), of("year")), ("30".into(), "6".into(), "2027".into()));
    }

    #[test]
    fn a_moment_is_told_to_the_minute() {
        let value = moment(Timestamp(1_795_305_600_123));
        assert_eq!(value.get_attr("shown").unwrap().to_string(), "2026-11-22 00:00 UTC");
    }
}
