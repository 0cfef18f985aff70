comment on function raw_ops.setup() is
    'Creates, and after ALTER EXTENSION raw_ops UPDATE migrates, the tables as objects of the caller. Idempotent.';
comment on function raw_ops.receive_webhook(text, text, text, jsonb, bytea, text) is
    'Stores one webhook, any bytes; a repeated (shop, provider, event_id) counts on the first. p_shop_domain null: the shop of Shopify''s header. Returns webhook_id, duplicate, status.';
comment on function raw_ops.receive_webhooks(text[], text[], text[], jsonb[], bytea[], text[], text[]) is
    'Stores many webhooks in one transaction: arrays of equal length (shops and references may be left out), one row back each, in order, with the reference the caller gave it.';
comment on function raw_ops.process_order_webhook_txn(jsonb, text) is
    'Applies one Shopify order payload: customer, order, items, all or nothing. Without a shop: the only one that has the order, else the only active one. A wrong field is an error that names it.';
comment on function raw_ops.process_webhook(uuid) is
    'Processes one webhook now, due or not; the outcome is recorded on it and returned.';
comment on function raw_ops.process_pending_webhooks(integer) is
    'The drain: up to p_limit pending webhooks, oldest first, skipping those others hold. Returns claimed, succeeded, failed, dead_lettered.';
comment on function raw_ops.retry_failed_webhooks() is
    'Tries again up to 100 webhooks that are due, newest first. Waits: raw_ops.retry_schedule; after the last attempt a webhook is dlq.';
comment on procedure raw_ops.drain_inbox(integer) is
    'Drains and retries until nothing is left or p_max_seconds have passed, committing after each set. For pg_cron.';
comment on function raw_ops.fn_resolve_webhook_manually_v1(uuid, text) is
    'Settles a dead letter (dlq to resolved_manual) with a note, audited in ops_events. Refuses any other state.';
comment on function raw_ops.fn_set_secret_v1(text, text, text) is
    'Sets a secret (null removes it), encrypted with the key in raw_ops.secret_key_file: of the shop p_shop_domain, or (empty) of all that have none of their own. An unknown name is answered with the known ones.';
comment on function raw_ops.delivery_fingerprint() is
    'What tells this database from a restored or copied one; null on a host without a machine-id. See clone_guard.';
comment on function raw_ops.fn_resume_delivery_v1(boolean) is
    'Lets a restored or copied database send, unless raw_ops.delivery_hosts decides: then it names the statement. p_discard_queued: what was queued before is abandoned instead of sent.';
comment on function raw_ops.fn_deliver_outbox_v1() is
    'One pass over the outbox where pg_net is the carrier: collects its answers, hands it what is due. Says who sends.';
comment on procedure raw_ops.deliver_outbox(integer) is
    'Passes over the outbox until nothing is left or p_max_seconds have passed. For pg_cron.';
comment on function raw_ops.fn_invoke_monitor(text) is
    'Runs a check, writes monitoring_runs (also when the check fails), opens, repeats and closes its alerts.';
comment on function raw_ops.fn_check_order_ingestion_slo_v2() is
    'ORD monitor 1: order webhooks without their order after 5 (warning) and 15 minutes (critical). Looks only.';
comment on function raw_ops.check_order_ingestion_slo() is
    'The order webhooks that fn_check_order_ingestion_slo_v2() complains about, oldest first.';
comment on function raw_ops.fn_check_webhook_health_v2() is
    'ORD monitor 2: depth and age of the retry queue, new dead letters, latency. Looks only.';
comment on function raw_ops.fn_check_webhook_daily_digest_v2() is
    'ORD monitor 3: what the last 24 hours brought. Looks only.';
comment on function raw_ops.fn_check_monitoring_heartbeat_v2() is
    'The monitors run, alerts reach somebody, the workers live, the outbox moves. Looks only.';
comment on function raw_ops.fn_check_webhook_silence_v1() is
    'Sources that have gone quiet against their own rhythm. Looks only.';
comment on function raw_ops.fn_resend_alerts_v1() is
    'Sends again the alerts that reached nobody, the last message of each. For when the cause is mended.';
comment on function raw_ops.fn_health_v1() is
    'One look at the whole: rights, structure, workers, pg_cron, carrier, queues, locks, snapshots, alerts; each fault with the statements that mend it, and what could not be seen. Never raises.';
comment on function raw_ops.process_courier_event(uuid, text, text, text, timestamptz, jsonb) is
    'Records one event of a courier, once; tells the customer and opens a task as courier_event_mapping says. Returns the notification instructions.';
