-- $1 the shop, $2 Shopify's order ids. An order of no known shop counts too: Shopify gives no two orders one id. The shop's own
-- comes last and is the one that counts.
select shopify_order_id, shop_domain, id, customer_id, shopify_updated_at, shopify_triggered_at, payload_hash
  from raw_ops.orders
 where shopify_order_id = any ($2)
   and shop_domain in ('', $1)
 order by shop_domain
