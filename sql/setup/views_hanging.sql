-- What hangs on a view of ours ($1), however many steps away. First what is no view of ours ($2: the names of those): its
-- name, and how to drop it; then in one statement how to drop the view, and with it ours that hang on it.
with recursive hanging (classid, objid, objsubid) as (
    select 'pg_catalog.pg_class'::regclass::oid, view.oid, 0
      from pg_catalog.pg_class as view
     where view.relnamespace = 'raw_ops'::regnamespace and view.relname = $1
     union
    -- What a view asks is a rule of its own, and the rule depends: the view is meant.
    select case when rule.oid is null then other.classid else 'pg_catalog.pg_class'::regclass::oid end,
           coalesce(rule.ev_class, other.objid), case when rule.oid is null then other.objsubid else 0 end
      from hanging
      join pg_catalog.pg_depend as other
        on other.refclassid = hanging.classid and other.refobjid = hanging.objid
      left join pg_catalog.pg_rewrite as rule
        on other.classid = 'pg_catalog.pg_rewrite'::regclass and rule.oid = other.objid
), named as (
    select object.type, object.identity, ours.relname as ours
      from hanging
     cross join lateral pg_catalog.pg_identify_object(hanging.classid, hanging.objid, hanging.objsubid) as object
      left join pg_catalog.pg_class as ours
        on hanging.classid = 'pg_catalog.pg_class'::regclass and ours.oid = hanging.objid and ours.relkind = 'v'
       and ours.relnamespace = 'raw_ops'::regnamespace and (ours.relname = $1 or ours.relname = any ($2))
     where object.type <> 'type'
)
select format('%s %s', type, identity) as name,
       case when type in ('view', 'materialized view', 'function', 'procedure')
            then format('DROP %s %s;', upper(type), identity) end as removal
  from named
 where ours is null
 union all
select null, format('drop view %s', string_agg(distinct format('raw_ops.%I', ours), ', ')) from named where ours is not null
