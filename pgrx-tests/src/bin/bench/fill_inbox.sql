insert into raw_ops.webhook_inbox
       (provider, topic, event_id, shop_domain, payload, shopify_order_id, processing_status, processing_attempts,
        processing_duration_ms, error_category, last_error, last_error_at, received_at, created_at, processed_at, next_retry_at)
select 'shopify', 'orders/create', 'fill-' || n, 'bench.example', '{"id": 1}', n, fate.status,
       case fate.status when 'pending' then 0 when 'success' then 1 + (n % 70 = 0)::int when 'failed' then 2 else 5 end,
       case when fate.status <> 'pending' then 20 + n * 7919 % 60 + case when n % 33 = 0 then n * 104729 % 900 else 0 end end,
       case when fate.failed then (array['malformed_payload', 'missing_reference', 'timeout', 'transient'])[1 + n % 4] end,
       case when fate.failed then 'order.line_items[0].price: not a decimal: "abc"' end,
       case when fate.failed then moment.at + interval '20 milliseconds' end,
       moment.at, moment.at,
       case when fate.status in ('success', 'resolved_manual') then moment.at + interval '100 milliseconds' end,
       case when fate.status = 'failed' then now() + interval '5 minutes' end
  from generate_series(1, $1::bigint) as n
 cross join lateral (select now() - $2::text::interval * (1 - n / $1::float8) as at) as moment
 cross join lateral (
       select status, status in ('failed', 'dlq', 'resolved_manual') or n % 70 = 0 as failed
         from (select case when n > $1 - 100 then case when n % 2 = 0 then 'pending' else 'failed' end
                           when n % 2003 = 0 then 'dlq'
                           when n % 5003 = 0 then 'resolved_manual'
                           else 'success' end as status) as one) as fate
