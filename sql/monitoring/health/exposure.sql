-- What lets others see or do more than setup() has left open: tables of ours ($1: names of tables and views that setup()
-- makes) without row security, and what everybody (PUBLIC, role 0) is granted. Catalogs only.
with schema as (
    select oid, nspacl from pg_catalog.pg_namespace where nspname = 'raw_ops'
), ours as (
    select relation.oid, relation.oid::regclass::text as name, relation.relkind, relation.relrowsecurity,
           exists (select from aclexplode(relation.relacl) as granted where granted.grantee = 0)
           or exists (select from pg_catalog.pg_attribute as attribute
                       cross join lateral aclexplode(attribute.attacl) as granted
                       where attribute.attrelid = relation.oid and granted.grantee = 0) as is_public
      from pg_catalog.pg_class as relation
     where relation.relnamespace = (select oid from schema)
       and relation.relkind in ('r', 'p', 'v')
       and (relation.relname = any ($1) or relation.relispartition)
), functions as (
    select function.oid::regprocedure::text as name
      from pg_catalog.pg_depend as member
      join pg_catalog.pg_proc as function on function.oid = member.objid
     where member.classid = 'pg_catalog.pg_proc'::regclass and member.deptype = 'e'
       and member.refobjid = (select oid from pg_catalog.pg_extension where extname = 'raw_ops')
       and exists (select from aclexplode(coalesce(function.proacl, acldefault('f', function.proowner))) as granted
                    where granted.grantee = 0)
)
select 'row_security', 'warning',
       format('row security is switched off on %s: whoever is granted the table reads every row of it',
              string_agg(name, ', ' order by name)),
       null::timestamptz,
       array_agg(format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', name) order by name)
  from ours
 where relkind in ('r', 'p') and not relrowsecurity
having count(*) > 0
 union all
select 'public_access', 'warning',
       format('everybody (PUBLIC) is granted rights on %s: customers'' data may be read', string_agg(name, ', ' order by name)),
       null, array_agg(format('REVOKE ALL ON %s FROM PUBLIC;', name) order by name)
  from ours
 where is_public
having count(*) > 0
 union all
select 'public_access', 'warning', format('everybody (PUBLIC) may call %s', string_agg(name, ', ' order by name)),
       null, array_agg(format('REVOKE ALL ON ROUTINE %s FROM PUBLIC;', name) order by name)
  from functions
having count(*) > 0
 union all
select 'public_access', 'warning', 'everybody (PUBLIC) is granted rights on the schema raw_ops', null,
       array['REVOKE ALL ON SCHEMA raw_ops FROM PUBLIC;']
  from schema
 where exists (select from aclexplode(schema.nspacl) as granted where granted.grantee = 0)
