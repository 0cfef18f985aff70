-- $1 rows at most; their messages go with them. Nothing that is open, and nothing with a message on its way.
delete from raw_ops.alerts
 where id in (
       select alert.id
         from raw_ops.alerts as alert
        where alert.state in ('resolved', 'info')
          and coalesce(alert.resolved_at, alert.last_seen_at) < now() - (
                  select keep_for from raw_ops.log_retention where log_name = 'alerts')
          and not exists (
              select from raw_ops.alert_messages as message
               where message.alert_id = alert.id and message.delivery = 'pending')
        order by alert.opened_at
        limit $1
          for update of alert skip locked)
