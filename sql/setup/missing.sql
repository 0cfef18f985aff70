-- Those of these tables ($1) that are not in the schema raw_ops.
select wanted.name
  from unnest($1) as wanted (name)
 where not exists (select from pg_class
                    where relnamespace = 'raw_ops'::regnamespace and relname = wanted.name and relkind in ('r', 'p'))
 order by wanted.name
