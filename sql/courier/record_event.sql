-- One event. Nothing comes back when it is here already: somebody reported it before, or does at this moment.
insert into raw_ops.courier_events
       (id, shop_domain, shipment_id, courier_name, event_code, event_type, event_text, event_time, requires_customer_notification,
        withheld, raw_payload)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, coalesce($11, '{}'::jsonb))
    on conflict (shipment_id, event_code, event_time) do nothing
returning id
