-- What couriers reported in the last 30 days, most frequent first.
select event_type, total_events as events, notified as told
  from raw_ops.courier_exceptions_by_type
 order by total_events desc, event_type
 limit 8
