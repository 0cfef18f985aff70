//! What statements are given: each Rust type is one PostgreSQL type, and both are compared before a statement runs.

use super::Jsonb;
use super::column::type_name;
use crate::error::{Error, Result};
use crate::json::{Decimal, Timestamp};
use pgrx::datum::IntoDatum;
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::{CString, c_char};

/// A value that a statement or a row takes.
///
/// # Safety
/// [`Parameter::into_datum`] must return a value of [`Parameter::TYPE`].
pub unsafe trait Parameter {
    const TYPE: Oid;

    /// `None` is null.
    fn into_datum(self) -> Option<Datum>;
}

macro_rules! parameters_of_plain_types {
    ($($rust:ty: $oid:ident),+ $(,)?) => {
        $(unsafe impl Parameter for $rust {
            const TYPE: Oid = pg_sys::$oid;

            fn into_datum(self) -> Option<Datum> {
                IntoDatum::into_datum(self)
            }
        })+
    };
}

parameters_of_plain_types! {
    bool: BOOLOID,
    i32: INT4OID,
    i64: INT8OID,
    f64: FLOAT8OID,
    &str: TEXTOID,
    &[u8]: BYTEAOID,
    Vec<i64>: INT8ARRAYOID,
    Vec<&str>: TEXTARRAYOID,
    pgrx::datum::Interval: INTERVALOID,
}

unsafe impl Parameter for Timestamp {
    const TYPE: Oid = pg_sys::TIMESTAMPTZOID;

    fn into_datum(self) -> Option<Datum> {
        Some(Datum::from(self.0))
    }
}

unsafe impl Parameter for [u8; 16] {
    const TYPE: Oid = pg_sys::UUIDOID;

    fn into_datum(self) -> Option<Datum> {
        IntoDatum::into_datum(pgrx::Uuid::from_bytes(self))
    }
}

unsafe impl Parameter for Vec<[u8; 16]> {
    const TYPE: Oid = pg_sys::UUIDARRAYOID;

    fn into_datum(self) -> Option<Datum> {
        let ids: Vec<pgrx::Uuid> = self.into_iter().map(pgrx::Uuid::from_bytes).collect();
        IntoDatum::into_datum(ids)
    }
}

unsafe impl Parameter for &[String] {
    const TYPE: Oid = pg_sys::TEXTARRAYOID;

    fn into_datum(self) -> Option<Datum> {
        let texts: Vec<&str> = self.iter().map(String::as_str).collect();
        IntoDatum::into_datum(texts)
    }
}

/// A tree of our own making.
unsafe impl Parameter for &serde_json::Value {
    const TYPE: Oid = pg_sys::JSONBOID;

    fn into_datum(self) -> Option<Datum> {
        IntoDatum::into_datum(pgrx::JsonB(self.clone()))
    }
}

unsafe impl Parameter for serde_json::Value {
    const TYPE: Oid = pg_sys::JSONBOID;

    fn into_datum(self) -> Option<Datum> {
        IntoDatum::into_datum(pgrx::JsonB(self))
    }
}

unsafe impl Parameter for Jsonb<'_> {
    const TYPE: Oid = pg_sys::JSONBOID;

    fn into_datum(self) -> Option<Datum> {
        Some(self.to_datum())
    }
}

unsafe impl Parameter for &Decimal<'_> {
    const TYPE: Oid = pg_sys::NUMERICOID;

    fn into_datum(self) -> Option<Datum> {
        let digits = CString::new(self.as_str()).ok()?;
        // SAFETY: numeric_in on validated digits; -1 is "no type modifier".
        unsafe {
            pgrx::fcinfo::direct_function_call_as_datum(
                pg_sys::numeric_in,
                &[
                    Some(Datum::from(digits.as_ptr())),
                    Some(Datum::from(0u32)),
                    Some(Datum::from(-1i32)),
                ],
            )
        }
    }
}

unsafe impl<T: Parameter> Parameter for Option<T> {
    const TYPE: Oid = T::TYPE;

    fn into_datum(self) -> Option<Datum> {
        self.and_then(T::into_datum)
    }
}

/// A value and its type. Made of a [`Parameter`] only, so that the two belong together.
#[derive(Clone, Copy)]
pub struct Argument {
    oid: Oid,
    datum: Option<Datum>,
}

impl Argument {
    pub fn of<P: Parameter>(parameter: P) -> Self {
        Self {
            oid: P::TYPE,
            datum: parameter.into_datum(),
        }
    }

    pub(super) fn oid(&self) -> Oid {
        self.oid
    }
}

/// Parameters as SPI wants them: data, and `n` or a blank for null or not.
pub struct Bound {
    pub data: Vec<Datum>,
    pub nulls: Vec<c_char>,
}

/// Compares what is given with what the statement takes: SPI itself believes whatever it is told.
///
/// # Errors
/// [`Error::Internal`] where they are not as many, or one is of another type.
pub fn bind(name: &str, types: &[Oid], arguments: &[Argument]) -> Result<Bound> {
    if arguments.len() != types.len() {
        let (given, taken) = (arguments.len(), types.len());
        return Err(Error::Internal(format!(
            "{given} parameters for the {taken} of: {name}"
        )));
    }
    let mut bound = Bound {
        data: Vec::with_capacity(types.len()),
        nulls: Vec::with_capacity(types.len()),
    };
    for (number, (argument, &wanted)) in (1..).zip(arguments.iter().zip(types)) {
        if argument.oid != wanted {
            return Err(mismatch(name, number, argument.oid, wanted));
        }
        let null = if argument.datum.is_none() { b'n' } else { b' ' };
        bound.nulls.push(null as c_char);
        bound.data.push(argument.datum.unwrap_or(Datum::from(0usize)));
    }
    Ok(bound)
}

fn mismatch(name: &str, number: usize, given: Oid, wanted: Oid) -> Error {
    Error::Internal(format!(
        "parameter {number} is {} and not {}, of: {name}",
        type_name(given),
        type_name(wanted)
    ))
}
