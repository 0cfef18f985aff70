-- What setup() makes ($1: names of tables and views), and the archive's partitions, of another owner than the inbox:
-- everything works as the inbox's owner. Asked as that. The last column: whose rights the statements take.
select 'owners' as what, 'critical' as severity,
       format('%I owns the inbox, but not %s: it is refused there', current_user, string_agg(name, ', ' order by name)) as problem,
       null::timestamptz as since,
       array_agg(format('ALTER %s %s OWNER TO %I;', kind, name, current_user) order by name) as next,
       array_agg(distinct owner) || current_user::text as roles
  from (select relation.oid::regclass::text as name, pg_catalog.pg_get_userbyid(relation.relowner)::text as owner,
               case relation.relkind when 'v' then 'VIEW' else 'TABLE' end as kind
          from pg_catalog.pg_class as relation
         where relation.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
           and relation.relkind in ('r', 'p', 'v')
           and (relation.relname = any ($1) or relation.relispartition)
           and relation.relowner <> (select oid from pg_catalog.pg_roles where rolname = current_user)) as others
having count(*) > 0
