-- Orders of the rowset `known_orders` whose row or whose items (`known_items`) are not yet what the payload says.
select k.order_id
  from known_orders as k
  join raw_ops.orders as o on o.id = k.order_id
 where (o.order_number, o.order_name, o.customer_id, o.email, o.currency, o.total_price, o.subtotal_price,
        o.total_tax, o.total_discounts, o.total_shipping, o.financial_status, o.fulfillment_status,
        o.shipping_address, o.billing_address, o.note, o.tags, o.is_test, o.ordered_at, o.cancelled_at,
        o.cancel_reason, o.shopify_updated_at)
       is distinct from
       (coalesce(k.order_number, o.order_number), coalesce(k.order_name, o.order_name),
        coalesce(k.customer_id, o.customer_id), coalesce(k.email, o.email), coalesce(k.currency, o.currency),
        coalesce(k.total_price, o.total_price), coalesce(k.subtotal_price, o.subtotal_price),
        coalesce(k.total_tax, o.total_tax), coalesce(k.total_discounts, o.total_discounts),
        coalesce(k.total_shipping, o.total_shipping), coalesce(k.financial_status, o.financial_status),
        coalesce(k.fulfillment_status, o.fulfillment_status), case when k.shipping_address->>'address1' is null and o.shipping_address @> coalesce(jsonb_strip_nulls(k.shipping_address), '{}')
             then o.shipping_address else coalesce(k.shipping_address, o.shipping_address) end,
        case when k.billing_address->>'address1' is null and o.billing_address @> coalesce(jsonb_strip_nulls(k.billing_address), '{}')
             then o.billing_address else coalesce(k.billing_address, o.billing_address) end, coalesce(k.note, o.note), coalesce(k.tags, o.tags),
        coalesce(k.is_test, o.is_test), coalesce(k.ordered_at, o.ordered_at),
        coalesce(k.cancelled_at, o.cancelled_at), coalesce(k.cancel_reason, o.cancel_reason),
        coalesce(k.version, o.shopify_updated_at))
union
select k.order_id
  from known_items as k
  left join raw_ops.order_items as i
    on i.order_id = k.order_id and i.shopify_line_item_id = k.shopify_line_item_id
 where i.id is null
    or (i.product_id, i.variant_id, i.sku, i.title, i.variant_title, i.vendor, i.quantity, i.current_quantity,
        i.price, i.total_discount, i.gift_card)
       is distinct from
       (coalesce(k.product_id, i.product_id), coalesce(k.variant_id, i.variant_id), coalesce(k.sku, i.sku),
        coalesce(k.title, i.title), coalesce(k.variant_title, i.variant_title), coalesce(k.vendor, i.vendor),
        k.quantity, coalesce(k.current_quantity, i.current_quantity), k.price,
        coalesce(k.total_discount, i.total_discount), coalesce(k.gift_card, i.gift_card))
union
select k.order_id
  from known_orders as k
  join raw_ops.order_items as i on i.order_id = k.order_id
 where i.shopify_line_item_id <> all (k.line_item_ids)
