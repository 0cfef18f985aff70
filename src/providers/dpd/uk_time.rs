//! Times as UK couriers write them: without an offset they are UK time, summer time included.

use crate::json::Timestamp;
use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveDateTime, NaiveTime, Weekday};

/// `14:05`, with seconds or without.
pub fn time_of_day(text: &str) -> Option<NaiveTime> {
    let formats = ["%H:%M:%S%.f", "%H:%M"];
    formats
        .iter()
        .find_map(|format| NaiveTime::parse_from_str(text, format).ok())
}

/// Year first, or day first, as the UK writes it.
pub fn day(text: &str) -> Option<NaiveDate> {
    let formats = ["%Y-%m-%d", "%d/%m/%Y"];
    formats
        .iter()
        .find_map(|format| NaiveDate::parse_from_str(text, format).ok())
}

/// A date and perhaps a time of day, with an offset or in UK time; or seconds or milliseconds since 1970.
pub fn moment(text: &str) -> Option<Timestamp> {
    const EPOCH_2000: i64 = 946_684_800_000_000;
    // PostgreSQL's times begin 6,713 years before 2000.
    const FURTHEST: i64 = 6_000 * 366 * 86_400_000_000;
    let micros = match text.parse::<i64>() {
        Ok(number) => of_number(number)?,
        Err(_) => of_text(text)?,
    };
    Some(Timestamp(micros.checked_sub(EPOCH_2000)?)).filter(|time| time.0.abs() < FURTHEST)
}

fn of_number(number: i64) -> Option<i64> {
    // Fewer digits are not a time but 20260119 or the like.
    match number {
        1_000_000_000..100_000_000_000 => number.checked_mul(1_000_000),
        100_000_000_000.. => number.checked_mul(1_000),
        _ => None,
    }
}

fn of_text(text: &str) -> Option<i64> {
    let text = text.replacen(' ', "T", 1);
    let with_offset = DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%#z");
    let with_offset = with_offset.or_else(|_| DateTime::parse_from_rfc3339(&text));
    if let Ok(time) = with_offset {
        return Some(time.timestamp_micros());
    }
    let local = match text.split_once('T') {
        Some((date, time)) => day(date)?.and_time(time_of_day(time)?),
        None => day(&text)?.and_time(NaiveTime::MIN),
    };
    let utc = local.checked_sub_signed(uk_offset(local)?)?;
    Some(utc.and_utc().timestamp_micros())
}

/// How far UK time is ahead of UTC: an hour from the last Sunday of March to the last Sunday of October, both at 01:00
/// UTC (since 1996). The hour that comes twice in October counts as its first.
fn uk_offset(local: NaiveDateTime) -> Option<Duration> {
    let at_one = NaiveTime::from_hms_opt(1, 0, 0)?;
    let begins = last_sunday(local.year(), 3)?.and_time(at_one);
    // 01:00 UTC is 02:00 on the clocks that go back.
    let ends = last_sunday(local.year(), 10)?.and_time(at_one) + Duration::hours(1);
    let is_summer = local >= begins + Duration::hours(1) && local < ends;
    Some(Duration::hours(i64::from(is_summer)))
}

fn last_sunday(year: i32, month: u32) -> Option<NaiveDate> {
    // Both months have 31 days.
    let last = NaiveDate::from_ymd_opt(year, month, 31)?;
    let back = last.weekday().days_since(Weekday::Sun);
    last.checked_sub_signed(Duration::days(back.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn times_without_an_offset_are_uk_time_summer_and_winter() {
        for (local, expected) in [
            ("2026-01-19 14:05:00", "2026-01-19T14:05:00Z"),
            ("2026-07-19T14:05:00", "2026-07-19T13:05:00Z"),
            ("2026-07-19T14:05:00+02:00", "2026-07-19T12:05:00Z"),
            ("2026-07-19 14:05:00.5+0200", "2026-07-19T12:05:00.5Z"),
            ("2026-01-19", "2026-01-19T00:00:00Z"),
            ("19/07/2026 14:05", "2026-07-19T13:05:00Z"),
            // 29 March 2026: at 01:00 UTC the clocks go on to 02:00.
            ("2026-03-29 00:59:59", "2026-03-29T00:59:59Z"),
            ("2026-03-29 02:00:00", "2026-03-29T01:00:00Z"),
            // 25 October 2026: at 01:00 UTC the clocks go back to 01:00.
            ("2026-10-25 01:30:00", "2026-10-25T00:30:00Z"),
            ("2026-10-25 02:00:00", "2026-10-25T02:00:00Z"),
        ] {
            assert_eq!(moment(local), Some(utc(expected)), "{local}");
        }
        for nonsense in [
            "",
            "yesterday",
            "20260119",
            "2026-02-30 10:00:00",
            "01",
            "-4900-01-01",
        ] {
            assert_eq!(moment(nonsense), None, "{nonsense}");
        }
    }
}
