-- What is there of what setup() makes: kind, name, table, and whether it works. Catalogs only.
with schema as (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
select case relation.relkind when 'v' then 'view' else 'table' end as kind, relation.relname::text as name,
       relation.relname::text as "table", case relation.relkind when 'p' then 'partitioned' else 'ok' end as state
  from pg_catalog.pg_class as relation
 where relation.relnamespace = (select oid from schema) and relation.relkind in ('r', 'p', 'v')
 union all
select 'index', relation.relname::text, base.relname::text,
       -- Of a partitioned table the index is valid once every partition has its part.
       case when index.indisvalid and index.indisready then 'ok' else 'invalid' end
  from pg_catalog.pg_class as relation
  join pg_catalog.pg_index as index on index.indexrelid = relation.oid
  join pg_catalog.pg_class as base on base.oid = index.indrelid
 where relation.relnamespace = (select oid from schema)
 union all
select 'constraint', con.conname::text, base.relname::text, case when con.convalidated then 'ok' else 'invalid' end
  from pg_catalog.pg_constraint as con
  join pg_catalog.pg_class as base on base.oid = con.conrelid
 where con.connamespace = (select oid from schema) and con.contype in ('p', 'u', 'f')
 union all
select 'trigger', trig.tgname::text, base.relname::text,
       case when trig.tgenabled in ('O', 'A') then 'ok' else 'disabled' end
  from pg_catalog.pg_trigger as trig
  join pg_catalog.pg_class as base on base.oid = trig.tgrelid
 where base.relnamespace = (select oid from schema) and not trig.tgisinternal
