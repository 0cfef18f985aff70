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
    perform raw_ops.fold_webhook_tallies();
    commit;
end
$drain$;

-- The archive run as pg_cron calls it: batch after batch, a commit after each.
create procedure raw_ops.archive_inbox(p_max_seconds integer default 3000, p_older_than interval default null)
    language plpgsql
as $archive$
declare
    v_until timestamptz := clock_timestamp() + make_interval(secs => p_max_seconds);
    v_done  jsonb;
begin
    loop
        v_done := raw_ops.fn_archive_webhooks_v1(p_older_than, 5000);
        commit;
        exit when (v_done->>'archived')::bigint = 0 or not (v_done->>'remaining')::boolean
               or clock_timestamp() >= v_until;
    end loop;
end
$archive$;

-- Housekeeping as pg_cron calls it: until every log is as short as it should be, a commit after each round.
create procedure raw_ops.keep_house(p_max_seconds integer default 600)
    language plpgsql
as $house$
declare
    v_until timestamptz := clock_timestamp() + make_interval(secs => p_max_seconds);
    v_done  jsonb;
begin
    loop
        v_done := raw_ops.fn_housekeeping_v1();
        commit;
        exit when not (v_done->>'remaining')::boolean or clock_timestamp() >= v_until;
    end loop;
end
$house$;
