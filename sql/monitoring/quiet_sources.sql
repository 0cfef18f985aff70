-- Each source (provider and shop): how long it has been silent, and how many webhooks the same hours of earlier days brought. $1
-- microseconds of history. The silence is cut to a day; earlier days count from the same time of day as now, backwards.
-- Usual is the lesser of the average day and of the same weekday, so that a quiet Sunday is no alarm.
with recent as (
    select provider, shop_domain, now() - created_at as age
      from raw_ops.webhook_inbox
     where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
       and created_at > now() - $1 * interval '1 microsecond'
), sources as (
    select provider, shop_domain, greatest(min(age), interval '0') as silence,
           least(greatest(min(age), interval '0'), interval '1 day') as window_length,
           floor(extract(epoch from max(age)) / 86400)::integer as days
      from recent
     group by provider, shop_domain
), shifted as (
    select recent.provider, recent.shop_domain, floor(extract(epoch from recent.age) / 86400)::integer as days_ago, count(*) as webhooks
      from recent
      join sources using (provider, shop_domain)
     where recent.age >= interval '1 day'
       and extract(epoch from recent.age)::numeric % 86400 <= extract(epoch from sources.window_length)
     group by recent.provider, recent.shop_domain, days_ago
)
select sources.provider, sources.shop_domain,
       (extract(epoch from sources.silence) / 60)::float8 as silent_minutes,
       -- The days of the silence itself tell nothing about what is usual.
       case when sources.days - quiet.days >= 3 then
           least(coalesce(sum(shifted.webhooks) filter (where shifted.days_ago > quiet.days
                                                          and shifted.days_ago < sources.days), 0)::float8
                     / greatest(sources.days - 1 - quiet.days, 1),
                 case when quiet.days < 7 and sources.days > 7
                      then coalesce(sum(shifted.webhooks) filter (where shifted.days_ago = 7), 0)::float8 end)
       else 0 end as usual
  from sources
  cross join lateral (select floor(extract(epoch from sources.silence) / 86400)::integer as days) as quiet
  left join shifted using (provider, shop_domain)
 group by sources.provider, sources.shop_domain, sources.silence, sources.days, quiet.days
 order by sources.provider, sources.shop_domain
