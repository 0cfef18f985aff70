select max(version)::text, '1' from raw_ops.schema_migrations
