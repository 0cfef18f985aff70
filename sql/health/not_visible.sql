-- What the role that looks may not see, and what shows it. Nothing for a superuser. The last
-- column: whose rights the statements take. Catalogs only.
with superuser as (select rolname::text as name from pg_catalog.pg_roles where oid = 10)
select 'not_visible' as what, 'info' as severity,
       format('role %I may not read all settings: whether pg_cron is preloaded is not known', current_user) as problem,
       null::timestamptz as since,
       array[format('GRANT pg_read_all_settings TO %I;', current_user)] as next,
       array[superuser.name] as roles
  from superuser
 where not pg_catalog.pg_has_role(current_user, 'pg_read_all_settings', 'usage')
 union all
select 'not_visible', 'info',
       format('role %I may not see what other roles'' sessions do: who holds a snapshot or a lock is not known', current_user),
       null,
       array[format('GRANT pg_read_all_stats TO %I;', current_user)], array[superuser.name]
  from superuser
 where not pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'usage')
 union all
select 'not_visible', 'info',
       format('role %I sees no jobs of pg_cron but its own: what other roles have scheduled is not known', current_user),
       null,
       array_remove(array[
           case when not has_schema_privilege(current_user, schema.oid, 'usage')
                then format('GRANT USAGE ON SCHEMA cron TO %I;', current_user) end,
           case when not has_table_privilege(current_user, job.oid, 'select')
                then format('GRANT SELECT ON cron.job TO %I;', current_user) end,
           case when not sees_all.rows
                then format('CREATE POLICY raw_ops_health ON cron.job FOR SELECT TO %I USING (true);', current_user) end],
           null),
       array[pg_catalog.pg_get_userbyid(job.relowner)::text]
  from pg_catalog.pg_class as job
  join pg_catalog.pg_namespace as schema on schema.oid = job.relnamespace
 cross join lateral (select not pg_catalog.row_security_active(job.oid)
                            or exists (select from pg_catalog.pg_policy
                                        where polrelid = job.oid and polcmd in ('r', '*') and polpermissive
                                          and (select oid from pg_catalog.pg_roles where rolname = current_user) = any (polroles)
                                          and pg_catalog.pg_get_expr(polqual, polrelid) = 'true') as rows) as sees_all
 where schema.nspname = 'cron' and job.relname = 'job'
   and not (has_schema_privilege(current_user, schema.oid, 'usage')
            and has_table_privilege(current_user, job.oid, 'select')
            and sees_all.rows)
