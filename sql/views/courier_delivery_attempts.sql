-- Does Customer.io take what it is sent? DLV.
create or replace view raw_ops.courier_delivery_attempts as
select counts.*, trunc(100.0 * failed / nullif(attempts, 0), 2) as failure_rate_percent
  from (select count(*) as attempts,
               count(*) filter (where state = 'succeeded') as succeeded,
               count(*) filter (where state <> 'succeeded') as failed,
               round((percentile_cont(0.95) within group (order by latency_ms))::numeric) as p95_latency_ms
          from raw_ops.http_requests
         where purpose = 'courier' and state in ('succeeded', 'failed', 'abandoned')
           and created_at > now() - interval '30 days') as counts;
comment on view raw_ops.courier_delivery_attempts is
    'Attempts at Customer.io that ended in the last 30 days; DLV''s target is a failure rate below 0.1 %, alarm at 1 %.';
revoke all on raw_ops.courier_delivery_attempts from public;
