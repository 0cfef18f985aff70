-- $1 id, $2 courier event, $3 shop, $4 shipment, $5 code, $6 type, $7 what is to be done, $8 within how many microseconds.
insert into raw_ops.courier_tasks (id, courier_event_id, shop_domain, shipment_id, event_code, event_type, action, due_at)
values ($1, $2, $3, $4, $5, $6, $7, now() + $8 * interval '1 microsecond')
returning due_at
