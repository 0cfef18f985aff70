-- What reached nobody: no attempt is left, or it has been on its way for longer than monitor_thresholds allows.
create or replace view raw_ops.undelivered_alerts as
select message.id as message_id, alert.check_name, alert.condition, message.kind, message.severity, message.channel,
       message.title, message.delivery, coalesce(message.last_error, last_attempt.error) as last_error, message.created_at,
       last_attempt.attempt as attempts, last_attempt.state as last_state, next_attempt.send_after as next_attempt_at,
       alert.shop_domain
  from raw_ops.alert_messages as message
  join raw_ops.alerts as alert on alert.id = message.alert_id
  left join lateral (
       select request.attempt, request.state, request.error
         from raw_ops.http_requests as request
        where request.subject_id = message.id and request.state <> 'queued'
        order by request.created_at desc, request.attempt desc
        limit 1) as last_attempt on true
  left join lateral (
       select min(request.send_after) as send_after
         from raw_ops.http_requests as request
        where request.subject_id = message.id and request.state = 'queued') as next_attempt on true
 where message.delivery in ('pending', 'undelivered')
   and (message.delivery = 'undelivered' or message.created_at < now() - coalesce((
            select max(threshold.lookback)
              from raw_ops.monitor_thresholds as threshold
             where threshold.check_name = 'monitoring_heartbeat' and threshold.condition = 'undelivered_alerts'), interval '0'));
comment on view raw_ops.undelivered_alerts is
    'Alerts that have reached nobody: no attempt is left, or the lookback of monitor_thresholds (5 minutes) has passed. After mending the cause: SELECT raw_ops.fn_resend_alerts_v1();';
revoke all on raw_ops.undelivered_alerts from public;
