-- Rowset `received`: webhooks as they came, distinct by (provider, event_id). Those already here are left alone.
insert into raw_ops.webhook_inbox
       (id, provider, topic, event_id, shop_domain, payload, raw_body, headers, shopify_order_id, triggered_at)
select id, provider, topic, event_id, shop_domain, payload, raw_body, headers, shopify_order_id, triggered_at
  from received
    on conflict (provider, event_id) do nothing
