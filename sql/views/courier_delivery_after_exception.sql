-- Do shipments arrive all the same? DLV.
create or replace view raw_ops.courier_delivery_after_exception as
select counts.*, trunc(100.0 * delivered / nullif(shipments - under_way, 0), 2) as delivered_percent
  from (select count(*) as shipments,
               count(*) filter (where is_delivered) as delivered,
               count(*) filter (where not is_delivered and status not in ('failure', 'cancelled', 'returned', 'replaced')
                                      and last_at > now() - interval '7 days') as under_way
          from (select shipment.status, event.last_at,
                       shipment.status = 'delivered'
                       or exists (select from raw_ops.courier_events as other
                                   where other.shipment_id = shipment.id and other.event_type = 'delivered') as is_delivered
                  from (select shipment_id, max(created_at) as last_at
                          from raw_ops.courier_events
                         where created_at > now() - interval '30 days' and event_type <> 'delivered'
                         group by shipment_id) as event
                  join raw_ops.shipments as shipment on shipment.id = event.shipment_id) as shipment) as counts;
comment on view raw_ops.courier_delivery_after_exception is
    'Shipments with an exception in the last 30 days: delivered all the same, as Shopify or a courier event of type delivered says? A shipment without news for 7 days counts as not. DLV''s target is above 95 %.';
revoke all on raw_ops.courier_delivery_after_exception from public;
