-- Order webhooks without their order, oldest first: received longer than $2 microseconds ago, within the last $1. One
-- that a person has settled is not missed. An event written by hand may hold anything: what is no id counts as none.
with received as (
    select event.id, event.created_at,
           case when event.event_payload->>'shopify_order_id' ~ '^[0-9]{1,18}$'
                then (event.event_payload->>'shopify_order_id')::bigint end as shopify_order_id,
           case when event.event_payload->>'webhook_id' ~ '^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$'
                then (event.event_payload->>'webhook_id')::uuid end as webhook_id
      from raw_ops.ops_events as event
     where event.kind = 'INFO'
       and event.entity_type = 'order'
       and event.event_payload ? 'shopify_order_id'
       and event.created_at > now() - $1 * interval '1 microsecond'
       and event.created_at < now() - $2 * interval '1 microsecond'
)
select received.shopify_order_id, received.webhook_id, received.created_at,
       (extract(epoch from now() - received.created_at) / 60)::float8 as age_minutes,
       webhook.processing_status, webhook.processing_attempts, webhook.last_error,
       count(*) over () as missing
  from received
  left join raw_ops.webhook_inbox as webhook on webhook.id = received.webhook_id
 where not exists (select from raw_ops.orders as known where known.shopify_order_id = received.shopify_order_id)
   and webhook.processing_status is distinct from 'resolved_manual'
 order by received.created_at
