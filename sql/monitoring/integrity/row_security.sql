-- Tables where row security is forced on their owner, as hardening guides ask for: without a policy for the owner it can
-- neither store nor read a row there, and is told nothing but "violates row-level security". Asked as the owner. The
-- last column: whose rights the statements take.
select 'row_security' as what, severity,
       case severity
            when 'critical' then format('row security is forced on %s: its owner %I can neither store nor read there',
                                        string_agg(name, ', ' order by name), current_user)
            else format('row security is forced on %s; the owner %I passes it (superuser, BYPASSRLS or a policy)',
                        string_agg(name, ', ' order by name), current_user) end as problem,
       null::timestamptz as since,
       array_agg(format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY;', name) order by name) as next,
       array[current_user::text] as roles
  from (select relation.oid::regclass::text as name,
               case when relation.relrowsecurity and pg_catalog.row_security_active(relation.oid)
                         and not exists (select from pg_catalog.pg_policy as policy
                                          where policy.polrelid = relation.oid and policy.polpermissive and policy.polcmd = '*'
                                            and policy.polroles && array[0::oid, relation.relowner])
                    then 'critical' else 'info' end as severity
          from pg_catalog.pg_class as relation
         where relation.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
           and relation.relkind in ('r', 'p')
           and relation.relforcerowsecurity) as forced
 group by severity
