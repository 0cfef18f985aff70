-- Who begins read-only transactions, and where that is set: of the roles that write, the owner of the tables (asked as it)
-- and those that were granted to store webhooks (PUBLIC's rights make nobody a writer). The narrowest setting decides, as
-- when a session starts. The last column: whose rights the statements take.
with here as (
    select oid, datname from pg_catalog.pg_database where datname = current_database()
), writers as (
    select role.oid, role.rolname
      from pg_catalog.pg_roles as role
     where role.rolname = current_user
        or not role.rolsuper and role.rolname !~ '^pg_' and role.rolcanlogin
           and exists (select from pg_catalog.pg_proc as function
                        cross join lateral pg_catalog.aclexplode(function.proacl) as acl
                        where function.pronamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
                          and function.proname in ('receive_webhook', 'receive_webhooks')
                          and acl.grantee <> 0 and pg_catalog.pg_has_role(role.oid, acl.grantee, 'usage'))
), configured as (
    select setting.setdatabase, setting.setrole, split_part(config, '=', 2)::boolean as is_on,
           case when setrole <> 0 and setdatabase <> 0 then 1 when setrole <> 0 then 2 when setdatabase <> 0 then 3 else 4 end as rank
      from pg_catalog.pg_db_role_setting as setting
     cross join lateral unnest(setting.setconfig) as config
     where split_part(config, '=', 1) = 'default_transaction_read_only'
       and setting.setdatabase in (0, (select oid from here))
), everywhere as (
    -- What this session began with; of use only where nothing narrower was in force for it.
    select reset_val::boolean as is_on
      from pg_catalog.pg_settings
     where name = 'default_transaction_read_only'
       and not exists (select from configured
                        where setrole in (0, (select oid from pg_catalog.pg_roles where rolname = session_user)))
), decided as (
    select writer.rolname, coalesce(narrowest.is_on, everywhere.is_on) as is_on, coalesce(narrowest.rank, 5) as rank
      from writers as writer
      left join lateral (select is_on, rank from configured where setrole in (0, writer.oid) order by rank limit 1)
                as narrowest on true
      left join everywhere on true
)
select 'read_only', 'critical',
       format('transactions of %s begin read-only (default_transaction_read_only, set for %s): nothing can be written',
              string_agg(quote_ident(rolname), ', ' order by rolname),
              case rank when 1 then 'the role in this database' when 2 then 'the role' when 3 then 'the database'
                        when 4 then 'all roles' else 'the server' end),
       null::timestamptz,
       array['SET default_transaction_read_only = off;']
           || case rank
                   when 1 then array_agg(format('ALTER ROLE %I IN DATABASE %I RESET default_transaction_read_only;',
                                                rolname, current_database()) order by rolname)
                   when 2 then array_agg(format('ALTER ROLE %I RESET default_transaction_read_only;', rolname) order by rolname)
                   when 3 then array[format('ALTER DATABASE %I RESET default_transaction_read_only;', current_database())]
                   when 4 then array['ALTER ROLE ALL RESET default_transaction_read_only;']
                   else array['ALTER SYSTEM SET default_transaction_read_only = off;', 'SELECT pg_reload_conf();'] end
           || array['-- Sessions that are connected keep it until they connect again: restart the shim.'],
       case when rank in (1, 2) and bool_and(rolname = current_user) then array[current_user::text]
            when rank = 3 then (select array[pg_catalog.pg_get_userbyid(datdba)::text] from pg_catalog.pg_database
                                 where datname = current_database())
            else (select array[rolname::text] from pg_catalog.pg_roles where oid = 10) end
  from decided
 where is_on
 group by rank
 union all
select 'read_only', 'info', 'this server is a standby: webhooks are stored and processed by its primary', null,
       array['SELECT sender_host, sender_port, status FROM pg_catalog.pg_stat_wal_receiver;'], null
 where pg_catalog.pg_is_in_recovery()
