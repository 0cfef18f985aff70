//! Which Rust type reads a column of which PostgreSQL types. A datum is read as a type only after the column's type was
//! compared with it, in every build.

use super::{Jsonb, Session};
use crate::error::Error;
use crate::json::Timestamp;
use pgrx::datum::FromDatum;
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::CStr;
use std::marker::PhantomData;

/// A value read from a column, which may point into memory of the session's.
///
/// # Safety
/// [`Column::read`] must take any datum of one of [`Column::TYPES`], or of a type stored alike.
pub unsafe trait Column<'s>: Sized {
    /// The types it is read from; the first is the one that messages name.
    const TYPES: &'static [Oid];

    /// `None` where the value itself is damaged.
    ///
    /// # Safety
    /// `datum` is a value, not null, of a type stored as one of [`Column::TYPES`].
    unsafe fn read(datum: Datum) -> Option<Self>;

    /// What null is, if it can be told.
    #[must_use]
    fn of_null() -> Option<Self> {
        None
    }
}

/// The types a text is read from: they are stored alike, and citext and domains are found to be (by [`is_stored_as`]).
const TEXTS: &[Oid] = &[pg_sys::TEXTOID, pg_sys::VARCHAROID, pg_sys::BPCHAROID];

macro_rules! columns_of_plain_types {
    ($($rust:ty: $types:expr),+ $(,)?) => {
        $(unsafe impl<'s> Column<'s> for $rust {
            const TYPES: &'static [Oid] = $types;

            unsafe fn read(datum: Datum) -> Option<Self> {
                // SAFETY: as promised by the caller.
                unsafe { <$rust>::from_datum(datum, false) }
            }
        })+
    };
}

columns_of_plain_types! {
    bool: &[pg_sys::BOOLOID],
    i32: &[pg_sys::INT4OID],
    i64: &[pg_sys::INT8OID],
    f64: &[pg_sys::FLOAT8OID],
    String: TEXTS,
    Vec<String>: &[pg_sys::TEXTARRAYOID, pg_sys::VARCHARARRAYOID],
    Vec<u8>: &[pg_sys::BYTEAOID],
}

unsafe impl<'s> Column<'s> for [u8; 16] {
    const TYPES: &'static [Oid] = &[pg_sys::UUIDOID];

    unsafe fn read(datum: Datum) -> Option<Self> {
        // SAFETY: as promised by the caller.
        unsafe { pgrx::Uuid::from_datum(datum, false) }.map(|id| *id.as_bytes())
    }
}

unsafe impl<'s> Column<'s> for Timestamp {
    const TYPES: &'static [Oid] = &[pg_sys::TIMESTAMPTZOID];

    unsafe fn read(datum: Datum) -> Option<Self> {
        // SAFETY: as promised by the caller; a timestamp is stored as the microseconds it counts.
        unsafe { i64::from_datum(datum, false) }.map(Timestamp)
    }
}

/// The bytes of a text that need not be valid in the database's encoding.
pub struct TextBytes(pub Vec<u8>);

unsafe impl<'s> Column<'s> for TextBytes {
    const TYPES: &'static [Oid] = TEXTS;

    unsafe fn read(datum: Datum) -> Option<Self> {
        // SAFETY: as promised by the caller; a text is stored as a bytea is.
        unsafe { Vec::<u8>::from_datum(datum, false) }.map(TextBytes)
    }
}

/// A jsonb as a tree of its own: for small values. One that holds what a tree cannot (a number beyond a double's) reads as
/// null: whoever wrote it by hand must not stop what reads it among others.
unsafe impl<'s> Column<'s> for serde_json::Value {
    const TYPES: &'static [Oid] = &[pg_sys::JSONBOID];

    unsafe fn read(datum: Datum) -> Option<Self> {
        // SAFETY: as promised by the caller.
        Some(unsafe { super::jsonb::tree(datum) })
    }
}

/// Fetched and decompressed once, into memory that lives until SPI disconnects.
unsafe impl<'s> Column<'s> for Jsonb<'s> {
    const TYPES: &'static [Oid] = &[pg_sys::JSONBOID];

    unsafe fn read(datum: Datum) -> Option<Self> {
        // SAFETY: as promised by the caller; the copy is made in memory of the session, or of an attempt in it, which goes
        // before the session only together with all that the attempt has read.
        Some(unsafe { Jsonb::copied(datum) })
    }
}

