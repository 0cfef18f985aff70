//! Tracking numbers, as providers write them.

/// A tracking number without the blanks that people put between its groups.
pub fn tracking_no(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
