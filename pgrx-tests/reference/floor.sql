-- The floor of `make bench`: what cannot be undercut. The rows are parsed already (`reference.stage()`); what is timed
-- is bulk INSERT ... SELECT of them into the same tables, plus the status UPDATE.

create or replace function reference.stage() returns void
    language sql
as $stage$
    drop table if exists reference.customers, reference.orders, reference.order_items;
    create unlogged table reference.customers as select * from raw_ops.customers;
    create unlogged table reference.orders as select * from raw_ops.orders;
    create unlogged table reference.order_items as select * from raw_ops.order_items;
$stage$;

create or replace function reference.floor() returns void
    language plpgsql
as $floor$
begin
    insert into raw_ops.customers select * from reference.customers;
    insert into raw_ops.orders select * from reference.orders;
    insert into raw_ops.order_items select * from reference.order_items;
    update raw_ops.webhook_inbox
       set processing_status = 'success', processing_attempts = processing_attempts + 1,
           processing_duration_ms = 1, processed_at = clock_timestamp(), next_retry_at = null
     where processing_status = 'pending';
end
$floor$;
