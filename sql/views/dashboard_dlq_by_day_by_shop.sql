-- How many dead letters came of each shop, day by day? dashboard_dlq_by_day, 30 rows a shop.
create or replace view raw_ops.dashboard_dlq_by_day_by_shop as
with counted as (
    select shop_domain, coalesce(last_error_at, created_at)::date as day,
           count(*) as dlq_count,
           count(*) filter (where processing_status = 'dlq') as open_count,
           count(*) filter (where processing_status = 'resolved_manual') as resolved_manual_count
      from raw_ops.webhook_inbox
     where processing_status in ('dlq', 'resolved_manual')
       and created_at >= now() - interval '90 days'
     group by 1, 2
), listed as (
    select shop_domain from raw_ops.shops where active
    union
    select shop_domain from counted where day between current_date - 29 and current_date
)
select shop_domain, shop.name as shop_name, days.day,
       coalesce(counted.dlq_count, 0) as dlq_count,
       coalesce(counted.open_count, 0) as open_count,
       coalesce(counted.resolved_manual_count, 0) as resolved_manual_count
  from listed
 cross join unnest(array(select current_date - n from generate_series(0, 29) as n)) as days (day)
  left join counted using (shop_domain, day)
  left join raw_ops.shops as shop using (shop_domain)
 order by shop_domain, days.day;
comment on view raw_ops.dashboard_dlq_by_day_by_shop is
    'dashboard_dlq_by_day by shop: dead letters by the day they became dead letters, the last 30 days of each. Shops without any have their rows too, unless they are not active.';
comment on column raw_ops.dashboard_dlq_by_day_by_shop.shop_domain is 'Empty: webhooks that name no shop.';
comment on column raw_ops.dashboard_dlq_by_day_by_shop.dlq_count is 'Became dead letters that day, settled by now or not.';
comment on column raw_ops.dashboard_dlq_by_day_by_shop.open_count is 'Of them, still waiting for a person.';
comment on column raw_ops.dashboard_dlq_by_day_by_shop.resolved_manual_count is 'Of them, settled by a person.';
revoke all on raw_ops.dashboard_dlq_by_day_by_shop from public;
