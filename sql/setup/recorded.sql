-- What setup() has made, and whether that was recorded by a server of another major version, which may print it differently.
select kind, table_name, name, definition, position::int8,
       server_version <> current_setting('server_version_num')::integer / 10000 as is_of_another_version
  from raw_ops.schema_objects
