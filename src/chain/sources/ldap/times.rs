//! The two ways in which directories write a moment: generalized time (RFC 4517 §3.3.13) and Windows' FILETIME.

use crate::types::Timestamp;

/// `20260131235959Z`, with or without seconds' fraction, in UTC. Anything else is `None`: ppolicy writes no other.
pub fn generalized(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    let (whole, _fraction) = digits.split_once(['.', ',']).unwrap_or((digits, ""));
    if !(whole.len() == 14 || whole.len() == 12) || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<u8>().ok();
    let month = time::Month::try_from(number(4, 6)?).ok()?;
    let date = time::Date::from_calendar_date(whole[..4].parse().ok()?, month, number(6, 8)?).ok()?;
    let second = number(12, 14).unwrap_or(0).min(59); // a leap second is nobody's deadline
    let moment = date.with_hms(number(8, 10)?, number(10, 12)?, second).ok()?;
    Some(Timestamp::from_secs(moment.assume_utc().unix_timestamp()))
}

/// 100-nanosecond steps since 1601. `None` where it means "never": 0 and the largest number.
pub fn filetime(text: &str) -> Option<Timestamp> {
    const TO_1970_MS: i64 = 11_644_473_600_000;
    match text.parse::<i64>().ok()? {
        steps if steps <= 0 || steps == i64::MAX => None,
        steps => Some(Timestamp(steps / 10_000 - TO_1970_MS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generalized_times_are_read() {
        assert_eq!(generalized("19700101000001Z"), Some(Timestamp::from_secs(1)));
        assert_eq!(generalized("20231114221320.123Z"), Some(Timestamp::from_secs(1_700_000_000)));
        assert_eq!(generalized("202311142213Z"), Some(Timestamp::from_secs(1_699_999_980)));
        for other in ["", "Z", "20231114221320", "20231314221320Z", "20231114221320+0100", "2023111422132éZ"] {
            assert_eq!(generalized(other), None, "{other}");
        }
    }

    #[test]
    fn filetimes_are_read() {
        assert_eq!(filetime("116444736000000000"), Some(Timestamp(0)));
        assert_eq!(filetime("133444736000000000"), Some(Timestamp::from_secs(1_700_000_000)));
        for never in ["0", "9223372036854775807", "-1", "soon"] {
            assert_eq!(filetime(never), None, "{never}");
        }
    }
}
