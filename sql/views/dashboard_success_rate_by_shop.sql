-- How many webhooks of each shop succeed, day by day? dashboard_success_rate, 21 rows a shop.
create or replace view raw_ops.dashboard_success_rate_by_shop as
with counted as (
    -- Each day and status on its own: with the status as a constant a row costs a fifth less. Both in one array, or the
    -- planner takes them for so many that it compiles (jit).
    select slot.day, webhooks.shop_domain,
           sum(webhooks.webhooks) filter (where slot.status = 'success') as success_count,
           sum(webhooks.webhooks) as outcome_count
      from unnest(array(select current_date - n / 5 from generate_series(0, 27 * 5 - 1) as n),
                  array(select (array['success', 'failed', 'retrying', 'dlq', 'resolved_manual'])[1 + n % 5]
                          from generate_series(0, 27 * 5 - 1) as n)) as slot (day, status)
     cross join lateral (
           select shop_domain, count(*) as webhooks
             from raw_ops.webhook_inbox
            where processing_status = slot.status
              and created_at >= slot.day::timestamptz
              and created_at < (slot.day + 1)::timestamptz
            group by shop_domain) as webhooks
     group by slot.day, webhooks.shop_domain
), listed as (
    select shop_domain from raw_ops.shops where active
    union
    select shop_domain from counted
), rolling as (
    select shop_domain, days.day,
           coalesce(counted.success_count, 0)::bigint as success_count,
           coalesce(counted.outcome_count, 0)::bigint as outcome_count,
           sum(counted.success_count) over last_7_days as success_count_7_days,
           sum(counted.outcome_count) over last_7_days as outcome_count_7_days
      from listed
     cross join unnest(array(select current_date - n from generate_series(0, 26) as n)) as days (day)
      left join counted using (shop_domain, day)
    window last_7_days as (partition by shop_domain order by days.day rows 6 preceding)
)
select shop_domain, shop.name as shop_name, rolling.day, rolling.success_count, rolling.outcome_count,
       trunc(100.0 * rolling.success_count / nullif(rolling.outcome_count, 0), 2) as success_rate_percent,
       trunc(100.0 * rolling.success_count_7_days / nullif(rolling.outcome_count_7_days, 0), 2)
           as rolling_7_day_success_rate_percent
  from rolling
  left join raw_ops.shops as shop using (shop_domain)
 where rolling.day > current_date - 21
 order by shop_domain, rolling.day;
comment on view raw_ops.dashboard_success_rate_by_shop is
    'dashboard_success_rate by shop: the last 21 days of each, with its own rate and that of the 7 days ending with it. Shops that sent nothing have their rows too, unless they are not active.';
comment on column raw_ops.dashboard_success_rate_by_shop.shop_domain is 'Empty: webhooks that name no shop.';
comment on column raw_ops.dashboard_success_rate_by_shop.outcome_count is
    'Webhooks received that day that have had an outcome: all but pending.';
comment on column raw_ops.dashboard_success_rate_by_shop.success_rate_percent is
    'Of this day alone, rounded down; null on a day without outcomes.';
comment on column raw_ops.dashboard_success_rate_by_shop.rolling_7_day_success_rate_percent is
    'Of this day and the six before it, rounded down; null without outcomes.';
revoke all on raw_ops.dashboard_success_rate_by_shop from public;
