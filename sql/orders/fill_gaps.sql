-- Rowset `older_orders`: payloads older than what is here. They overwrite nothing; what nobody has said yet they fill.
update raw_ops.orders as o
   set order_number = coalesce(o.order_number, k.order_number),
       order_name = coalesce(o.order_name, k.order_name),
       customer_id = coalesce(o.customer_id, k.customer_id),
       email = coalesce(o.email, k.email),
       currency = coalesce(o.currency, k.currency),
       total_price = coalesce(o.total_price, k.total_price),
       subtotal_price = coalesce(o.subtotal_price, k.subtotal_price),
       total_tax = coalesce(o.total_tax, k.total_tax),
       total_discounts = coalesce(o.total_discounts, k.total_discounts),
       total_shipping = coalesce(o.total_shipping, k.total_shipping),
       financial_status = coalesce(o.financial_status, k.financial_status),
       fulfillment_status = coalesce(o.fulfillment_status, k.fulfillment_status),
       shipping_address = case when o.shipping_address->>'address1' is null and k.shipping_address @> coalesce(jsonb_strip_nulls(o.shipping_address), '{}')
            then k.shipping_address else o.shipping_address end,
       billing_address = case when o.billing_address->>'address1' is null and k.billing_address @> coalesce(jsonb_strip_nulls(o.billing_address), '{}')
            then k.billing_address else o.billing_address end,
       note = coalesce(o.note, k.note),
       tags = coalesce(o.tags, k.tags),
       ordered_at = coalesce(o.ordered_at, k.ordered_at),
       cancelled_at = coalesce(o.cancelled_at, k.cancelled_at),
       cancel_reason = coalesce(o.cancel_reason, k.cancel_reason),
       updated_at = now()
  from older_orders as k
 where o.id = k.order_id
   and (   (o.order_number is null and k.order_number is not null)
        or (o.order_name is null and k.order_name is not null)
        or (o.customer_id is null and k.customer_id is not null)
        or (o.email is null and k.email is not null)
        or (o.currency is null and k.currency is not null)
        or (o.total_price is null and k.total_price is not null)
        or (o.subtotal_price is null and k.subtotal_price is not null)
        or (o.total_tax is null and k.total_tax is not null)
        or (o.total_discounts is null and k.total_discounts is not null)
        or (o.total_shipping is null and k.total_shipping is not null)
        or (o.financial_status is null and k.financial_status is not null)
        or (o.fulfillment_status is null and k.fulfillment_status is not null)
        or (o.shipping_address->>'address1' is null and k.shipping_address <> coalesce(o.shipping_address, 'null')
            and k.shipping_address @> coalesce(jsonb_strip_nulls(o.shipping_address), '{}'))
        or (o.billing_address->>'address1' is null and k.billing_address <> coalesce(o.billing_address, 'null')
            and k.billing_address @> coalesce(jsonb_strip_nulls(o.billing_address), '{}'))
        or (o.note is null and k.note is not null)
        or (o.tags is null and k.tags is not null)
        or (o.ordered_at is null and k.ordered_at is not null)
        or (o.cancelled_at is null and k.cancelled_at is not null)
        or (o.cancel_reason is null and k.cancel_reason is not null))
