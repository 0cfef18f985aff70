-- $1 the shop, $2 e-mail addresses; gives the position of each (from 1), its key, and everybody of the shop who has it or had
-- it once, in any case. The shop is no way in (hence || ''): without
-- statistics the planner might read all of it. The key is that of idx_customers_email, written the same way.
select asked.position::int, asked.key, known.id, known.shopify_customer_id
  from (select position, sha256(replace(lower(email), E'\\', E'\\\\')::bytea) as key
          from unnest($2) with ordinality as given (email, position)
        offset 0) as asked
  left join lateral (
       select id, shopify_customer_id
         from raw_ops.customers
        where sha256(replace(lower(email), E'\\', E'\\\\')::bytea) = asked.key
          and shop_domain || '' = $1
       union all
       select customer.id, customer.shopify_customer_id
         from raw_ops.customer_former_emails as former
         join raw_ops.customers as customer on customer.id = former.customer_id
        where former.email_key = asked.key
          and customer.shop_domain || '' = $1) as known on true
