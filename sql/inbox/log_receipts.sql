-- The SLO clock starts here: one INFO row an order webhook. Rowset `receipts`: event_id, webhook_id, shopify_order_id, shop_domain.
insert into raw_ops.ops_events (id, kind, entity_type, message, event_payload, shop_domain)
select event_id, 'INFO', 'order', 'order.created',
       jsonb_build_object('shopify_order_id', shopify_order_id, 'webhook_id', webhook_id),
       shop_domain
  from receipts
