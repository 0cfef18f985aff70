-- Tables of ours ($1: names of tables and views that setup() makes; partitions of theirs) without row security. Catalogs only.
select 'row_security' as what, 'warning' as severity,
       format('row security is switched off on %s: whoever is granted the table reads every row of it',
              string_agg(relation.oid::regclass::text, ', ' order by relation.oid::regclass::text)) as problem,
       null::timestamptz as since,
       array_agg(format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', relation.oid::regclass)
                 order by relation.oid::regclass::text) as next,
       null::text[] as roles
  from pg_catalog.pg_class as relation
 where relation.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
   and relation.relkind in ('r', 'p')
   and not relation.relrowsecurity
   and (relation.relname = any ($1) or relation.relispartition)
having count(*) > 0
