-- How everything in the schema raw_ops is defined now: kind, table, name, definition, and of a column its number. One row
-- a property, so that what changed can be told and put back: of a column its type, that it is required, its default or how
-- it is generated. Partitions follow their table, and are left out. Storage options are an owner's to set. Catalogs only.
with ours as (
    select oid, relname::text as name
      from pg_catalog.pg_class
     where relnamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
       and relkind in ('r', 'p') and not relispartition
), columns as (
    select ours.name as base, attribute.attname::text as name, attribute.attnum, attribute.attnotnull,
           attribute.attgenerated <> '' as is_generated,
           format_type(attribute.atttypid, attribute.atttypmod)
               || coalesce((select format(' collate %I.%I', schema.nspname, other.collname)
                              from pg_catalog.pg_collation as other
                              join pg_catalog.pg_namespace as schema on schema.oid = other.collnamespace
                              join pg_catalog.pg_type as type on type.oid = attribute.atttypid
                             where other.oid = attribute.attcollation and attribute.attcollation <> type.typcollation), '')
               as type,
           pg_catalog.pg_get_expr(default_.adbin, default_.adrelid) as expression
      from ours
      join pg_catalog.pg_attribute as attribute on attribute.attrelid = ours.oid and attribute.attnum > 0 and not attribute.attisdropped
      left join pg_catalog.pg_attrdef as default_ on default_.adrelid = ours.oid and default_.adnum = attribute.attnum
)
select 'column' as kind, base as table_name, name, type as definition, attnum::int8 as position from columns
 union all
select 'required', base, name, 'not null', null from columns where attnotnull
 union all
select case when is_generated then 'generated' else 'default' end, base, name, expression, null
  from columns
 where expression is not null
 union all
select 'index', ours.name, relation.relname::text,
       regexp_replace(pg_catalog.pg_get_indexdef(index.indexrelid), ' WITH \([^)]*\)', ''), null
  from ours
  join pg_catalog.pg_index as index on index.indrelid = ours.oid
  join pg_catalog.pg_class as relation on relation.oid = index.indexrelid
 where not exists (select from pg_catalog.pg_constraint as con
                    where con.conindid = index.indexrelid and con.contype in ('p', 'u', 'x'))
 union all
select case con.contype when 'c' then 'check' else 'constraint' end, ours.name, con.conname::text,
       regexp_replace(pg_catalog.pg_get_constraintdef(con.oid), ' NOT VALID$', ''), null
  from ours
  join pg_catalog.pg_constraint as con on con.conrelid = ours.oid and con.contype in ('p', 'u', 'f', 'c')
 union all
select 'trigger', ours.name, trig.tgname::text, pg_catalog.pg_get_triggerdef(trig.oid), null
  from ours
  join pg_catalog.pg_trigger as trig on trig.tgrelid = ours.oid and not trig.tgisinternal
