-- Items of known orders: $1 ids of those that are gone, $2 the shop; rowset `changed_items`, by id, where bit n of `take` is the
-- n-th name in src/orders/fields/mod.rs, and quantity and price belong to the list (`is_listed`); rowset `added_items`. What
-- is already so is not written. Gives back the orders whose items are other than before.
with gone as (
    delete from raw_ops.order_items
     where id = any ($1)
    returning order_id
), changed as (
    update raw_ops.order_items as i
       set shop_domain = $2,
           product_id = new.product_id,
           variant_id = new.variant_id,
           sku = new.sku,
           title = new.title,
           variant_title = new.variant_title,
           vendor = new.vendor,
           quantity = new.quantity,
           current_quantity = new.current_quantity,
           price = new.price,
           total_discount = new.total_discount,
           gift_card = new.gift_card,
           field_versions = k.field_versions,
           updated_at = now()
      from changed_items as k
      join raw_ops.order_items as old on old.id = k.id
     cross join lateral (
           select case when k.take & (1 << 0) <> 0 then k.product_id else old.product_id end,
                  case when k.take & (1 << 1) <> 0 then k.variant_id else old.variant_id end,
                  case when k.take & (1 << 2) <> 0 then k.sku else old.sku end,
                  case when k.take & (1 << 3) <> 0 then k.title else old.title end,
                  case when k.take & (1 << 4) <> 0 then k.variant_title else old.variant_title end,
                  case when k.take & (1 << 5) <> 0 then k.vendor else old.vendor end,
                  case when k.take & (1 << 6) <> 0 then k.current_quantity else old.current_quantity end,
                  case when k.take & (1 << 7) <> 0 then k.total_discount else old.total_discount end,
                  case when k.take & (1 << 8) <> 0 then k.gift_card else old.gift_card end,
                  case when k.is_listed then k.quantity else old.quantity end,
                  case when k.is_listed then k.price else old.price end)
           as new (product_id, variant_id, sku, title, variant_title, vendor, current_quantity, total_discount,
                   gift_card, quantity, price)
     where i.id = old.id
       and (old.product_id, old.variant_id, old.sku, old.title, old.variant_title, old.vendor, old.current_quantity,
            old.total_discount, old.gift_card, old.quantity, old.price, old.field_versions)
           is distinct from
           (new.product_id, new.variant_id, new.sku, new.title, new.variant_title, new.vendor, new.current_quantity,
            new.total_discount, new.gift_card, new.quantity, new.price, k.field_versions)
    returning i.order_id
), added as (
    insert into raw_ops.order_items
           (id, shop_domain, order_id, shopify_line_item_id, product_id, variant_id, sku, title, variant_title, vendor,
            quantity, current_quantity, price, total_discount, gift_card, field_versions)
    select id, $2, order_id, shopify_line_item_id, product_id, variant_id, sku, title, variant_title, vendor,
           quantity, current_quantity, price, total_discount, gift_card, field_versions
      from added_items
    returning order_id
)
select order_id from gone union select order_id from changed union select order_id from added
