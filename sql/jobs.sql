-- The drain as pg_cron calls it: set after set, a commit after each, so that no snapshot is held and nothing done is
-- lost. Stops before the next minute's run is due.
create procedure raw_ops.drain_inbox(p_max_seconds integer default 50)
    language plpgsql
as $drain$
declare
    v_until timestamptz := clock_timestamp() + make_interval(secs => p_max_seconds);
    v_done  jsonb;
begin
    loop
        v_done := raw_ops.process_pending_webhooks(500);
        commit;
        exit when (v_done->>'claimed')::int < 500 or clock_timestamp() >= v_until;
    end loop;
    loop
        v_done := raw_ops.retry_failed_webhooks();
        commit;
        exit when (v_done->>'claimed')::int < 100 or clock_timestamp() >= v_until;
    end loop;
end
$drain$;
