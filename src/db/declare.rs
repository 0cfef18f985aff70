//! The macros that declare statements, the rows they return and the rows they are handed.

/// Declares statements: how each is run, its name, its parameters, the rowsets it reads, the row it returns, its text.
///
/// ```ignore
/// statements! {
///     /// The orders with these ids of Shopify's.
///     execute find_orders(ids: Vec<i64>) -> OrderRow = file "orders/find_orders.sql";
///     execute update_customers() with (known_customers: CustomerRow<'static>) = file "orders/update_customers.sql";
///     query schema_version() -> Option<i32> = text "select max(version) from raw_ops.schema_migrations";
/// }
/// ```
///
/// Each becomes a function: `find_orders(session, ids)` returns the rows ([`Found`](crate::db::Found));
/// `update_customers(session, &mut rows)`, which returns none, how many rows it has written. `execute` keeps the plan and may
/// write ([`Session::execute_with`](crate::db::Session::execute_with)); `query` only reads, and plans anew each time
/// ([`Session::query_with`](crate::db::Session::query_with)). A `file` stands in `sql/`. A row that borrows from the session is
/// named with the lifetime `'s`; a row of a rowset that borrows, with `'static`.
macro_rules! statements {
    ($(
        $(#[$meta:meta])*
        $vis:vis $mode:ident $name:ident ($($parameter:ident: $type:ty),* $(,)?)
        $(with ($($rowset:ident: $row:ty),+ $(,)?))?
        $(-> $result:ty)?
        = $kind:ident $text:literal;
    )+) => {$(
        $crate::db::statement_function! {
            [$(#[$meta])*] [$vis] $mode $name
            ($($parameter: $type),*) ($($($rowset: $row),+)?) ($($result)?) $kind $text
        }
    )+};
}

/// One function of [`statements`].
macro_rules! statement_function {
    (
        [$($meta:tt)*] [$vis:vis] $mode:ident $name:ident
        ($($parameter:ident: $type:ty),*) ($($rowset:ident: $row:ty),*) ($($result:ty)?) $kind:ident $text:literal
    ) => {
        #[allow(clippy::too_many_arguments, reason = "one each parameter of the statement")]
        $($meta)* $vis fn $name<'s>(
            session: &'s $crate::db::Session,
            $($parameter: $type,)*
            $($rowset: &mut $crate::db::TypedRowset<'_, $row>,)*
        ) -> $crate::error::Result<$crate::db::statement_result!(type $($result)?)> {
            #[allow(clippy::extra_unused_lifetimes, reason = "rows that borrow name it")]
            const fn columns_of_result<'s>() -> Option<&'static [$crate::db::typed::ResultColumn]> {
                $crate::db::statement_result!(columns $($result)?)
            }
            $crate::db::statement_parts!(STATEMENT columns_of_result $name ($($type),*) ($($rowset: $row),*) $kind $text);
            $($rowset.register($crate::db::typed::c_name(concat!(stringify!($rowset), "\0")))?;)*
            let arguments: &[$crate::db::Argument] = &[$($crate::db::Argument::of($parameter)),*];
            let rows = $crate::db::statement_run!($mode session &STATEMENT, arguments)?;
            $crate::db::statement_result!(read STATEMENT rows $($result)?)
        }
    };
}

/// What a statement that returns rows of a type differs in from one that returns none.
macro_rules! statement_result {
    (type) => {
        usize
    };
    (type $result:ty) => {
        $crate::db::Found<'s, $result>
    };
    (columns) => {
        None
    };
    (columns $result:ty) => {
        Some(<$result as $crate::db::typed::FromRow<'s>>::COLUMNS)
    };
    (read $statement:ident $rows:ident) => {
        Ok($rows.affected())
    };
    (read $statement:ident $rows:ident $result:ty) => {
        $crate::db::Found::of($statement.with($crate::db::Statement::name), $rows)
    };
}

/// The statement itself, and, for the test that plans them all, how to plan it by itself.
macro_rules! statement_parts {
    (
        $statement:ident $columns:ident $name:ident
        ($($type:ty),*) ($($rowset:ident: $row:ty),*) $kind:ident $text:literal
    ) => {
        thread_local! {
            static $statement: $crate::db::Statement = const {
                $crate::db::Statement::typed(
                    $crate::db::statement_name!($kind $name $text),
                    $crate::db::statement_text!($kind $text),
                    &[$(<$type as $crate::db::Parameter>::TYPE),*],
                    $columns(),
                )
            };
        }
        // In the library that a server loads, never in a program of pure tests: that one has no server's symbols.
        #[cfg(all(feature = "pg_test", not(test)))]
        {
            fn plan(session: &$crate::db::Session) -> $crate::error::Result<()> {
                $(
                    let mut $rowset = $crate::db::TypedRowset::<$row>::new(session);
                    $rowset.register($crate::db::typed::c_name(concat!(stringify!($rowset), "\0")))?;
                )*
                $statement.with(|statement| statement.check(session))
            }
            #[used]
            #[unsafe(link_section = "raw_ops_statements")]
            static ENTRY: $crate::db::registry::Entry = $crate::db::registry::Entry {
                name: $crate::db::statement_name!($kind $name $text),
                text: $crate::db::statement_text!($kind $text),
                plan,
            };
        }
    };
}

macro_rules! statement_name {
    (file $name:ident $text:literal) => {
        $text
    };
    (text $name:ident $text:literal) => {
        concat!(module_path!(), "::", stringify!($name))
    };
}

macro_rules! statement_text {
    (file $text:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $text))
    };
    (text $text:literal) => {
        $text
    };
}

macro_rules! statement_run {
    (execute $session:ident $($rest:tt)*) => {
        $session.execute_with($($rest)*)
    };
    (query $session:ident $($rest:tt)*) => {
        $session.query_with($($rest)*)
    };
}

/// Declares a row that statements return: a struct whose fields are the columns by name, order and type. A column that may
/// be null is an `Option`.
macro_rules! result_row {
    ($($row:tt)+) => {
        $crate::db::row! { from_row $($row)+ }
    };
}

/// Declares a row of a [`TypedRowset`](crate::db::TypedRowset): a struct whose fields are the columns by name, order and
/// type.
macro_rules! rowset_row {
    ($($row:tt)+) => {
        $crate::db::row! { into_row $($row)+ }
    };
}

/// The struct of a row, and what makes it one.
macro_rules! row {
    (
        $what:ident
        $(#[$meta:meta])*
        $vis:vis struct $name:ident $(<$life:lifetime>)? {
            $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $name $(<$life>)? {
            $($(#[$field_meta])* $field_vis $field: $type),+
        }
        $crate::db::$what! { $name ($($life)?) $($field: $type),+ }
    };
}

macro_rules! from_row {
    ($name:ident () $($field:ident: $type:ty),+) => {
        // SAFETY: fields are taken in the order of the columns, each as its type.
        unsafe impl<'s> $crate::db::typed::FromRow<'s> for $name {
            $crate::db::from_row! { @members $($field: $type),+ }
        }
    };
    ($name:ident ($life:lifetime) $($field:ident: $type:ty),+) => {
        // SAFETY: fields are taken in the order of the columns, each as its type.
        unsafe impl<$life> $crate::db::typed::FromRow<$life> for $name<$life> {
            $crate::db::from_row! { @members $($field: $type),+ }
        }
    };
    (@members $($field:ident: $type:ty),+) => {
        const COLUMNS: &'static [$crate::db::typed::ResultColumn] = &[$($crate::db::typed::ResultColumn {
            name: Some(stringify!($field)),
            types: <$type as $crate::db::Column>::TYPES,
        }),+];

        unsafe fn from_row(values: &mut $crate::db::typed::Values<'_>) -> $crate::error::Result<Self> {
            // SAFETY: as promised by the caller.
            unsafe { Ok(Self { $($field: values.take::<$type>()?),+ }) }
        }
    };
}

macro_rules! into_row {
    ($name:ident () $($field:ident: $type:ty),+) => {
        // SAFETY: fields are put in the order of the columns, each as its type.
        unsafe impl $crate::db::rowset::RowsetRow for $name {
            type Family = $name;
            $crate::db::into_row! { @members $($field: $type),+ }
        }
    };
    ($name:ident ($life:lifetime) $($field:ident: $type:ty),+) => {
        // SAFETY: fields are put in the order of the columns, each as its type.
        unsafe impl<$life> $crate::db::rowset::RowsetRow for $name<$life> {
            type Family = $name<'static>;
            $crate::db::into_row! { @members $($field: $type),+ }
        }
    };
    (@members $($field:ident: $type:ty),+) => {
        const COLUMNS: &'static [$crate::db::rowset::Column] = &[$((
            $crate::db::typed::c_name(concat!(stringify!($field), "\0")),
            <$type as $crate::db::Parameter>::TYPE,
        )),+];

        fn fill(self, cells: &mut $crate::db::rowset::Cells) {
            $(cells.put(self.$field);)+
        }
    };
}

pub(crate) use {
    from_row, into_row, result_row, row, rowset_row, statement_function, statement_name, statement_parts,
    statement_result, statement_run, statement_text, statements,
};
