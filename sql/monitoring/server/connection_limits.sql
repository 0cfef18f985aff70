-- Limits of their own that leave a role, or this database, no connection, though the server has some: of the roles that are to store
-- webhooks, and of the owner of the tables ($1). Catalogs, and who is connected.
with sessions as materialized (
    select usesysid, datid
      from pg_catalog.pg_stat_activity
     where backend_type = 'client backend' or (backend_type is null and usesysid is not null)
), watched as (
    select role.oid, role.rolname, role.rolconnlimit
      from pg_catalog.pg_roles as role
     where not role.rolsuper and role.rolcanlogin and role.rolconnlimit >= 0
       and (role.rolname = $1
            or exists (select from pg_catalog.pg_proc as function
                        cross join lateral pg_catalog.aclexplode(function.proacl) as acl
                        where function.pronamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
                          and function.proname in ('receive_webhook', 'receive_webhooks')
                          and acl.grantee <> 0 and pg_catalog.pg_has_role(role.oid, acl.grantee, 'usage')))
)
select 'connections' as what, 'critical' as severity,
       pg_catalog.format('role %I has as many connections as its own limit allows (%s): it gets no other', rolname, rolconnlimit) as problem,
       null::timestamptz as since,
       array[pg_catalog.format('ALTER ROLE %I CONNECTION LIMIT -1;', rolname)] as next,
       array[(select rolname::text from pg_catalog.pg_roles where oid = 10)] as roles
  from watched
 where rolconnlimit <= (select count(*) from sessions where sessions.usesysid = watched.oid)
 union all
select 'connections', 'critical',
       pg_catalog.format('the database %I has as many connections as its own limit allows (%s): ordinary roles get no other', datname, datconnlimit),
       null,
       array[pg_catalog.format('ALTER DATABASE %I CONNECTION LIMIT -1;', datname)],
       array[pg_catalog.pg_get_userbyid(datdba)::text]
  from pg_catalog.pg_database as here
 where datname = pg_catalog.current_database() and datconnlimit >= 0
   and datconnlimit <= (select count(*) from sessions where sessions.datid = here.oid)
