-- Settings that stop the writing, for whom, and where they are set: transactions that begin read-only, and a replica's role,
-- in which no trigger of ours fires. Of the roles that write: the owner of the tables (asked as it) and those that were granted
-- to store webhooks (PUBLIC's rights make nobody a writer); the background workers start as the first superuser. The narrowest
-- setting decides, as when a session starts. The last column: whose rights the statements take.
with here as (
    select oid, datname from pg_catalog.pg_database where datname = current_database()
), watched (name, what, effect) as (
    values ('default_transaction_read_only', 'read_only', 'transactions of %s begin read-only (%s, set for %s): nothing can be written'),
           ('session_replication_role', 'replica_role',
            'sessions of %s play a replica''s role (%s, set for %s): no trigger fires, so nobody is woken or told, and no status is guarded')
), writers as (
    select role.oid, role.rolname, watched.name as setting
      from pg_catalog.pg_roles as role
     cross join watched
     where role.rolname = current_user
        or role.oid = 10 and watched.name = 'session_replication_role'
        or not role.rolsuper and role.rolname !~ '^pg_' and role.rolcanlogin
           and exists (select from pg_catalog.pg_proc as function
                        cross join lateral pg_catalog.aclexplode(function.proacl) as acl
                        where function.pronamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
                          and function.proname in ('receive_webhook', 'receive_webhooks')
                          and acl.grantee <> 0 and pg_catalog.pg_has_role(role.oid, acl.grantee, 'usage'))
), configured as (
    select setting.setdatabase, setting.setrole, split_part(config, '=', 1) as setting,
           case split_part(config, '=', 1) when 'session_replication_role' then split_part(config, '=', 2) = 'replica'
                else split_part(config, '=', 2)::boolean end as is_on,
           case when setrole <> 0 and setdatabase <> 0 then 1 when setrole <> 0 then 2 when setdatabase <> 0 then 3 else 4 end as rank
      from pg_catalog.pg_db_role_setting as setting
     cross join lateral unnest(setting.setconfig) as config
     where split_part(config, '=', 1) in (select name from watched)
       and setting.setdatabase in (0, (select oid from here))
), everywhere as (
    -- What this session began with; of use only where nothing narrower was in force for it.
    select name as setting, reset_val in ('on', 'replica') as is_on
      from pg_catalog.pg_settings
     where name in (select name from watched)
       and source <> 'client'
       and not exists (select from configured
                        where configured.setting = pg_settings.name
                          and setrole in (0, (select oid from pg_catalog.pg_roles where rolname = session_user)))
), decided as (
    select writer.rolname, writer.setting, coalesce(narrowest.is_on, everywhere.is_on) as is_on,
           coalesce(narrowest.rank, 5) as rank
      from writers as writer
      left join lateral (select is_on, rank from configured
                          where configured.setting = writer.setting and setrole in (0, writer.oid)
                          order by rank limit 1) as narrowest on true
      left join everywhere on everywhere.setting = writer.setting
)
select watched.what as what, 'critical' as severity,
       format(watched.effect, string_agg(quote_ident(rolname), ', ' order by rolname), watched.name,
              case rank when 1 then 'the role in this database' when 2 then 'the role' when 3 then 'the database'
                        when 4 then 'all roles' else 'the server' end) as problem,
       null::timestamptz as since,
       case watched.what when 'read_only' then array['SET default_transaction_read_only = off;'] else '{}' end
           || case rank
                   when 1 then array_agg(format('ALTER ROLE %I IN DATABASE %I RESET %s;', rolname, current_database(), watched.name)
                                         order by rolname)
                   when 2 then array_agg(format('ALTER ROLE %I RESET %s;', rolname, watched.name) order by rolname)
                   when 3 then array[format('ALTER DATABASE %I RESET %s;', current_database(), watched.name)]
                   when 4 then array[format('ALTER ROLE ALL RESET %s;', watched.name)]
                   else array[format('ALTER SYSTEM SET %s = %s;', watched.name,
                                     case watched.what when 'read_only' then 'off' else 'origin' end),
                              'SELECT pg_reload_conf();'] end
           || array['-- Sessions that are connected keep it until they connect again: restart the shim, end the workers (they start again).'] as next,
       case when rank in (1, 2) and watched.what = 'read_only' and bool_and(rolname = current_user) then array[current_user::text]
            when rank = 3 and watched.what = 'read_only'
                 then (select array[pg_catalog.pg_get_userbyid(datdba)::text] from pg_catalog.pg_database
                        where datname = current_database())
            else (select array[rolname::text] from pg_catalog.pg_roles where oid = 10) end as roles
  from decided
  join watched on watched.name = decided.setting
 where is_on
 group by watched.what, watched.name, watched.effect, rank
 union all
select 'read_only', 'info', 'this server is a standby: webhooks are stored and processed by its primary', null,
       array['SELECT sender_host, sender_port, status FROM pg_catalog.pg_stat_wal_receiver;'], null
 where pg_catalog.pg_is_in_recovery()
