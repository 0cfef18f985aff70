-- Those of the rowset `known_orders` that $1 names; absent values erase nothing. An address without its street that
-- says nothing else than the known one is that one, redacted; any other replaces it.
update raw_ops.orders as o
   set order_number = coalesce(k.order_number, o.order_number),
       order_name = coalesce(k.order_name, o.order_name),
       customer_id = coalesce(k.customer_id, o.customer_id),
       email = coalesce(k.email, o.email),
       currency = coalesce(k.currency, o.currency),
       total_price = coalesce(k.total_price, o.total_price),
       subtotal_price = coalesce(k.subtotal_price, o.subtotal_price),
       total_tax = coalesce(k.total_tax, o.total_tax),
       total_discounts = coalesce(k.total_discounts, o.total_discounts),
       total_shipping = coalesce(k.total_shipping, o.total_shipping),
       financial_status = coalesce(k.financial_status, o.financial_status),
       fulfillment_status = coalesce(k.fulfillment_status, o.fulfillment_status),
       shipping_address = case when k.shipping_address->>'address1' is null and o.shipping_address @> coalesce(jsonb_strip_nulls(k.shipping_address), '{}')
             then o.shipping_address else coalesce(k.shipping_address, o.shipping_address) end,
       billing_address = case when k.billing_address->>'address1' is null and o.billing_address @> coalesce(jsonb_strip_nulls(k.billing_address), '{}')
             then o.billing_address else coalesce(k.billing_address, o.billing_address) end,
       note = coalesce(k.note, o.note),
       tags = coalesce(k.tags, o.tags),
       is_test = coalesce(k.is_test, o.is_test),
       ordered_at = coalesce(k.ordered_at, o.ordered_at),
       cancelled_at = coalesce(k.cancelled_at, o.cancelled_at),
       cancel_reason = coalesce(k.cancel_reason, o.cancel_reason),
       shopify_updated_at = coalesce(k.version, o.shopify_updated_at),
       payload_hash = k.payload_hash,
       updated_at = now()
  from known_orders as k
 where o.id = k.order_id
   and o.id = any ($1)
