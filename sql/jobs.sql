-- What pg_cron calls. A procedure that commits can have no SET clause, so each pins the search_path itself: before its
-- first expression, and again after each COMMIT, which ends what was set. Types are written with their schema because they
-- are looked up when the procedure is compiled, before its first statement runs.

-- The drain as pg_cron calls it: set after set, a commit after each, so that no snapshot is held and nothing done is
-- lost. A set may end before its limit, at so many bytes, so only an empty one is the last. Stops before the next minute's
-- run is due. Whatever the server's default is, it works at READ COMMITTED, as the workers do: it waits for rows and looks
-- again. The level has to be set before anything else in a transaction.
create procedure raw_ops.drain_inbox(p_max_seconds integer default 50)
    language plpgsql
as $drain$
declare
    v_until pg_catalog.timestamptz;
    v_done  pg_catalog.jsonb;
begin
    commit;
    set transaction isolation level read committed;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_until := clock_timestamp() + make_interval(secs => p_max_seconds);
    loop
        v_done := raw_ops.process_pending_webhooks(500);
        commit;
        set transaction isolation level read committed;
        perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        exit when (v_done->>'claimed')::int = 0 or clock_timestamp() >= v_until;
    end loop;
    loop
        v_done := raw_ops.retry_failed_webhooks();
        commit;
        set transaction isolation level read committed;
        perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        exit when (v_done->>'claimed')::int = 0 or clock_timestamp() >= v_until;
    end loop;
    perform raw_ops.fold_webhook_tallies();
    commit;
end
$drain$;

-- Sending as pg_cron drives it: hands to pg_net what is due and collects its answers, until nothing is left or the next
-- minute's run is due. Where the built-in carrier sends, there is nothing to do here. Holds no snapshot while it waits.
create procedure raw_ops.deliver_outbox(p_max_seconds integer default 50)
    language plpgsql
as $deliver$
declare
    v_until pg_catalog.timestamptz;
    v_pass  pg_catalog.jsonb;
begin
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_until := clock_timestamp() + make_interval(secs => p_max_seconds);
    loop
        v_pass := raw_ops.fn_deliver_outbox_v1();
        commit;
        perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        exit when v_pass->>'carrier' <> 'pg_net' or clock_timestamp() >= v_until;
        exit when (v_pass->>'in_flight')::bigint = 0
              and coalesce((v_pass->>'next_due_seconds')::float8, 'infinity') > extract(epoch from v_until - clock_timestamp());
        perform pg_sleep(0.5);
    end loop;
end
$deliver$;

-- The archive run as pg_cron calls it: batch after batch, a commit after each.
create procedure raw_ops.archive_inbox(p_max_seconds integer default 3000, p_older_than interval default null)
    language plpgsql
as $archive$
declare
    v_until pg_catalog.timestamptz;
    v_done  pg_catalog.jsonb;
begin
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_until := clock_timestamp() + make_interval(secs => p_max_seconds);
    loop
        v_done := raw_ops.fn_archive_webhooks_v1(p_older_than, 5000);
        commit;
        perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        exit when (v_done->>'archived')::bigint = 0 or not (v_done->>'remaining')::boolean
               or clock_timestamp() >= v_until;
    end loop;
end
$archive$;

-- Housekeeping as pg_cron calls it: until every log is as short as it should be, a commit after each round.
create procedure raw_ops.run_housekeeping(p_max_seconds integer default 600)
    language plpgsql
as $house$
declare
    v_until pg_catalog.timestamptz;
    v_done  pg_catalog.jsonb;
begin
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    v_until := clock_timestamp() + make_interval(secs => p_max_seconds);
    loop
        v_done := raw_ops.fn_housekeeping_v1();
        commit;
        perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        exit when not (v_done->>'remaining')::boolean or clock_timestamp() >= v_until;
    end loop;
end
$house$;
