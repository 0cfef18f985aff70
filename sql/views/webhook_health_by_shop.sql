-- How did the last 24 hours go, shop by shop? webhook_health, a row a shop.
create or replace view raw_ops.webhook_health_by_shop as
with received as (
    select shop_domain,
           count(*) as received_count,
           count(*) filter (where processing_status = 'pending') as pending_count,
           count(*) filter (where processing_status = 'success') as success_count,
           count(*) filter (where processing_status = 'failed') as failed_count,
           count(*) filter (where processing_status = 'retrying') as retrying_count,
           count(*) filter (where processing_status = 'dlq') as dlq_count,
           count(*) filter (where processing_status = 'resolved_manual') as resolved_manual_count,
           round(avg(processing_duration_ms), 1) as avg_processing_ms,
           round((percentile_cont(0.5) within group (order by processing_duration_ms))::numeric, 1) as p50_processing_ms,
           round((percentile_cont(0.95) within group (order by processing_duration_ms))::numeric, 1) as p95_processing_ms,
           round((percentile_cont(0.99) within group (order by processing_duration_ms))::numeric, 1) as p99_processing_ms,
           max(processing_duration_ms) as max_processing_ms,
           sum(duplicate_count) as duplicate_count
      from raw_ops.webhook_inbox
     where processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')
       and created_at >= now() - interval '24 hours'
     group by shop_domain
), new_dlq as (
    select shop_domain, count(*) as new_dlq_count
      from raw_ops.webhook_inbox
     where processing_status in ('dlq', 'resolved_manual')
       and created_at >= now() - interval '90 days'
       and coalesce(last_error_at, created_at) >= now() - interval '24 hours'
     group by shop_domain
), listed as (
    select shop_domain from raw_ops.shops where active
    union
    select shop_domain from received
    union
    select shop_domain from new_dlq
)
select shop_domain, shop.name as shop_name,
       coalesce(received.received_count, 0) as received_count,
       coalesce(received.pending_count, 0) as pending_count,
       coalesce(received.success_count, 0) as success_count,
       coalesce(received.failed_count, 0) as failed_count,
       coalesce(received.retrying_count, 0) as retrying_count,
       coalesce(received.dlq_count, 0) as dlq_count,
       coalesce(received.resolved_manual_count, 0) as resolved_manual_count,
       trunc(100.0 * received.success_count / nullif(received.received_count - received.pending_count, 0), 2)
           as success_rate_percent,
       received.avg_processing_ms, received.p50_processing_ms, received.p95_processing_ms, received.p99_processing_ms,
       received.max_processing_ms,
       coalesce(received.duplicate_count, 0) as duplicate_count,
       coalesce(new_dlq.new_dlq_count, 0) as new_dlq_count
  from listed
  left join raw_ops.shops as shop using (shop_domain)
  left join received using (shop_domain)
  left join new_dlq using (shop_domain)
 order by shop_domain;
comment on view raw_ops.webhook_health_by_shop is
    'webhook_health with a row a shop: the last 24 hours. Shops that sent nothing have a row too, unless they are not active.';
comment on column raw_ops.webhook_health_by_shop.shop_domain is 'Empty: webhooks that name no shop.';
comment on column raw_ops.webhook_health_by_shop.success_rate_percent is
    'success / (success + failed + retrying + dlq + resolved_manual), rounded down; null while nothing has an outcome.';
comment on column raw_ops.webhook_health_by_shop.dlq_count is 'Received in these 24 hours and now waiting for a person.';
comment on column raw_ops.webhook_health_by_shop.new_dlq_count is
    'Became dead letters in these 24 hours, whenever received and whether settled by now or not.';
revoke all on raw_ops.webhook_health_by_shop from public;
