-- Roles that may store webhooks (the shim's), and what each still lacks for it. What PUBLIC may makes nobody such a role: see
-- grants.sql. Asked as the owner of the tables, who may too but is not counted, nor is a superuser. The last column: whose
-- rights the statements take.
with receive as (
    select function.oid, function.oid::regprocedure::text as signature, function.proowner as owner,
           array(select acl.grantee
                   from pg_catalog.aclexplode(coalesce(function.proacl, pg_catalog.acldefault('f', function.proowner))) as acl
                  where acl.grantee <> 0) as grantees
      from pg_catalog.pg_proc as function
     where function.pronamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
       and function.proname in ('receive_webhook', 'receive_webhooks')
), rights as (
    select role.oid as role, receive.signature,
           exists (select from unnest(receive.grantees) as grantee
                    where pg_catalog.pg_has_role(role.oid, grantee, 'usage')) as has_own,
           has_function_privilege(role.oid, receive.oid, 'execute') as may_execute
      from pg_catalog.pg_roles as role
     cross join receive
     where not role.rolsuper and role.rolname <> current_user and role.rolname !~ '^pg_'
), receivers as (
    select role.oid, role.rolname, role.rolcanlogin as may_login,
           has_database_privilege(role.oid, current_database(), 'connect') as may_connect,
           has_schema_privilege(role.oid, 'raw_ops', 'usage') as may_use,
           bool_and(rights.may_execute) as may_execute,
           string_agg(rights.signature, ', ' order by rights.signature) filter (where not rights.has_own) as missing
      from pg_catalog.pg_roles as role
      join rights on rights.role = role.oid
     group by role.oid, role.rolname, role.rolcanlogin
    having bool_or(rights.has_own)
), shim as (
    select coalesce((select min(rolname) from receivers where not may_login), 'raw_ops_shim') as name
), owners as (
    select (select rolname from pg_catalog.pg_roles where oid = 10) as superuser,
           (select pg_catalog.pg_get_userbyid(datdba) from pg_catalog.pg_database where datname = current_database()) as of_database,
           (select pg_catalog.pg_get_userbyid(nspowner) from pg_catalog.pg_namespace where nspname = 'raw_ops') as of_schema,
           (select min(pg_catalog.pg_get_userbyid(owner)) from receive) as of_functions
)
select 'receivers' as what, 'critical' as severity,
       format('role %I is to store webhooks, but lacks %s', rolname,
              concat_ws(', ', case when not may_connect then 'CONNECT on the database' end,
                        case when not may_use then 'USAGE on the schema' end,
                        case when not may_execute then 'EXECUTE on a receive function'
                             when missing is not null then 'EXECUTE on a receive function of its own (PUBLIC has it)' end)) as problem,
       null::timestamptz as since,
       array_remove(array[
           case when not may_connect then format('GRANT CONNECT ON DATABASE %I TO %I;', current_database(), rolname) end,
           case when not may_use then format('GRANT USAGE ON SCHEMA raw_ops TO %I;', rolname) end,
           case when missing is not null then format('GRANT EXECUTE ON FUNCTION %s TO %I;', missing, rolname) end], null) as next,
       array_remove(array[case when not may_connect then of_database::text end, case when not may_use then of_schema::text end,
                          case when missing is not null then of_functions::text end], null) as roles
  from receivers
 cross join owners
 where may_login and not (may_connect and may_use and missing is null)
 union all
select 'receivers', 'critical',
       case when exists (select from rights where may_execute and not has_own)
            then 'no role but the owner of the tables may store webhooks of its own right; the shim can while PUBLIC may'
            else 'no role but the owner of the tables may store webhooks: the shim cannot' end,
       null,
       array_remove(array[
           case when role.oid is null then format('CREATE ROLE %I LOGIN;', shim.name) end,
           case when not role.rolcanlogin then format('ALTER ROLE %I LOGIN;', shim.name) end,
           format('GRANT CONNECT ON DATABASE %I TO %I;', current_database(), shim.name),
           format('GRANT USAGE ON SCHEMA raw_ops TO %I;', shim.name),
           format('GRANT EXECUTE ON FUNCTION %s TO %I;',
                  (select string_agg(signature, ', ' order by signature) from receive), shim.name)], null),
       array[superuser::text]
  from shim
 cross join owners
  left join pg_catalog.pg_roles as role on role.rolname = shim.name
 where not exists (select from receivers where may_login)
