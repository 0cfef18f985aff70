-- $1 the shop, $2 Shopify's customer ids, $3 e-mails, $4 orders: the customers of no known shop whom they mean become this
-- shop's, where it is the only one there is. Those whom the shop has itself stay as they are. Locked in the order of our ids, and
-- before any guest is. Neither the shop nor a missing id is a way in (hence || '' and num_nulls): the planner might read all of
-- a shop, or all guests.
with is_only as (
    select count(*) = 1 and bool_and(shop_domain = $1) as is_so
      from (select shop_domain from raw_ops.shops limit 2) as known
), meant as (
    select id from raw_ops.customers where shopify_customer_id = any ($2)
    union
    select known.id
      from (select sha256(replace(lower(email), E'\\', E'\\\\')::bytea) as key from unnest($3) as given (email) offset 0) as asked
     cross join lateral (
           select id
             from raw_ops.customers
            where sha256(replace(lower(email), E'\\', E'\\\\')::bytea) = asked.key
           union all
           select customer_id from raw_ops.customer_former_emails where email_key = asked.key) as known
    union
    select customer_id from raw_ops.orders where id = any ($4)
), found as (
    select id, shopify_customer_id, sha256(replace(lower(email), E'\\', E'\\\\')::bytea) as key
      from raw_ops.customers
     where id in (select meant.id from meant)
       and shop_domain || '' = ''
       and (select is_so from is_only)
     order by id
       for update
)
update raw_ops.customers as customer
   set shop_domain = $1
  from found
 where customer.id = found.id
   and not exists (select from raw_ops.customers as own
                    where own.shopify_customer_id = found.shopify_customer_id
                      and own.shop_domain = $1)
   and not exists (select from raw_ops.customers as own
                    where found.shopify_customer_id is null
                      and sha256(replace(lower(own.email), E'\\', E'\\\\')::bytea) = found.key
                      and own.shop_domain || '' = $1
                      and num_nulls(own.shopify_customer_id) = 1)
returning customer.id
