-- Rowset `moves`: orders of guests that turn out to be somebody else's. A null key: all that the row has.
update raw_ops.orders as o
   set customer_id = move.to_id, updated_at = now()
  from moves as move
 where o.customer_id = move.from_id
   and (move.email_key is null or o.guest_email_key = move.email_key)
