-- The open alerts of check $1; locked, so that two runs decide one after the other.
select alert.id, alert.condition, alert.shop_domain, alert.severity, alert.channel, alert.title, alert.fields, alert.occurrences,
       alert.opened_at, alert.last_notified_at,
       exists (select from raw_ops.alert_messages as message
                where message.alert_id = alert.id and message.delivery = 'pending') as has_pending_message
  from raw_ops.alerts as alert
 where alert.check_name = $1
   and alert.state = 'open'
 order by alert.opened_at
   for update of alert
