-- $1 events: those of them whose notification is not to be sent any more: it has been, or somebody has settled it otherwise.
select id
  from raw_ops.ops_events
 where id = any ($1)
   and (processed_at is not null or coalesce(notification_status, 'pending') <> 'pending')
