-- Order webhooks without their order, oldest first: received longer than $2 microseconds ago, within the last $1. One
-- that a person has settled is not missed, one that was announced twice is missed once. One that names no shop is not missed while any has its order. An event written by hand may
-- hold anything: what is no id counts as none.
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
       and event.created_at > now() - $1 * interval '1 microsecond'
       and event.created_at < now() - $2 * interval '1 microsecond'
)
select missing.shopify_order_id, missing.webhook_id, missing.shop_domain, missing.created_at,
       (extract(epoch from now() - missing.created_at) / 60)::float8 as age_minutes,
       missing.processing_status, missing.processing_attempts, missing.last_error
  from (select distinct on (received.shop_domain,
                            coalesce(received.shopify_order_id::text, received.webhook_id::text, received.id::text))
               received.shopify_order_id, received.webhook_id, received.shop_domain, received.created_at,
               webhook.processing_status, webhook.processing_attempts, webhook.last_error
          from received
          left join raw_ops.webhook_inbox as webhook on webhook.id = received.webhook_id
         where not exists (select from raw_ops.orders as known where known.shopify_order_id = received.shopify_order_id
                              and (received.shop_domain = '' or known.shop_domain in ('', received.shop_domain)))
           and webhook.processing_status is distinct from 'resolved_manual'
           -- One that succeeded made its order, under an id that receipt could not read.
           and not (received.shopify_order_id is null and webhook.processing_status is not distinct from 'success')
         order by received.shop_domain, coalesce(received.shopify_order_id::text, received.webhook_id::text, received.id::text),
                  received.created_at) as missing
 order by missing.created_at
