-- $1 id, $2 courier event, $3 shipment, $4 code, $5 type, $6 what is to be done, $7 within how many microseconds.
insert into raw_ops.courier_tasks (id, courier_event_id, shipment_id, event_code, event_type, action, due_at)
values ($1, $2, $3, $4, $5, $6, now() + $7 * interval '1 microsecond')
returning due_at
