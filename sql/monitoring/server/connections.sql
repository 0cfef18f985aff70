-- How many connections clients hold of those that ordinary roles may have, and the role that holds most: how many, from which program most,
-- and its idle ones, each as (pid, backend_start), which names a process for good. Of a session that may not be looked into the kind is not
-- told; it counts, for a user stands with it.
with sessions as materialized (
    select pid, backend_start, usename, application_name, state, state_change
      from pg_catalog.pg_stat_activity
     where backend_type = 'client backend' or (backend_type is null and usesysid is not null)
), holder as (
    select usename, count(*) as held, count(*) filter (where state like 'idle in transaction%') as in_transaction,
           mode() within group (order by application_name) as application
      from sessions
     group by usename
     order by count(*) desc, usename
     limit 1
), idle as (
    select session.pid, session.backend_start
      from sessions as session
      join holder on holder.usename = session.usename
     where session.state = 'idle' and session.pid <> pg_catalog.pg_backend_pid()
     order by session.state_change
)
select (select count(*) from sessions) as used,
       pg_catalog.current_setting('max_connections')::int8 as allowed,
       pg_catalog.current_setting('superuser_reserved_connections')::int8
           + coalesce(pg_catalog.current_setting('reserved_connections', true)::int8, 0) as reserved,
       holder.usename::text as holder, holder.held, holder.in_transaction, holder.application,
       (select count(*) from idle) as idle,
       (select pg_catalog.string_agg(pg_catalog.format('(%s, %L)', pid,
                                     pg_catalog.to_char(backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00')), ', ')
          from (select pid, backend_start from idle limit 20) as first) as longest_idle
  from holder
