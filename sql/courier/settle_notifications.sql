-- Rowset `outcomes`: events, each once: its new status, error, next attempt, and the attempt that has ended. An event whose
-- attempts somebody has set meanwhile is not given up and goes on from there: `was_set`. One that somebody has settled
-- otherwise meanwhile stays so, unless it has been sent after all. Locked in one order, so that two who record at once wait
-- for each other. The last column: no attempt is left.
with before as (
    select event.id, outcomes.status, outcomes.error, outcomes.next_at,
           event.notification_attempts + 1 <> outcomes.attempt and outcomes.status <> 'sent' as was_set
      from outcomes
      join raw_ops.ops_events as event on event.id = outcomes.id
     where event.processed_at is null
       and (outcomes.status = 'sent' or coalesce(event.notification_status, 'pending') = 'pending')
     order by event.id
       for no key update of event
)
update raw_ops.ops_events as event
   set notification_attempts = event.notification_attempts + case when before.was_set then 0 else 1 end,
       notification_status = case when before.was_set then 'pending' else before.status end,
       notification_last_error = coalesce(before.error, event.notification_last_error),
       notification_next_retry_at = case when before.was_set then event.notification_next_retry_at else before.next_at end,
       processed_at = case when before.status = 'sent' then clock_timestamp() end
  from before
 where event.id = before.id
returning event.id, event.shop_domain, event.notification_attempts as attempts, event.event_payload #>> '{shipment,tracking_no}' as tracking_no,
          event.event_payload->>'event_type' as event_type, before.error, before.was_set, before.status = 'failed' as is_over
