-- $1 notifications that are about to go out, $2 for how many microseconds one may have been due: those that are no news any more
-- are skipped, and come back. The shipment's way has ended meanwhile, or nothing was sent for so long. A notification that a person
-- wrote is not among them; nor is one about the end itself.
with late as (
    select event.id,
           case when shipment.status in ('delivered', 'returned') then shipment.status
                else (select ended.event_type
                        from raw_ops.courier_events as ended
                       where ended.shipment_id = shipment.id and ended.event_type in ('delivered', 'returned')
                       limit 1) end as ended
      from raw_ops.ops_events as event
      join raw_ops.shipments as shipment on shipment.id = event.entity_id
     where event.id = any ($1)
       and event.entity_type = 'shipment'
       and event.event_payload ? 'courier_event_id'
       and coalesce(event.event_payload->>'event_type', '') not in ('delivered', 'returned')
), old as (
    select subject_id as id
      from raw_ops.http_requests
     where subject_id = any ($1)
       and state = 'sending'
       and send_after < clock_timestamp() - $2 * interval '1 microsecond'
)
update raw_ops.ops_events as event
   set notification_status = 'skipped',
       notification_last_error = case when late.ended is not null then 'not told: the shipment was ' || late.ended || ' meanwhile'
                                      else 'not told: it was due for longer than raw_ops.courier_notice_max_age' end,
       notification_next_retry_at = null
  from late
 where event.id = late.id
   and event.processed_at is null
   and coalesce(event.notification_status, 'pending') = 'pending'
   and (late.ended is not null or exists (select from old where old.id = late.id))
returning event.id
