-- What do couriers report? DLV.
create or replace view raw_ops.courier_exceptions_by_type as
select coalesce(event_type, 'unmapped') as event_type,
       count(*) as total_events,
       count(*) filter (where requires_customer_notification) as notified,
       count(distinct shipment_id) as shipments,
       max(created_at) as last_at
  from raw_ops.courier_events
 where created_at > now() - interval '30 days'
 group by event_type;
comment on view raw_ops.courier_exceptions_by_type is
    'Courier events of the last 30 days by type; unmapped: the code is not in courier_event_mapping, so nobody was told.';
revoke all on raw_ops.courier_exceptions_by_type from public;
