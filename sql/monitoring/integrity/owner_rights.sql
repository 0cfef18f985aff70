-- Rights that the owner of the tables has lost. $1: names of tables and views that setup() makes. Asked as the owner. The
-- last column: whose rights the statements take; what it has lost on its own tables, the owner grants itself.
with owners as (
    select (select rolname::text from pg_catalog.pg_roles where oid = 10) as superuser,
           (select pg_catalog.pg_get_userbyid(datdba)::text from pg_catalog.pg_database where datname = current_database()) as of_database,
           (select pg_catalog.pg_get_userbyid(nspowner)::text from pg_catalog.pg_namespace where nspname = 'raw_ops') as of_schema,
           (select pg_catalog.pg_get_userbyid(extowner)::text from pg_catalog.pg_extension where extname = 'raw_ops') as of_extension
), lacking as (
    select relation.oid::regclass::text as name
      from pg_catalog.pg_class as relation
     where relation.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
       and relation.relkind in ('r', 'p', 'v')
       and (relation.relname = any ($1) or relation.relispartition)
       and relation.relowner = (select oid from pg_catalog.pg_roles where rolname = current_user)
       and not (has_table_privilege(relation.oid, 'select')
                and (relation.relkind = 'v'
                     or has_table_privilege(relation.oid, 'insert') and has_table_privilege(relation.oid, 'update')
                        and has_table_privilege(relation.oid, 'delete')))
), functions as (
    select string_agg(distinct function.proname::text, ', ') as names
      from pg_catalog.pg_depend as member
      join pg_catalog.pg_proc as function on function.oid = member.objid
     where member.classid = 'pg_catalog.pg_proc'::regclass and member.deptype = 'e'
       and member.refobjid = (select oid from pg_catalog.pg_extension where extname = 'raw_ops')
       and not has_function_privilege(function.oid, 'execute')
)
select 'owner_rights' as what, 'critical' as severity,
       format('the owner %I has lost rights on its own %s', current_user, string_agg(name, ', ' order by name)) as problem,
       null::timestamptz as since,
       array_agg(format('GRANT ALL ON %s TO %I;', name, current_user) order by name) as next,
       array[current_user::text] as roles
  from lacking
having count(*) > 0
 union all
select 'owner_rights', 'critical', format('the owner %I may not use the schema raw_ops, or not create in it', current_user),
       null, array[format('GRANT CREATE, USAGE ON SCHEMA raw_ops TO %I;', current_user)], array[owners.of_schema]
  from owners
 where not (has_schema_privilege('raw_ops', 'usage') and has_schema_privilege('raw_ops', 'create'))
 union all
select 'owner_rights', 'critical', format('the owner %I may not call: %s', current_user, functions.names),
       null,
       array[format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA raw_ops TO %I;', current_user),
             format('GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA raw_ops TO %I;', current_user)],
       array[owners.of_extension]
  from functions
 cross join owners
 where functions.names is not null
 union all
-- The jobs of pg_cron log in as their owner.
select 'owner_rights', 'critical', format('the owner %I may not connect to this database: its jobs do not run', current_user),
       null,
       array_remove(array[case when not role.rolcanlogin then format('ALTER ROLE %I LOGIN;', current_user) end,
                          case when not may.connect
                               then format('GRANT CONNECT ON DATABASE %I TO %I;', current_database(), current_user) end], null),
       array_remove(array[case when not role.rolcanlogin then owners.superuser end,
                          case when not may.connect then owners.of_database end], null)
  from pg_catalog.pg_roles as role
 cross join owners
 cross join lateral (select has_database_privilege(current_database(), 'connect') as connect) as may
 where role.rolname = current_user
   and exists (select from pg_catalog.pg_extension where extname = 'pg_cron')
   and not (role.rolcanlogin and may.connect)
 union all
select 'owner_rights', 'warning',
       format('the owner %I may not use the schema cron: it cannot schedule jobs, and their log is not trimmed', current_user),
       null, array[format('GRANT USAGE ON SCHEMA cron TO %I;', current_user)],
       array[pg_catalog.pg_get_userbyid(schema.nspowner)::text]
  from pg_catalog.pg_namespace as schema
 where schema.nspname = 'cron' and not has_schema_privilege(schema.oid, 'usage')
