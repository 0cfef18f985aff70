-- How long the request has been due that waits longest; alerts that have reached nobody.
select (select coalesce(greatest(extract(epoch from now() - min(send_after)), 0), 0)::float8
          from raw_ops.http_requests where state = 'queued')::text as oldest_due_age,
       (select count(*) from raw_ops.undelivered_alerts)::text as undelivered
