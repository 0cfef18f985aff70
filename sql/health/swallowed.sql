-- Of the triggers $1 on the inbox, which can swallow what is to be stored: those since which nothing has been. A row is
-- younger than a trigger when its transaction is; the newest row is found by its id, which is ordered by time.
with newest as (
    select xmin as made_by from raw_ops.webhook_inbox order by id desc limit 1
)
select 'triggers' as what, 'warning' as severity,
       format('since the trigger %I stands on raw_ops.webhook_inbox nothing has been stored: it can return null, which swallows a row',
              trig.tgname) as problem,
       null::timestamptz as since,
       array[format('ALTER TABLE raw_ops.webhook_inbox DISABLE TRIGGER %I;', trig.tgname),
             format('SELECT pg_get_functiondef(%L::regprocedure); -- mend it, then ENABLE TRIGGER', trig.tgfoid::regprocedure)] as next,
       null::text[] as roles
  from pg_catalog.pg_trigger as trig
 where trig.tgrelid = 'raw_ops.webhook_inbox'::regclass
   and trig.tgname = any ($1)
   and not exists (select from newest where age(newest.made_by) < age(trig.xmin))
 order by trig.tgname
