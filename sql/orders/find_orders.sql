-- $1 Shopify's order ids.
select shopify_order_id, id, customer_id, shopify_updated_at, shopify_triggered_at, payload_hash
  from raw_ops.orders
 where shopify_order_id = any ($1)
