-- $1 messages that reached their channel, $2 those that the fallback took. The first arrival counts. Locked in one order, so
-- that two who record at once wait for each other.
with arrived as (
    select id
      from raw_ops.alert_messages
     where id = any ($1 || $2)
       and delivery <> 'delivered'
     order by id
       for no key update
)
update raw_ops.alert_messages as message
   set delivery = 'delivered', delivered_at = clock_timestamp(),
       reached = case when message.id = any ($1) then message.channel else 'fallback' end
  from arrived
 where message.id = arrived.id
