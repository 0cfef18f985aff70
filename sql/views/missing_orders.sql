-- Which orders were announced within a day and are not here, and why? What the ingestion SLO finds, for as long as it is so.
create or replace view raw_ops.missing_orders as
with received as (
    select event.id, event.shop_domain, event.created_at,
           case when event.event_payload->>'shopify_order_id' ~ '^[0-9]{1,19}$'
                 and (event.event_payload->>'shopify_order_id')::numeric <= 9223372036854775807
                then (event.event_payload->>'shopify_order_id')::bigint end as shopify_order_id,
           case when event.event_payload->>'webhook_id' ~ '^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$'
                then (event.event_payload->>'webhook_id')::uuid end as webhook_id
      from raw_ops.ops_events as event
     where event.kind = 'INFO'
       and event.entity_type = 'order'
       and event.event_payload ? 'shopify_order_id'
       and event.created_at > now() - interval '24 hours'
       and event.created_at < now() - coalesce((
               select min(threshold.threshold)
                 from raw_ops.monitor_thresholds as threshold
                where threshold.check_name = 'order_ingestion_slo'
                  and threshold.condition = 'orders_not_ingested'
                  and threshold.enabled), 5) * interval '1 minute'
)
select received.shopify_order_id, received.shop_domain, min(received.created_at) as received_at,
       (array_agg(received.webhook_id order by received.created_at))[1] as webhook_id,
       (array_agg(webhook.processing_status order by received.created_at))[1] as processing_status,
       (array_agg(webhook.processing_attempts order by received.created_at))[1] as attempts,
       (array_agg(webhook.next_retry_at order by received.created_at))[1] as next_retry_at,
       (array_agg(webhook.last_error order by received.created_at))[1] as last_error
  from received
  left join raw_ops.webhook_inbox as webhook on webhook.id = received.webhook_id
 where not exists (select from raw_ops.orders as known
                    where known.shopify_order_id = received.shopify_order_id
                      and (received.shop_domain = '' or known.shop_domain in ('', received.shop_domain)))
   and webhook.processing_status is distinct from 'resolved_manual'
   and not (received.shopify_order_id is null and webhook.processing_status is not distinct from 'success')
 group by received.shop_domain, received.shopify_order_id,
          case when received.shopify_order_id is null then coalesce(received.webhook_id, received.id) end
 order by min(received.created_at);
comment on view raw_ops.missing_orders is
    'Order webhooks of the last 24 hours, older than the SLO''s first threshold, whose order is not here and that nobody has settled; one row an order, with the webhook that announced it first.';
comment on column raw_ops.missing_orders.shopify_order_id is 'Null: receipt could read no id.';
comment on column raw_ops.missing_orders.processing_status is 'Of the webhook; null: it is in the inbox no more, or never was.';
revoke all on raw_ops.missing_orders from public;
