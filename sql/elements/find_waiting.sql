-- $1 provider, $2 shop, $3 references, $4 most: the elements of the shop, or of none, that wait (what is of no known shop may be any's) for them, locked, in the order they came.
select id, shop_domain, reference, element
  from raw_ops.webhook_elements
 where provider = $1
   and ($2 = '' or shop_domain in ('', $2))
   and reference = any ($3)
   and state = 'waiting'
   and waits_until > now()
 order by id
 limit $4
   for update
