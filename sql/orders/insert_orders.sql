-- Rowset `new_orders`. Fewer rows than given: somebody else was faster, start over.
insert into raw_ops.orders
       (id, shopify_order_id, order_number, order_name, customer_id, email, currency, total_price, subtotal_price,
        total_tax, total_discounts, total_shipping, financial_status, fulfillment_status, shipping_address,
        billing_address, note, tags, is_test, ordered_at, cancelled_at, cancel_reason, shopify_updated_at,
        payload_hash)
select order_id, shopify_order_id, order_number, order_name, customer_id, email, currency, total_price, subtotal_price,
       total_tax, total_discounts, total_shipping, financial_status, fulfillment_status, shipping_address,
       billing_address, note, tags, coalesce(is_test, false), ordered_at, cancelled_at, cancel_reason, version,
       payload_hash
  from new_orders
    on conflict (shopify_order_id) do nothing
