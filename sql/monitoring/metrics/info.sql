select max(version)::text as schema_version, '1' as present from raw_ops.schema_migrations