/// A jsonb as it is stored: neither fetched nor decompressed before it is opened.
pub struct StoredJsonb<'s> {
    datum: Datum,
    session: PhantomData<&'s Session>,
}

impl<'s> StoredJsonb<'s> {
    /// How many bytes it takes once it is opened.
    pub fn full_size(&self) -> usize {
        // SAFETY: a value of variable length; only its header is read.
        unsafe { pg_sys::toast_raw_datum_size(self.datum) }
    }

    /// Fetched and decompressed, into memory that lives until SPI disconnects.
    pub fn open(&self) -> Jsonb<'s> {
        // SAFETY: a jsonb in memory of the session; for what is made of it see `Jsonb`'s own column.
        unsafe { Jsonb::detoasted(self.datum) }
    }
}

unsafe impl<'s> Column<'s> for StoredJsonb<'s> {
    const TYPES: &'static [Oid] = &[pg_sys::JSONBOID];

    unsafe fn read(datum: Datum) -> Option<Self> {
        // SAFETY: a value of variable length, copied as it stands: one that is stored elsewhere stays there.
        let datum = unsafe {
            let stored = datum.cast_mut_ptr::<pg_sys::varlena>();
            let size = pgrx::varsize_any(stored);
            let copy = pg_sys::palloc(size);
            std::ptr::copy_nonoverlapping(stored.cast::<u8>(), copy.cast::<u8>(), size);
            Datum::from(copy)
        };
        Some(Self {
            datum,
            session: PhantomData,
        })
    }
}

unsafe impl<'s, T: Column<'s>> Column<'s> for Option<T> {
    const TYPES: &'static [Oid] = T::TYPES;

    unsafe fn read(datum: Datum) -> Option<Self> {
        // SAFETY: as promised by the caller.
        Some(unsafe { T::read(datum) })
    }

    fn of_null() -> Option<Self> {
        Some(None)
    }
}

/// Whether values of a type are stored as those of one of the others: the same, a domain over it, or a type that
/// PostgreSQL itself takes for it without a function (varchar and citext for text).
pub fn is_stored_as(found: Oid, wanted: &[Oid]) -> bool {
    // SAFETY: looks into the catalogs; false for a type that is not there.
    wanted.contains(&found)
        || wanted
            .iter()
            .any(|&one| unsafe { pg_sys::IsBinaryCoercible(found, one) })
}

/// A type's name in a message.
pub fn type_name(oid: Oid) -> String {
    // SAFETY: a C string in the server's memory, `???` for a type that is not there.
    let name = unsafe { CStr::from_ptr(pg_sys::format_type_be(oid)) };
    name.to_string_lossy().into_owned()
}

/// A column, counted from 1, is of another type than it is read as.
pub fn is_other(place: impl std::fmt::Display, found: Oid, wanted: &[Oid]) -> Error {
    let wanted = wanted.first().copied().unwrap_or(pg_sys::InvalidOid);
    Error::Internal(format!(
        "{place} is {}, where {} is read",
        type_name(found),
        type_name(wanted)
    ))
}

/// The type of a column that counts from 0; `None` beyond the last.
///
/// # Safety
/// `descriptor` describes tuples, and is alive.
pub unsafe fn type_of(descriptor: pg_sys::TupleDesc, column: usize) -> Option<Oid> {
    // SAFETY: as promised by the caller; there are `natts` attributes behind the head.
    unsafe {
        let descriptor = &*descriptor;
        let count = usize::try_from(descriptor.natts).unwrap_or(0);
        #[cfg(not(feature = "pg18"))]
        let attributes = descriptor.attrs.as_ptr();
        #[cfg(feature = "pg18")]
        let attributes = descriptor
            .compact_attrs
            .as_ptr()
            .add(count)
            .cast::<pg_sys::FormData_pg_attribute>();
        (column < count).then(|| (*attributes.add(column)).atttypid)
    }
}

/// How many columns.
///
/// # Safety
/// As [`type_of`].
pub unsafe fn count_of(descriptor: pg_sys::TupleDesc) -> usize {
    // SAFETY: as promised by the caller.
    usize::try_from(unsafe { (*descriptor).natts }).unwrap_or(0)
}
