-- $1 the providers this version knows: the statement that lets the inbox hold their webhooks, where it does not yet know
-- just these.
select pg_catalog.format(
           'alter table raw_ops.webhook_inbox drop constraint if exists webhook_inbox_provider_check,
                add constraint webhook_inbox_provider_check check (provider in (%s))',
           (select pg_catalog.string_agg(pg_catalog.quote_literal(name), ', ' order by position)
              from pg_catalog.unnest($1) with ordinality as known (name, position)))
 where (select pg_catalog.array_agg(quoted[1] order by quoted[1] collate "C")
          from pg_catalog.pg_constraint as kept,
               lateral pg_catalog.regexp_matches(pg_catalog.pg_get_constraintdef(kept.oid), '''([^'']*)''', 'g') as quoted
         where kept.conrelid = 'raw_ops.webhook_inbox'::regclass and kept.conname = 'webhook_inbox_provider_check')
       is distinct from (select pg_catalog.array_agg(name order by name collate "C") from pg_catalog.unnest($1) as known (name))
