-- Whether another webhook has succeeded since this one ($1) was received or failed last. Only the newest successes are
-- looked at: older ones say nothing about the server as it is now.
select exists (
    select from (select processed_at
                   from raw_ops.webhook_inbox
                  where processing_status = 'success'
                  order by created_at desc
                  limit 100) as newest
     where newest.processed_at > (select coalesce(suspect.last_error_at, suspect.received_at)
                                    from raw_ops.webhook_inbox as suspect
                                   where suspect.id = $1))
