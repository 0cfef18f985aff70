//! PostgreSQL's `jsonb`, read in place: no text, no copy, every digit of every number.

use super::{Session, in_memory};
use crate::json::{Json, Kind, LONGEST_NUMBER, numbers};
use pgrx::callconv::{Arg, ArgAbi};
use pgrx::pg_sys::{self, Datum, jbvType};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use std::marker::PhantomData;

/// A `jsonb` argument as it stands, possibly still compressed.
pub struct JsonbArgument<'fcx> {
    datum: Datum,
    /// Memory of the call.
    memory: pg_sys::MemoryContext,
    marker: PhantomData<&'fcx ()>,
}

unsafe impl SqlTranslatable for JsonbArgument<'_> {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(JsonbArgument);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb")));
}

unsafe impl<'fcx> ArgAbi<'fcx> for JsonbArgument<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: a non-null argument of a function declared to take jsonb.
        let element = unsafe { arg.unbox_arg_using_from_datum::<pgrx::AnyElement>() };
        let datum = element.map_or(Datum::from(0usize), |element| element.datum());
        Self {
            datum,
            // SAFETY: arguments are taken while the call's own memory is the current one.
            memory: unsafe { pg_sys::CurrentMemoryContext },
            marker: PhantomData,
        }
    }
}

impl<'fcx> JsonbArgument<'fcx> {
    /// Decompressed once, into memory that lives as long as the call.
    pub fn open(&self) -> Jsonb<'fcx> {
        // SAFETY: the datum is the function's jsonb argument, the memory its call's.
        unsafe { in_memory(self.memory, || Jsonb::detoasted(self.datum)) }
    }
}

/// One value inside a `jsonb`.
#[derive(Clone, Copy)]
pub struct Jsonb<'a> {
    value: pg_sys::JsonbValue,
    marker: PhantomData<&'a ()>,
}

impl<'a> Jsonb<'a> {
    /// # Safety
    /// `datum` is a non-null jsonb, and the current memory context outlives `'a`.
    pub unsafe fn detoasted(datum: Datum) -> Self {
        // SAFETY: as promised by the caller.
        unsafe { Self::open(pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast()) }
    }

    /// The same, but never borrowing from the tuple `datum` points into.
    ///
    /// # Safety
    /// As [`Self::detoasted`].
    pub unsafe fn copied(datum: Datum) -> Self {
        // SAFETY: as promised by the caller.
        unsafe { Self::open(pg_sys::pg_detoast_datum_copy(datum.cast_mut_ptr()).cast()) }
    }

    /// # Safety
    /// `jsonb` is a plain (detoasted) jsonb varlena that outlives `'a`.
    unsafe fn open(jsonb: *mut pg_sys::Jsonb) -> Self {
        // SAFETY: the root container starts after the 4-byte varlena header; a scalar is stored as an array of one
        // with a flag in the container's header.
        unsafe {
            let root = &raw mut (*jsonb).root;
            let header = (*root).header;
            let mut value: pg_sys::JsonbValue = std::mem::zeroed();
            if header & pg_sys::JB_FSCALAR != 0 {
                let scalar = pg_sys::getIthJsonbValueFromContainer(root, 0);
                if !scalar.is_null() {
                    value = *scalar;
                }
            } else {
                value.type_ = jbvType::jbvBinary;
                value.val.binary.data = root;
                value.val.binary.len = (pgrx::varsize_any(jsonb.cast()) - pg_sys::VARHDRSZ) as i32;
            }
            Self {
                value,
                marker: PhantomData,
            }
        }
    }

    fn container(&self) -> Option<*mut pg_sys::JsonbContainer> {
        if self.value.type_ != jbvType::jbvBinary {
            return None;
        }
        // SAFETY: the union's member is the one its tag names.
        Some(unsafe { self.value.val.binary.data })
    }

    fn header(&self) -> u32 {
        // SAFETY: a container lives as long as the jsonb it is in.
        self.container()
            .map_or(0, |container| unsafe { (*container).header })
    }

    /// A hash of an object or array: equal for equal values, wherever and whenever computed on one architecture.
    pub fn hash(self) -> i64 {
        // SAFETY: a container is `len` bytes, as recorded where it was found.
        let bytes = match self.container() {
            Some(container) => unsafe {
                std::slice::from_raw_parts(container.cast::<u8>(), self.value.val.binary.len as usize)
            },
            None => &[],
        };
        xxhash_rust::xxh3::xxh3_64(bytes).cast_signed()
    }

    /// This value as a `jsonb` of its own.
    pub fn to_datum(self) -> Datum {
        let mut value = self.value;
        // SAFETY: a value read from a jsonb can be made one again; for a container this is one copy.
        Datum::from(unsafe { pg_sys::JsonbValueToJsonb(&mut value) })
    }
}

