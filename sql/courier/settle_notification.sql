-- $1 event, $2 its new state, $3 error, $4 next attempt, $5 the attempt that has ended. An event whose attempts somebody
-- has set meanwhile is not given up and goes on from there, which is what comes back as the last column. One that somebody
-- has settled otherwise meanwhile stays so, unless it has been sent after all.
with before as (
    select id, notification_attempts + 1 <> $5 and $2 <> 'sent' as was_set
      from raw_ops.ops_events
     where id = $1
       and processed_at is null
       and ($2 = 'sent' or coalesce(notification_status, 'pending') = 'pending')
       for no key update
)
update raw_ops.ops_events as event
   set notification_attempts = event.notification_attempts + case when before.was_set then 0 else 1 end,
       notification_status = case when before.was_set then 'pending' else $2 end,
       notification_last_error = coalesce($3, event.notification_last_error),
       notification_next_retry_at = case when before.was_set then event.notification_next_retry_at else $4 end,
       processed_at = case when $2 = 'sent' then clock_timestamp() end
  from before
 where event.id = before.id
returning event.notification_attempts, event.event_payload #>> '{shipment,tracking_no}',
          event.event_payload->>'event_type', before.was_set
