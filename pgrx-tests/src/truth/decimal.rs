//! Money without rounding.

use std::fmt;
use std::ops::{AddAssign, Mul};

use anyhow::{Context, Result};

/// A decimal number, exact.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decimal {
    units: i128,
    decimals: u32,
}

impl Decimal {
    /// Reads `12.34`.
    pub fn parse(text: &str) -> Result<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let units = format!("{whole}{part}")
            .parse()
            .with_context(|| format!("not a decimal: {text:?}"))?;
        Ok(Self {
            units,
            decimals: u32::try_from(part.len())?,
        })
    }

    fn units_at(self, decimals: u32) -> i128 {
        self.units * 10_i128.pow(decimals.saturating_sub(self.decimals))
    }
}

impl Mul<i64> for Decimal {
    type Output = Self;

    fn mul(self, by: i64) -> Self {
        Self {
            units: self.units * i128::from(by),
            ..self
        }
    }
}

impl AddAssign for Decimal {
    fn add_assign(&mut self, other: Self) {
        let decimals = self.decimals.max(other.decimals);
        self.units = self.units_at(decimals) + other.units_at(decimals);
        self.decimals = decimals;
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        let decimals = self.decimals.max(other.decimals);
        self.units_at(decimals) == other.units_at(decimals)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_i128.pow(self.decimals);
        let sign = if self.units < 0 { "-" } else { "" };
        let (whole, part) = (self.units.abs() / unit, self.units.abs() % unit);
        write!(f, "{sign}{whole}")?;
        match self.decimals {
            0 => Ok(()),
            decimals => write!(f, ".{part:0width$}", width = decimals as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_whatever_the_decimals() {
        let mut sum = Decimal::default();
        for text in ["0.10", "0.2", "1000", "-0.30"] {
            sum += Decimal::parse(text).unwrap();
        }
        assert_eq!(sum.to_string(), "1000.00");
        assert!(sum == Decimal::parse("1000").unwrap());
        assert!(Decimal::parse("abc").is_err());
    }
}