impl<'a> Json<'a> for Jsonb<'a> {
    fn kind(self) -> Kind {
        match self.value.type_ {
            jbvType::jbvString => Kind::String,
            jbvType::jbvNumeric => Kind::Number,
            jbvType::jbvBool => Kind::Bool,
            jbvType::jbvBinary if self.header() & pg_sys::JB_FOBJECT != 0 => Kind::Object,
            jbvType::jbvBinary => Kind::Array,
            _ => Kind::Null,
        }
    }

    fn member(self, key: &str) -> Option<Self> {
        if self.header() & pg_sys::JB_FOBJECT == 0 {
            return None;
        }
        let container = self.container()?;
        let mut value = std::mem::MaybeUninit::<pg_sys::JsonbValue>::zeroed();
        // SAFETY: searches an object's container; fills `value` and returns it, or null.
        let found = unsafe {
            pg_sys::getKeyJsonValueFromContainer(
                container,
                key.as_ptr().cast(),
                key.len() as i32,
                value.as_mut_ptr(),
            )
        };
        // SAFETY: filled, since it was found.
        (!found.is_null()).then(|| Self {
            value: unsafe { value.assume_init() },
            marker: PhantomData,
        })
    }

    fn length(self) -> usize {
        if self.kind() != Kind::Array {
            return 0;
        }
        (self.header() & pg_sys::JB_CMASK) as usize
    }

    fn element(self, index: usize) -> Option<Self> {
        if index >= self.length() {
            return None;
        }
        // SAFETY: an array's container and an index within it; null would mean out of bounds.
        let value = unsafe { pg_sys::getIthJsonbValueFromContainer(self.container()?, index as u32) };
        (!value.is_null()).then(|| Self {
            value: unsafe { *value },
            marker: PhantomData,
        })
    }

    fn as_str(self) -> Option<&'a str> {
        if self.value.type_ != jbvType::jbvString {
            return None;
        }
        // SAFETY: text in a jsonb is in the database's encoding; `setup()` refuses any but UTF-8.
        unsafe {
            let text = self.value.val.string;
            let bytes = std::slice::from_raw_parts(text.val.cast::<u8>(), text.len as usize);
            Some(std::str::from_utf8_unchecked(bytes))
        }
    }

    fn as_bool(self) -> Option<bool> {
        if self.value.type_ != jbvType::jbvBool {
            return None;
        }
        // SAFETY: the tag says so.
        Some(unsafe { self.value.val.boolean })
    }

    fn as_i64(self) -> Option<i64> {
        self.number_text()?.parse().ok()
    }

    fn number_text(self) -> Option<String> {
        if self.value.type_ != jbvType::jbvNumeric {
            return None;
        }
        // SAFETY: the tag says so; numeric_out reads a numeric and returns a C string of ASCII.
        unsafe {
            if written_length(self.value.val.numeric) > LONGEST_NUMBER {
                return None;
            }
            let number = Datum::from(self.value.val.numeric);
            let text =
                pgrx::fcinfo::direct_function_call::<&std::ffi::CStr>(pg_sys::numeric_out, &[Some(number)])?;
            Some(text.to_string_lossy().into_owned())
        }
    }
}

/// Characters that a numeric is written out with, at most, without writing it out: what numeric.c calls its weight (the
/// number of four-digit groups before the point, less one) and its display scale (digits after it). Their place on disk has
/// been the same since PostgreSQL 9.1, which is what lets pg_upgrade keep them.
///
/// # Safety
/// `numeric` points to one.
unsafe fn written_length(numeric: pg_sys::Numeric) -> usize {
    const FORM: u16 = 0xC000;
    const SHORT: u16 = 0x8000;
    const SPECIAL: u16 = 0xC000;
    const DIGITS_A_GROUP: i32 = 4;
    const SIGN_AND_POINT: i32 = 2;
    // SAFETY: a header of two bytes, and in the long form two more.
    let (header, long_weight) = unsafe {
        let data = pgrx::vardata_any(numeric.cast::<pg_sys::varlena>());
        let header = data.cast::<u16>().read_unaligned();
        match header & FORM {
            SHORT | SPECIAL => (header, 0),
            _ => (header, data.cast::<i16>().add(1).read_unaligned()),
        }
    };
    let (weight, scale) = match header & FORM {
        // Six bits and a sign; six bits.
        SHORT => (
            i32::from(header & 0x3F) - i32::from(header & 0x40),
            i32::from(header >> 7 & 0x3F),
        ),
        // NaN and the infinities.
        SPECIAL => (0, 0),
        _ => (i32::from(long_weight), i32::from(header & 0x3FFF)),
    };
    let length = (weight + 1).max(1) * DIGITS_A_GROUP + scale + SIGN_AND_POINT;
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// A `jsonb[]` argument.
pub struct JsonbArrayArgument<'fcx> {
    elements: Vec<Option<Datum>>,
    /// Memory of the call.
    memory: pg_sys::MemoryContext,
    marker: PhantomData<&'fcx ()>,
}

