//! What the numbers of a JSON text come to when they are written out. A `jsonb` keeps `1e131071` in a few bytes, but whoever
//! reads it as text (a query, `pg_dump`) gets 131 KB, and of a body full of them more than PostgreSQL can allocate.

/// The exponent of the largest double: no JSON library writes a larger one.
const LARGEST_EXPONENT: usize = 308;
/// Characters that the exponents of one text may add, all together.
const MOST_ADDED: usize = 16 * 1024 * 1024;

/// Whether writing out the numbers of this text would take far more room than the text itself. One pass over it that looks
/// at many bytes at once; where strings begin matters only to the few texts in which something looks like such a number.
/// What it says of something that is not JSON means nothing.
pub fn expand_too_far(json: &[u8]) -> bool {
    let mut added = Added::default();
    let counts = |at| may_be_a_number(json, at) && added.is_too_much_with(after_number(json, at).1);
    looks_like_exponents(json, counts) && exponents_add_too_much(json)
}

/// Whether what stands before the digits that end at `at` may stand before a number: mostly enough to tell that it is in a
/// token within a string.
fn may_be_a_number(json: &[u8], at: usize) -> bool {
    let is_mantissa = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
    let mut before = json[..at].iter().rev().skip_while(is_mantissa);
    let last = match before.next() {
        Some(b'-') => before.next(),
        last => last,
    };
    last.is_none_or(|byte| matches!(byte, b':' | b',' | b'[') || byte.is_ascii_whitespace())
}

/// What exponents have added so far.
#[derive(Default)]
struct Added(usize);

impl Added {
    fn is_too_much_with(&mut self, exponent: usize) -> bool {
        self.0 = self.0.saturating_add(exponent);
        exponent > LARGEST_EXPONENT || self.0 > MOST_ADDED
    }
}

/// Whether `check` says so of a place where there is a digit, `e`, a digit or sign, two digits: also in many a token within a
/// string.
fn looks_like_exponents(json: &[u8], mut check: impl FnMut(usize) -> bool) -> bool {
    const AT_ONCE: usize = 256;
    const WINDOW: usize = 5;
    let looks_so = |w: &[u8]| {
        let exponent = w[2].is_ascii_digit() | (w[2] == b'+') | (w[2] == b'-');
        let digits = w[0].is_ascii_digit() & w[3].is_ascii_digit() & w[4].is_ascii_digit();
        digits & exponent & (w[1] | 0x20 == b'e')
    };
    (0..json.len()).step_by(AT_ONCE).any(|from| {
        let part = &json[from..json.len().min(from + AT_ONCE + WINDOW - 1)];
        // Without a branch that depends on the text.
        let found = part.windows(WINDOW).fold(false, |found, w| found | looks_so(w));
        found
            && part
                .windows(WINDOW)
                .enumerate()
                .any(|(at, w)| looks_so(w) && check(from + at))
    })
}

fn exponents_add_too_much(json: &[u8]) -> bool {
    let (mut at, mut added) = (0, Added::default());
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => at = after_string(json, at + 1),
            b'0'..=b'9' => {
                let (next, exponent) = after_number(json, at);
                if added.is_too_much_with(exponent) {
                    return true;
                }
                at = next;
            }
            _ => at += 1,
        }
    }
    false
}

/// Where the string ends whose first character stands at `at`.
fn after_string(json: &[u8], mut at: usize) -> usize {
    let ends = |byte: &u8| matches!(byte, b'"' | b'\\');
    while let Some(next) = json.get(at..).and_then(|rest| rest.iter().position(ends)) {
        match json[at + next] {
            b'"' => return at + next + 1,
            // The character after it is part of the string.
            _ => at += next + 2,
        }
    }
    json.len()
}

/// Where the number ends that begins at `at`, and its exponent without its sign.
fn after_number(json: &[u8], at: usize) -> (usize, usize) {
    let digits = |from: usize, point: bool| {
        let is_part = |byte: &&u8| byte.is_ascii_digit() || point && **byte == b'.';
        from + json[from..].iter().take_while(is_part).count()
    };
    let mantissa = digits(at, true);
    if !matches!(json.get(mantissa), Some(b'e' | b'E')) {
        return (mantissa, 0);
    }
    let signed = usize::from(matches!(json.get(mantissa + 1), Some(b'+' | b'-')));
    let from = mantissa + 1 + signed;
    let end = digits(from, false);
    let exponent = json[from..end].iter().fold(0_usize, |exponent, digit| {
        exponent
            .saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    });
    (end, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponent_beyond_a_doubles_is_too_far() {
        for far in [
            "1e309",
            "1E+309",
            "1e-309",
            "-1.5e131071",
            "[1,2,{\"a\":1e0000000000000000000000000000309}]",
            "1e99999999999999999999999999999999999999",
            "{\"\\\"\": 1e400}",
        ] {
            assert!(expand_too_far(far.as_bytes()), "{far}");
        }
        for near in [
            "1e308",
            "1.7976931348623157e+308",
            "5e-308",
            "1e5",
            "[1e0308]",
            "123456789012345678901234567890",
            "\"1e400\"",
            "{\"1e400\": \"\\\" 1e400\"}",
            "",
            "e400",
        ] {
            assert!(!expand_too_far(near.as_bytes()), "{near}");
        }
    }

    #[test]
    fn many_that_are_each_within_bounds_are_too_far_together() {
        let bytes = |count: usize| format!("[{}]", vec!["9e307"; count].join(","));
        assert!(!expand_too_far(bytes(50_000).as_bytes()));
        assert!(expand_too_far(bytes(60_000).as_bytes()));
    }

    #[test]
    fn it_is_found_wherever_it_stands() {
        for length in 500..530 {
            let text = format!("{}1e400", " ".repeat(length));
            assert!(expand_too_far(text.as_bytes()), "{length}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_a_crash(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2_000)) {
            let _ = expand_too_far(&bytes);
        }
    }
}
