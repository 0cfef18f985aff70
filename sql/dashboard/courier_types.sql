-- What couriers reported in the last 30 days, most frequent first, and of how much of it the customer was told.
select reported.event_type, reported.total_events as events, coalesce(told.told, 0) as told
  from raw_ops.courier_exceptions_by_type as reported
  left join (select event_payload->>'event_type' as event_type, count(*) as told
               from raw_ops.ops_events
              where kind = 'CUSTOMER_EVENT'
                and customer_event_type = 'courier_exception'
                and notification_status = 'sent'
                and created_at > now() - interval '30 days'
              group by 1) as told using (event_type)
 order by reported.total_events desc, reported.event_type
 limit 8