unsafe impl SqlTranslatable for JsonbArrayArgument<'_> {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(JsonbArrayArgument);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("jsonb[]"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("jsonb[]")));
}

unsafe impl<'fcx> ArgAbi<'fcx> for JsonbArrayArgument<'fcx> {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: a non-null argument of a function declared to take jsonb[]; jsonb is a varlena aligned to 4 bytes.
        let elements = unsafe {
            let element = arg.unbox_arg_using_from_datum::<pgrx::AnyElement>();
            element.map_or_else(Vec::new, |element| {
                let array =
                    pg_sys::pg_detoast_datum(element.datum().cast_mut_ptr()).cast::<pg_sys::ArrayType>();
                let (mut values, mut nulls, mut count) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
                pg_sys::deconstruct_array(
                    array,
                    pg_sys::JSONBOID,
                    -1,
                    false,
                    pg_sys::TYPALIGN_INT as std::ffi::c_char,
                    &mut values,
                    &mut nulls,
                    &mut count,
                );
                (0..count as usize)
                    .map(|i| (!*nulls.add(i)).then(|| *values.add(i)))
                    .collect()
            })
        };
        Self {
            elements,
            // SAFETY: arguments are taken while the call's own memory is the current one.
            memory: unsafe { pg_sys::CurrentMemoryContext },
            marker: PhantomData,
        }
    }
}

impl<'fcx> JsonbArrayArgument<'fcx> {
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// As [`JsonbArgument::open`], each.
    pub fn open(&self) -> Vec<Option<Jsonb<'fcx>>> {
        let open = |datum: &Option<Datum>| datum.map(|datum| unsafe { Jsonb::detoasted(datum) });
        // SAFETY: elements of the function's jsonb[] argument, and its call's memory.
        unsafe { in_memory(self.memory, || self.elements.iter().map(open).collect()) }
    }
}

/// Bytes as `jsonb` in memory of the session's, or `None` when they cannot be: not JSON, not UTF-8, `\u0000`, a number out of range, too deep. Or when
/// they should not be: numbers that, written out, would make the row too long to be read or dumped.
///
/// # Errors
/// Only the server's own trouble.
pub fn from_bytes<'s>(_session: &'s Session, bytes: &[u8]) -> crate::error::Result<Option<Jsonb<'s>>> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Ok(None);
    };
    if !matches!(
        text.trim_start().as_bytes().first(),
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
    ) {
        return Ok(None);
    }
    if numbers::expand_too_far(bytes) {
        return Ok(None);
    }
    let Ok(text) = std::ffi::CString::new(text) else {
        return Ok(None);
    };
    let parsed = super::attempt(|| {
        // SAFETY: jsonb_in reads a C string and returns a fresh jsonb in the current memory context: the attempt's, which is
        // kept when it succeeds, within the session's.
        let datum = unsafe {
            pgrx::fcinfo::direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(Datum::from(text.as_ptr()))])
        };
        Ok(datum.map(|datum| unsafe { Jsonb::detoasted(datum) }))
    });
    match parsed {
        Ok(value) => Ok(value),
        Err(error) if error.is_servers_fault() => Err(error),
        Err(_) => Ok(None),
    }
}

/// A `jsonb` as a tree of its own; null where it holds what a tree cannot, a number beyond a double's.
///
/// # Safety
/// `datum` is a non-null jsonb.
pub unsafe fn tree(datum: Datum) -> serde_json::Value {
    // SAFETY: as promised by the caller; jsonb_out returns a C string of the server's encoding, which is UTF-8.
    unsafe {
        let jsonb = Datum::from(pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr()));
        let text = pgrx::fcinfo::direct_function_call::<&std::ffi::CStr>(pg_sys::jsonb_out, &[Some(jsonb)]);
        text.and_then(|text| serde_json::from_slice(text.to_bytes()).ok())
            .unwrap_or_default()
    }
}

/// `{}`.
pub fn empty_object(_session: &Session) -> Option<Jsonb<'_>> {
    // SAFETY: as in `from_bytes`; the text is valid.
    unsafe {
        let text = Some(Datum::from(c"{}".as_ptr()));
        let made = pgrx::fcinfo::direct_function_call_as_datum(pg_sys::jsonb_in, &[text]);
        made.map(|datum| Jsonb::detoasted(datum))
    }
}
