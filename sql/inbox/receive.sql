-- Rowset `received`: webhooks as they came, distinct by (shop_domain, provider, event_id). Those already here are left alone. A shop
-- that is heard of for the first time gets its row.
with new_shops as (
    insert into raw_ops.shops (shop_domain)
    select distinct received.shop_domain
      from received
     where received.shop_domain <> ''
       and not exists (select from raw_ops.shops as known where known.shop_domain = received.shop_domain)
     order by received.shop_domain
        on conflict (shop_domain) do nothing
)
insert into raw_ops.webhook_inbox
       (id, provider, topic, event_id, shop_domain, payload, raw_body, headers, shopify_order_id, triggered_at)
select id, provider, topic, event_id, shop_domain, payload, raw_body, headers, shopify_order_id, triggered_at
  from received
    on conflict (shop_domain, provider, event_id) do nothing
