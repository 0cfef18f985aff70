-- The SLO clock starts here: one INFO row an order webhook. Rowset `receipts`: event_id, webhook_id, shopify_order_id, and
-- provider, delivery, triggered_at, which tell a repeat of a delivery that was archived: that order was announced long ago.
-- Nothing is received before it is triggered (a day for clocks that differ), so that of the months archived only those since
-- are looked at: as a rule none.
insert into raw_ops.ops_events (id, kind, entity_type, message, event_payload)
select event_id, 'INFO', 'order', 'order.created',
       jsonb_build_object('shopify_order_id', shopify_order_id, 'webhook_id', webhook_id)
  from receipts
 where not exists (
       select from raw_ops.webhook_inbox_archive as archived
        where archived.provider = receipts.provider
          and archived.event_id = receipts.delivery
          and archived.created_at >= coalesce(receipts.triggered_at - interval '1 day', '-infinity'))
