-- Those of these tables ($1, with their columns $2, joined by commas) that are not in the schema raw_ops; and where one stands
-- under another name or in another schema, the statement that brings it back. A key keeps its name when its table is renamed or
-- moved, so that a copy is not taken for it. Catalogs only.
select wanted.name,
       (select case when schema.nspname = 'raw_ops' or other.relname <> wanted.name
                    then pg_catalog.format('ALTER TABLE %I.%I RENAME TO %I;', schema.nspname, other.relname, wanted.name)
                    else pg_catalog.format('ALTER TABLE %I.%I SET SCHEMA raw_ops;', schema.nspname, other.relname) end
          from pg_catalog.pg_constraint as key
          join pg_catalog.pg_class as other on other.oid = key.conrelid
          join pg_catalog.pg_namespace as schema on schema.oid = other.relnamespace
         where key.conname = wanted.name || '_pkey' and key.contype = 'p'
           and not exists (select from pg_catalog.unnest(pg_catalog.string_to_array(wanted.columns, ',')) as needed (name)
                            where not exists (select from pg_catalog.pg_attribute as attribute
                                               where attribute.attrelid = other.oid and attribute.attname = needed.name
                                                 and not attribute.attisdropped))
         order by schema.nspname = 'raw_ops' desc, other.relname = wanted.name desc
         limit 1) as back
  from unnest($1, $2) as wanted (name, columns)
 where not exists (select from pg_catalog.pg_class
                    where relnamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
                      and relname = wanted.name and relkind in ('r', 'p'))
 order by wanted.name
