-- $1 e-mail addresses; gives the position of each (from 1) with everybody who has it, in any case.
select asked.position::int, c.id, c.shopify_customer_id
  from unnest($1) with ordinality as asked (email, position)
  join raw_ops.customers as c on lower(c.email) = lower(asked.email)
