-- What hangs on the extension's functions: defaults and triggers. Runs at every setup(), adds only what is missing,
-- so that DROP EXTENSION ... CASCADE (which takes these along, never the data) is mended by CREATE EXTENSION; setup().

do $attach$
declare
    t text;
begin
    foreach t in array array['webhook_inbox', 'customers', 'orders', 'order_items', 'ops_events', 'http_bodies', 'http_requests',
                             'monitoring_runs', 'alerts', 'alert_messages', 'shipments', 'courier_events',
                             'courier_event_mapping', 'courier_tasks', 'webhook_elements'] loop
        if not exists (select from pg_catalog.pg_attrdef d
                       join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
                       where d.adrelid = format('raw_ops.%I', t)::regclass and a.attname = 'id') then
            execute format('alter table raw_ops.%I alter column id set default raw_ops.fn_uuid_v7()', t);
        end if;
    end loop;

    if not exists (select from pg_catalog.pg_trigger
                   where tgrelid = 'raw_ops.webhook_inbox'::regclass and tgname = 'trigger_webhook_inbox_status') then
        -- The condition is evaluated without a function call; only a transition out of the ordinary calls one.
        create trigger trigger_webhook_inbox_status
            before update on raw_ops.webhook_inbox
            for each row
            when (old.processing_status is distinct from new.processing_status
                  and (old.processing_status, new.processing_status) not in
                      (('pending', 'success'), ('pending', 'failed'),
                       ('failed', 'success'), ('failed', 'dlq'),
                       ('retrying', 'success'), ('retrying', 'failed')))
            execute function raw_ops.guard_webhook_status();
        comment on trigger trigger_webhook_inbox_status on raw_ops.webhook_inbox is
            'Refuses every status transition ORD does not list. A dead letter is settled by fn_resolve_webhook_manually_v1() only.';
    end if;

    if not exists (select from pg_catalog.pg_trigger
                   where tgrelid = 'raw_ops.webhook_inbox'::regclass and tgname = 'trigger_webhook_inbox_wake') then
        create trigger trigger_webhook_inbox_wake
            after insert on raw_ops.webhook_inbox
            for each statement
            execute function raw_ops.wake_worker();
        comment on trigger trigger_webhook_inbox_wake on raw_ops.webhook_inbox is
            'At commit, wakes the background worker.';
    end if;

    if not exists (select from pg_catalog.pg_trigger
                   where tgrelid = 'raw_ops.http_requests'::regclass and tgname = 'trigger_http_requests_wake') then
        create trigger trigger_http_requests_wake
            after insert or update of send_after on raw_ops.http_requests
            for each statement
            execute function raw_ops.wake_sender();
        comment on trigger trigger_http_requests_wake on raw_ops.http_requests is
            'At commit, wakes the sender.';
    end if;

    if not exists (select from pg_catalog.pg_trigger
                   where tgrelid = 'raw_ops.shipments'::regclass and tgname = 'trigger_match_new_shipment') then
        create trigger trigger_match_new_shipment
            after insert on raw_ops.shipments
            for each row
            when (new.tracking_no is not null)
            execute function raw_ops.match_waiting_courier_events();
        comment on trigger trigger_match_new_shipment on raw_ops.shipments is
            'Records the courier''s events that came before their shipment, whoever writes it.';
    end if;

    if not exists (select from pg_catalog.pg_trigger
                   where tgrelid = 'raw_ops.shipments'::regclass and tgname = 'trigger_match_named_shipment') then
        create trigger trigger_match_named_shipment
            after update of tracking_no on raw_ops.shipments
            for each row
            when (new.tracking_no is not null and new.tracking_no is distinct from old.tracking_no)
            execute function raw_ops.match_waiting_courier_events();
        comment on trigger trigger_match_named_shipment on raw_ops.shipments is
            'The same for a shipment that has its number now.';
    end if;

    if not exists (select from pg_catalog.pg_trigger
                   where tgrelid = 'raw_ops.ops_events'::regclass and tgname = 'trigger_notify_courier_exception') then
        create trigger trigger_notify_courier_exception
            after insert on raw_ops.ops_events
            for each row
            when (new.kind = 'CUSTOMER_EVENT' and new.customer_event_type = 'courier_exception')
            execute function raw_ops.notify_courier_exception();
        comment on trigger trigger_notify_courier_exception on raw_ops.ops_events is
            'DLV: queues the notification to the customer; it is sent once this transaction is committed.';
    end if;

    if not exists (select from pg_catalog.pg_trigger
                   where tgrelid = 'raw_ops.ops_events'::regclass and tgname = 'trigger_renotify_courier_exception') then
        -- DLV's manual re-trigger, and every other change by hand of when or how often it is tried.
        create trigger trigger_renotify_courier_exception
            after update on raw_ops.ops_events
            for each row
            when (new.kind = 'CUSTOMER_EVENT' and new.customer_event_type = 'courier_exception'
                  and new.processed_at is null and new.notification_status = 'pending'
                  and (old.notification_status, old.notification_attempts, old.notification_next_retry_at)
                      is distinct from
                      (new.notification_status, new.notification_attempts, new.notification_next_retry_at))
            execute function raw_ops.notify_courier_exception();
        comment on trigger trigger_renotify_courier_exception on raw_ops.ops_events is
            'What somebody writes into a notification that waits holds for its request: attempts made, and when the next is due.';
    end if;

    if not exists (select from pg_catalog.pg_trigger
                   where tgrelid = 'raw_ops.ops_events'::regclass and tgname = 'trigger_forget_courier_exception') then
        create trigger trigger_forget_courier_exception
            after delete on raw_ops.ops_events
            for each row
            when (old.kind = 'CUSTOMER_EVENT' and old.customer_event_type = 'courier_exception')
            execute function raw_ops.notify_courier_exception();
        comment on trigger trigger_forget_courier_exception on raw_ops.ops_events is
            'A notification that is deleted is not sent any more.';
    end if;
end
$attach$;
