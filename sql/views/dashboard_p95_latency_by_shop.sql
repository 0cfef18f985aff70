-- How long does processing take, shop by shop and day by day? dashboard_p95_latency, 14 rows a shop.
create or replace view raw_ops.dashboard_p95_latency_by_shop as
with counted as (
    select days.day, webhooks.*
      from unnest(array(select current_date - n from generate_series(0, 13) as n)) as days (day)
     cross join lateral (
           select shop_domain, count(processing_duration_ms) as processed_count,
                  round((percentile_cont(0.5) within group (order by processing_duration_ms))::numeric, 1) as p50_processing_ms,
                  round((percentile_cont(0.95) within group (order by processing_duration_ms))::numeric, 1) as p95_processing_ms,
                  max(processing_duration_ms) as max_processing_ms
             from raw_ops.webhook_inbox
            where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
              and created_at >= days.day::timestamptz
              and created_at < (days.day + 1)::timestamptz
            group by shop_domain) as webhooks
), listed as (
    select shop_domain from raw_ops.shops where active
    union
    select shop_domain from counted
)
select shop_domain, shop.name as shop_name, days.day, coalesce(counted.processed_count, 0) as processed_count,
       counted.p50_processing_ms, counted.p95_processing_ms, counted.max_processing_ms
  from listed
 cross join unnest(array(select current_date - n from generate_series(0, 13) as n)) as days (day)
  left join counted using (shop_domain, day)
  left join raw_ops.shops as shop using (shop_domain)
 order by shop_domain, days.day;
comment on view raw_ops.dashboard_p95_latency_by_shop is
    'dashboard_p95_latency by shop: processing times by day received, the last 14 days of each. Shops that sent nothing have their rows too, unless they are not active.';
comment on column raw_ops.dashboard_p95_latency_by_shop.shop_domain is 'Empty: webhooks that name no shop.';
comment on column raw_ops.dashboard_p95_latency_by_shop.p95_processing_ms is
    '95 % of the webhooks took no longer. Milliseconds from claim to recorded outcome of the last attempt; null on a day without any.';
revoke all on raw_ops.dashboard_p95_latency_by_shop from public;
