//! Figures as people read them, units included. Pure.

/// Between a figure and its unit: they are never broken apart.
const SPACE: char = '\u{a0}';

/// `12,345`
pub fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 webhook`, `2,000 webhooks`
pub fn counted(number: i64, one: &str, many: &str) -> String {
    format!("{}{SPACE}{}", count(number), plural(number, one, many))
}

pub fn plural<'a>(number: i64, one: &'a str, many: &'a str) -> &'a str {
    if number == 1 { one } else { many }
}

/// For an axis: `900`, `1.5k`, `20k`, `3M`
pub fn compact(number: f64) -> String {
    let (value, unit) = match number {
        n if n >= 1e6 => (n / 1e6, "M"),
        n if n >= 1e4 || (n >= 1e3 && n % 1e3 == 0.0) => (n / 1e3, "k"),
        n => (n, ""),
    };
    format!("{}{unit}", decimals(value, 1))
}

/// `99.47 %`, `100 %`
pub fn percent(value: f64) -> String {
    format!("{}{SPACE}%", decimals(value, 2))
}

/// `79 ms`, `1.24 s`, `3 min`
pub fn milliseconds(value: f64) -> String {
    match value {
        ms if ms < 999.5 => format!("{}{SPACE}ms", decimals(ms, 0)),
        ms if ms < 59_995.0 => format!("{}{SPACE}s", decimals(ms / 1000.0, 2)),
        ms => age((ms / 1000.0) as i64),
    }
}

/// A time span in its two largest units: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`
pub fn age(seconds: i64) -> String {
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{SPACE}{large_unit}"),
        _ => format!("{large}{SPACE}{large_unit}{SPACE}{small}{SPACE}{small_unit}"),
    };
    match seconds.max(0) {
        s if s < 60 => format!("{s}{SPACE}s"),
        s if s < 3600 => format!("{}{SPACE}min", s / 60),
        s if s < 86_400 => two(s / 3600, "h", s / 60 % 60, "min"),
        s if s < 30 * 86_400 => two(s / 86_400, "d", s / 3600 % 24, "h"),
        s => format!("{}{SPACE}d", count(s / 86_400)),
    }
}

/// At most so many decimals, none of them a trailing zero.
fn decimals(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: String) -> String {
        text.replace(SPACE, " ")
    }

    #[test]
    fn counts_have_thousands_and_the_right_word() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
            (-1500, "-1,500"),
        ];
        for (number, text) in cases {
            assert_eq!(count(number), text);
        }
        assert_eq!(plain(counted(1, "webhook", "webhooks")), "1 webhook");
        assert_eq!(plain(counted(0, "webhook", "webhooks")), "0 webhooks");
    }

    #[test]
    fn axes_are_compact() {
        let cases = [
            (0.0, "0"),
            (2.5, "2.5"),
            (900.0, "900"),
            (1000.0, "1k"),
            (1500.0, "1500"),
            (25_000.0, "25k"),
            (1.5e6, "1.5M"),
        ];
        for (number, text) in cases {
            assert_eq!(compact(number), text);
        }
    }

    #[test]
    fn units_follow_the_size() {
        assert_eq!(plain(percent(99.47)), "99.47 %");
        assert_eq!(plain(percent(99.5)), "99.5 %");
        assert_eq!(plain(percent(100.0)), "100 %");
        let cases = [
            (0.0, "0 ms"),
            (79.4, "79 ms"),
            (999.4, "999 ms"),
            (999.5, "1 s"),
            (1240.0, "1.24 s"),
            (3000.0, "3 s"),
            (59_999.0, "59 s"),
            (180_000.0, "3 min"),
        ];
        for (ms, text) in cases {
            assert_eq!(plain(milliseconds(ms)), text, "{ms}");
        }
        let cases = [
            (-5, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (12_000, "3 h 20 min"),
            (86_400, "1 d"),
            (187_200, "2 d 4 h"),
            (86_400 * 400, "400 d"),
        ];
        for (seconds, text) in cases {
            assert_eq!(plain(age(seconds)), text, "{seconds}");
        }
    }
}
