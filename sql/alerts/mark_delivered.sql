-- Messages ($1) that have arrived somewhere ($2). The first arrival counts. Locked in one order, so that two who record at once
-- wait for each other.
with arrived as (
    select message.id, arrival.reached
      from unnest($1, $2) as arrival (id, reached)
      join raw_ops.alert_messages as message on message.id = arrival.id
     where message.delivery <> 'delivered'
     order by message.id
       for no key update of message
)
update raw_ops.alert_messages as message
   set delivery = 'delivered', delivered_at = clock_timestamp(), reached = arrived.reached
  from arrived
 where message.id = arrived.id
