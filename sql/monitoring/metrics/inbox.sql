-- Age of the oldest pending webhook, dead letters.
select (select coalesce(greatest(extract(epoch from now() - min(received_at)), 0), 0)::float8
          from raw_ops.webhook_inbox where processing_status = 'pending')::text as oldest_pending_age,
       (select count(*) from raw_ops.webhook_inbox where processing_status = 'dlq')::text as dead_letters
