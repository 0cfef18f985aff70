-- Roles that may store webhooks (the shim's), and what each still lacks for it. Asked as the owner of the tables, who may
-- too but is not counted, nor is a superuser.
with receive as (
    select function.oid, function.oid::regprocedure::text as signature
      from pg_catalog.pg_proc as function
     where function.pronamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
       and function.proname in ('receive_webhook', 'receive_webhooks')
), receivers as (
    select role.oid, role.rolname, role.rolcanlogin as may_login,
           has_database_privilege(role.oid, current_database(), 'connect') as may_connect,
           has_schema_privilege(role.oid, 'raw_ops', 'usage') as may_use,
           (select string_agg(signature, ', ' order by signature)
              from receive where not has_function_privilege(role.oid, receive.oid, 'execute')) as missing
      from pg_catalog.pg_roles as role
     where not role.rolsuper
       and role.rolname <> current_user
       and role.rolname !~ '^pg_'
       and exists (select from receive where has_function_privilege(role.oid, receive.oid, 'execute'))
), shim as (
    select coalesce((select min(rolname) from receivers where not may_login), 'raw_ops_shim') as name
)
select 'receivers', 'critical',
       format('role %I may store webhooks, but cannot: it lacks %s', rolname,
              concat_ws(', ', case when not may_connect then 'CONNECT on the database' end,
                        case when not may_use then 'USAGE on the schema' end,
                        case when missing is not null then 'EXECUTE on a receive function' end)),
       null::timestamptz,
       array_remove(array[
           case when not may_connect then format('GRANT CONNECT ON DATABASE %I TO %I;', current_database(), rolname) end,
           case when not may_use then format('GRANT USAGE ON SCHEMA raw_ops TO %I;', rolname) end,
           case when missing is not null then format('GRANT EXECUTE ON FUNCTION %s TO %I;', missing, rolname) end], null)
  from receivers
 where may_login and not (may_connect and may_use and missing is null)
 union all
select 'receivers', 'critical', 'no role but the owner of the tables may store webhooks: the shim cannot',
       null,
       array_remove(array[
           case when role.oid is null then format('CREATE ROLE %I LOGIN;', shim.name) end,
           case when not role.rolcanlogin then format('ALTER ROLE %I LOGIN;', shim.name) end,
           format('GRANT CONNECT ON DATABASE %I TO %I;', current_database(), shim.name),
           format('GRANT USAGE ON SCHEMA raw_ops TO %I;', shim.name),
           format('GRANT EXECUTE ON FUNCTION %s TO %I;',
                  (select string_agg(signature, ', ' order by signature) from receive), shim.name)], null)
  from shim
  left join pg_catalog.pg_roles as role on role.rolname = shim.name
 where not exists (select from receivers where may_login)
