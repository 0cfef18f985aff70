-- What this call of setup() has made or changed: $1 kinds, $2 tables, $3 names, $4 definitions, $5 numbers (0: none).
insert into raw_ops.schema_objects (kind, table_name, name, definition, position)
select made.kind, made.table_name, made.name, made.definition, nullif(made.position, 0)::integer
  from unnest($1, $2, $3, $4, $5) as made (kind, table_name, name, definition, position)
    on conflict (kind, table_name, name) do update
       set definition = excluded.definition, position = excluded.position, server_version = excluded.server_version,
           recorded_at = excluded.recorded_at
     where (schema_objects.definition, schema_objects.position, schema_objects.server_version)
           is distinct from (excluded.definition, excluded.position, excluded.server_version)
