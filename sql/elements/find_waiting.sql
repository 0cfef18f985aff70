-- $1 provider, $2 references, $3 most: the elements that wait for them, locked, in the order they came.
select id, reference, element
  from raw_ops.webhook_elements
 where provider = $1
   and reference = any ($2)
   and state = 'waiting'
   and waits_until > now()
 order by id
 limit $3
   for update
