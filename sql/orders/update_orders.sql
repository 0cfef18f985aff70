-- Rowset `known_orders`: what their payloads decide, of a shop ($1): an order of no known shop is that shop's now. Bit n of `take` is the n-th name of ORDER in
-- src/orders/fields/mod.rs. Gives back each order, and whether what it says is other than before.
with named_items as (
    update raw_ops.order_items as item
       set shop_domain = $1
      from known_orders as k
     where k.is_anyones
       and item.order_id = k.order_id
       and item.shop_domain = ''
)
update raw_ops.orders as o
   set shop_domain = $1,
       order_number = new.order_number,
       order_name = new.order_name,
       customer_id = new.customer_id,
       email = new.email,
       currency = new.currency,
       total_price = new.total_price,
       subtotal_price = new.subtotal_price,
       total_tax = new.total_tax,
       total_discounts = new.total_discounts,
       total_shipping = new.total_shipping,
       shipping_address = new.shipping_address,
       billing_address = new.billing_address,
       ordered_at = new.ordered_at,
       is_test = new.is_test,
       financial_status = new.financial_status,
       fulfillment_status = new.fulfillment_status,
       note = new.note,
       tags = new.tags,
       cancelled_at = new.cancelled_at,
       cancel_reason = new.cancel_reason,
       shopify_updated_at = k.version,
       shopify_triggered_at = k.triggered_at,
       payload_hash = k.payload_hash,
       field_versions = k.field_versions,
       guest_email_key = case when k.take & (1 << 0) <> 0 then k.guest_email_key else old.guest_email_key end,
       updated_at = case when changed.is_so then now() else old.updated_at end
  from known_orders as k
  join raw_ops.orders as old on old.id = k.order_id
 cross join lateral (
       select case when k.take & (1 << 3) <> 0 then k.order_number else old.order_number end,
              case when k.take & (1 << 4) <> 0 then k.order_name else old.order_name end,
              case when k.take & (1 << 0) <> 0 then k.customer_id else old.customer_id end,
              case when k.take & (1 << 2) <> 0 then k.email else old.email end,
              case when k.take & (1 << 5) <> 0 then k.currency else old.currency end,
              case when k.take & (1 << 6) <> 0 then k.total_price else old.total_price end,
              case when k.take & (1 << 7) <> 0 then k.subtotal_price else old.subtotal_price end,
              case when k.take & (1 << 8) <> 0 then k.total_tax else old.total_tax end,
              case when k.take & (1 << 9) <> 0 then k.total_discounts else old.total_discounts end,
              case when k.take & (1 << 10) <> 0 then k.total_shipping else old.total_shipping end,
              case when k.take & (1 << 13) <> 0 then k.shipping_address else old.shipping_address end,
              case when k.take & (1 << 14) <> 0 then k.billing_address else old.billing_address end,
              case when k.take & (1 << 18) <> 0 then k.ordered_at else old.ordered_at end,
              case when k.take & (1 << 17) <> 0 then k.is_test else old.is_test end,
              case when k.take & (1 << 11) <> 0 then k.financial_status else old.financial_status end,
              case when k.take & (1 << 12) <> 0 then k.fulfillment_status else old.fulfillment_status end,
              case when k.take & (1 << 15) <> 0 then k.note else old.note end,
              case when k.take & (1 << 16) <> 0 then k.tags else old.tags end,
              case when k.take & (1 << 19) <> 0 then k.cancelled_at else old.cancelled_at end,
              case when k.take & (1 << 20) <> 0 then k.cancel_reason else old.cancel_reason end)
       as new (order_number, order_name, customer_id, email, currency, total_price, subtotal_price, total_tax,
               total_discounts, total_shipping, shipping_address, billing_address, ordered_at, is_test,
               financial_status, fulfillment_status, note, tags, cancelled_at, cancel_reason)
 cross join lateral (
       select k.items_changed
              or (old.order_number, old.order_name, old.customer_id, old.email, old.currency, old.total_price,
                  old.subtotal_price, old.total_tax, old.total_discounts, old.total_shipping, old.shipping_address,
                  old.billing_address, old.ordered_at, old.is_test, old.financial_status, old.fulfillment_status,
                  old.note, old.tags, old.cancelled_at, old.cancel_reason, old.shopify_updated_at)
                 is distinct from
                 (new.order_number, new.order_name, new.customer_id, new.email, new.currency, new.total_price,
                  new.subtotal_price, new.total_tax, new.total_discounts, new.total_shipping, new.shipping_address,
                  new.billing_address, new.ordered_at, new.is_test, new.financial_status, new.fulfillment_status,
                  new.note, new.tags, new.cancelled_at, new.cancel_reason, k.version)) as changed (is_so)
 where o.id = old.id
returning o.id, changed.is_so
