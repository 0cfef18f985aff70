-- What this call of setup() has dropped: $1 kinds, $2 tables, $3 names.
delete from raw_ops.schema_objects as known
 using unnest($1, $2, $3) as gone (kind, table_name, name)
 where (known.kind, known.table_name, known.name) = (gone.kind, gone.table_name, gone.name)
