-- Do customers hear of it? DLV.
create or replace view raw_ops.courier_notification_success as
select counts.*, trunc(100.0 * sent / nullif(sent + failed, 0), 2) as success_rate_percent
  from (select count(*) as notifications,
               count(*) filter (where notification_status = 'sent') as sent,
               count(*) filter (where notification_status = 'failed') as failed,
               count(*) filter (where notification_status = 'skipped') as skipped,
               count(*) filter (where notification_status = 'pending' or notification_status is null) as waiting,
               count(*) filter (where notification_status = 'sent' and notification_attempts = 1) as sent_at_once
          from raw_ops.ops_events
         where kind = 'CUSTOMER_EVENT' and customer_event_type = 'courier_exception'
           and created_at > now() - interval '30 days') as counts;
comment on view raw_ops.courier_notification_success is
    'Notifications of the last 30 days by outcome. Success rate: sent / (sent + failed); DLV''s target is above 99 %.';
revoke all on raw_ops.courier_notification_success from public;
