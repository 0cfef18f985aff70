-- $1 the shop, or '' where none is named, $2 Shopify's id: the order of the shop, else the one of no known shop; where none is named
-- all with this id.
select id, shop_domain
  from (select id, shop_domain, row_number() over (order by shop_domain desc) as place
          from raw_ops.orders
         where shopify_order_id = $2
           and ($1 = '' or shop_domain in ('', $1))) as known
 where $1 = '' or place = 1
 order by shop_domain