comment on function raw_ops.notify_courier_exception() is
    'Trigger: makes http_requests follow the notification to a customer: queued, set by hand, deleted. Without an e-mail it is skipped.';
comment on function raw_ops.match_waiting_courier_events() is
    'Trigger: records the events of webhook_elements that have waited for this shipment.';
comment on function raw_ops.fn_retry_courier_notifications_v1() is
    'Sends up to 20 notifications of the last 24 hours that are due and whose request is missing or due later; records events whose shipment has appeared unnoticed. For pg_cron.';
comment on function raw_ops.fn_complete_courier_task_v1(uuid, text) is
    'Closes a task of courier_open_tasks with a note on what was done, audited in ops_events.';
comment on function raw_ops.fn_check_courier_watchdog_health_v2() is
    'DLV: notifications to customers that failed for good or are stuck. Looks only.';
comment on function raw_ops.fn_archive_webhooks_v1(interval, integer) is
    'Moves up to p_limit success and resolved_manual webhooks older than p_older_than (null: as log_retention says) into webhook_inbox_archive. Returns archived, remaining, partitions_created, columns_added.';
comment on procedure raw_ops.archive_inbox(integer, interval) is
    'Archives until nothing is left or p_max_seconds have passed, committing after each batch. For pg_cron.';
comment on function raw_ops.fold_webhook_tallies() is
    'Folds webhook_tallies into webhook_totals; the figures of both together stay the same. Returns how many.';
comment on function raw_ops.fn_housekeeping_v1() is
    'Deletes up to 10,000 rows of each log that are older than log_retention says, and folds tallies. Returns how many of each; remaining: there is more.';
comment on procedure raw_ops.run_housekeeping(integer) is
    'Housekeeping until nothing is left or p_max_seconds have passed, committing after each round. For pg_cron.';
comment on function raw_ops.fn_metrics_v1() is
    'All figures of this database in Prometheus'' text format. Reads only, also on a replica; counters never go down.';
comment on function raw_ops.fn_schedule_jobs_v1() is 'Creates or updates the pg_cron jobs of raw_ops. Idempotent.';
comment on function raw_ops.fn_unschedule_jobs_v1() is 'Removes the pg_cron jobs of raw_ops that the caller owns.';
comment on function raw_ops.fn_dashboard_html_v1() is
    'The page "Webhook Operations" as HTML: health, what to do next, the eight questions as charts, alerts, outbox. Fetches nothing; works on a replica.';
comment on function raw_ops.fn_uuid_v7() is 'A new time-ordered UUID (version 7); the default of every id.';
comment on function raw_ops.guard_webhook_status() is
    'Trigger: refuses status transitions that ORD does not list, naming the function to use. Of dead letters too: fn_resolve_webhook_manually_v1() alone settles them.';
comment on function raw_ops.wake_worker() is 'Trigger: at commit, wakes the background workers of this database.';
comment on function raw_ops.wake_sender() is 'Trigger: at commit, wakes the sender of this database.';

-- Triggers pin their search_path as every function does; what generates this script knows no such clause for them.
alter function raw_ops.guard_webhook_status() set search_path = pg_catalog, pg_temp;
alter function raw_ops.wake_worker() set search_path = pg_catalog, pg_temp;
alter function raw_ops.wake_sender() set search_path = pg_catalog, pg_temp;
alter function raw_ops.notify_courier_exception() set search_path = pg_catalog, pg_temp;
alter function raw_ops.match_waiting_courier_events() set search_path = pg_catalog, pg_temp;

-- Were it to fail, the statement and the secret in it would be logged.
alter function raw_ops.fn_set_secret_v1(text, text, text) set log_min_error_statement = 'panic';

-- Nothing of raw_ops is PUBLIC's to run: whoever needs a function is granted it. Only the extension's own are touched: of
-- others in the schema pg_dump would lose every grant (see begin.sql).
do $finish$
declare
    v_path     pg_catalog.text := pg_catalog.current_setting('search_path');
    v_routine  pg_catalog.text;
begin
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    for v_routine in
        select member.objid::regprocedure::text
          from pg_depend as member
          join pg_extension as extension on extension.oid = member.refobjid
         where extension.extname = 'raw_ops'
           and member.refclassid = 'pg_extension'::regclass
           and member.classid = 'pg_proc'::regclass
           and member.deptype = 'e'
    loop
        execute format('revoke all on routine %s from public', v_routine);
    end loop;
    perform pg_catalog.set_config('search_path', v_path, true);
end
$finish$;
