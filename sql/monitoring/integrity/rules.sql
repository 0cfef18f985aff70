-- Rules on tables of ours ($1: their names): an INSTEAD rule swallows what is written or makes something else of it; beside
-- a rule of any kind PostgreSQL refuses INSERT ... ON CONFLICT, which storing relies on. Catalogs only.
select 'rules' as what, 'critical' as severity,
       format('rules stand on tables: %s: what is written there is swallowed, changed or refused',
              string_agg(format('%I on %s', rulename, name), ', ' order by name, rulename)) as problem,
       null::timestamptz as since,
       array_agg(format('DROP RULE %I ON %s;', rulename, name) order by name, rulename) as next,
       null::text[] as roles
  from (select rule.rulename, relation.oid::regclass::text as name
          from pg_catalog.pg_rewrite as rule
          join pg_catalog.pg_class as relation on relation.oid = rule.ev_class
         where relation.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = 'raw_ops')
           and relation.relkind in ('r', 'p')
           and (relation.relname = any ($1) or relation.relispartition)
           and rule.ev_enabled <> 'D'
           -- 2 UPDATE, 3 INSERT, 4 DELETE.
           and (rule.ev_type in ('2', '3') or rule.ev_type = '4' and rule.is_instead)) as rules
having count(*) > 0
