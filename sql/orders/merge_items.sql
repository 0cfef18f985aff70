-- Makes the items of the orders in $1 what the rowset `known_items` says. Where the payload listed its items
-- (line_item_ids of `known_orders`), that list is the whole set.
with gone as (
    delete from raw_ops.order_items as i
     using known_orders as k
     where i.order_id = k.order_id
       and k.order_id = any ($1)
       and i.shopify_line_item_id <> all (k.line_item_ids)
), changed as (
    update raw_ops.order_items as i
       set product_id = coalesce(k.product_id, i.product_id),
           variant_id = coalesce(k.variant_id, i.variant_id),
           sku = coalesce(k.sku, i.sku),
           title = coalesce(k.title, i.title),
           variant_title = coalesce(k.variant_title, i.variant_title),
           vendor = coalesce(k.vendor, i.vendor),
           quantity = k.quantity,
           current_quantity = coalesce(k.current_quantity, i.current_quantity),
           price = k.price,
           total_discount = coalesce(k.total_discount, i.total_discount),
           gift_card = coalesce(k.gift_card, i.gift_card),
           updated_at = now()
      from known_items as k
     where i.order_id = k.order_id
       and i.shopify_line_item_id = k.shopify_line_item_id
       and k.order_id = any ($1)
       and (i.product_id, i.variant_id, i.sku, i.title, i.variant_title, i.vendor, i.quantity, i.current_quantity,
            i.price, i.total_discount, i.gift_card)
           is distinct from
           (coalesce(k.product_id, i.product_id), coalesce(k.variant_id, i.variant_id), coalesce(k.sku, i.sku),
            coalesce(k.title, i.title), coalesce(k.variant_title, i.variant_title), coalesce(k.vendor, i.vendor),
            k.quantity, coalesce(k.current_quantity, i.current_quantity), k.price,
            coalesce(k.total_discount, i.total_discount), coalesce(k.gift_card, i.gift_card))
)
insert into raw_ops.order_items
       (id, order_id, shopify_line_item_id, product_id, variant_id, sku, title, variant_title, vendor,
        quantity, current_quantity, price, total_discount, gift_card)
select k.id, k.order_id, k.shopify_line_item_id, k.product_id, k.variant_id, k.sku, k.title, k.variant_title, k.vendor,
       k.quantity, k.current_quantity, k.price, k.total_discount, k.gift_card
  from known_items as k
 where k.order_id = any ($1)
   and not exists (select from raw_ops.order_items as i
                    where i.order_id = k.order_id and i.shopify_line_item_id = k.shopify_line_item_id)
