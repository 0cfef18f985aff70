-- When and where the page was made, and what is told beside the charts.
select to_char(now() at time zone 'UTC', 'FMDy FMDD Mon YYYY, HH24:MI:SS') || ' UTC' as made_at,
       current_database()::text as database,
       pg_is_in_recovery() as is_replica,
       (select count(*)
          from raw_ops.webhook_inbox as webhook
         where webhook.processing_status = 'resolved_manual'
           and webhook.created_at > now() - interval '30 days'
           and webhook.provider = 'shopify' and webhook.topic like 'orders/%'
           and not exists (select from raw_ops.orders as known
                            where known.shopify_order_id = webhook.shopify_order_id
                              and known.shop_domain in ('', webhook.shop_domain))) as settled_without_order,
       (select count(*) from raw_ops.alerts where state = 'open') as open_alerts,
       (select count(*) from raw_ops.undelivered_alerts) as undelivered_alerts,
       (select date_part('epoch', now() - max(run_at))::bigint from raw_ops.monitoring_runs) as seconds_since_monitor
