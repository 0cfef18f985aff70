-- Monitoring: what is checked against which threshold, every run, every alert and every message about it.

create table raw_ops.monitors (
    check_name      text        not null,
    description     text        not null,
    heartbeat_every interval,
    scheduled_at    timestamptz,
    constraint monitors_pkey primary key (check_name),
    constraint monitors_heartbeat_every_check check (heartbeat_every > interval '0')
);
insert into raw_ops.monitors (check_name, description, heartbeat_every) values
    ('order_ingestion_slo', 'Every order webhook becomes an order within minutes', '1 hour'),
    ('webhook_health', 'Retry queue, dead letters, latency of processing', '1 hour'),
    ('webhook_daily_digest', 'What the last 24 hours brought', '25 hours'),
    ('monitoring_heartbeat', 'The monitors run, alerts arrive, the workers live', null),
    ('webhook_silence', 'A source that has gone quiet against its own rhythm', '1 hour'),
    ('pg_cron', 'No check: what the workers see of pg_cron, which starts the checks', null),
    ('health', 'No check: what fn_health_v1() compares beside the limits of the checks', null),
    ('health_indicators', 'No check: the ranges of the view of this name', null);
comment on table raw_ops.monitors is
    'Who compares with monitor_thresholds: the checks that fn_invoke_monitor() knows, and how often the heartbeat expects each to run; and what only shows.';
comment on column raw_ops.monitors.heartbeat_every is
    'The heartbeat alerts when the last run is older than this; null: not watched.';
comment on column raw_ops.monitors.scheduled_at is
    'When fn_schedule_jobs_v1() first scheduled it; until one heartbeat_every later a missing first run is no fault.';

create table raw_ops.monitor_thresholds (
    check_name   text     not null,
    condition    text     not null,
    severity     text     not null,
    channel      text     not null,
    threshold    numeric  not null,
    unit         text     not null,
    lookback     interval,
    repeat_after interval not null default '1 hour',
    enabled      boolean  not null default true,
    description  text     not null,
    constraint monitor_thresholds_pkey primary key (check_name, condition, severity),
    constraint monitor_thresholds_check_name_fkey foreign key (check_name) references raw_ops.monitors (check_name),
    constraint monitor_thresholds_severity_check check (severity in ('info', 'warning', 'critical')),
    constraint monitor_thresholds_channel_check check (channel in ('#ops-alerts', '#ops-urgent', '#daily-ops')),
    constraint monitor_thresholds_threshold_check check (threshold between 0 and 1000000000),
    constraint monitor_thresholds_lookback_check check (lookback > interval '0' and lookback <= interval '400 days'),
    constraint monitor_thresholds_repeat_after_check check (repeat_after > interval '0' and repeat_after <= interval '400 days')
);
-- Source: ORD, Monitoring; where ORD names no figure (heartbeat, silence) ours.
insert into raw_ops.monitor_thresholds
       (check_name, condition, severity, channel, threshold, unit, lookback, repeat_after, description) values
    ('order_ingestion_slo', 'orders_not_ingested', 'warning', '#ops-alerts', 5, 'minutes', '20 minutes', '1 hour',
     'An order webhook older than this without its order'),
    ('order_ingestion_slo', 'orders_not_ingested', 'critical', '#ops-urgent', 15, 'minutes', '20 minutes', '1 hour',
     'An order webhook older than this without its order'),
    ('webhook_health', 'retry_queue_depth', 'warning', '#ops-alerts', 100, 'webhooks', null, '1 hour',
     'More webhooks than this wait to be processed'),
    ('webhook_health', 'oldest_pending', 'warning', '#ops-alerts', 30, 'minutes', null, '1 hour',
     'A webhook has waited longer than this'),
    ('webhook_health', 'new_dead_letters', 'critical', '#ops-urgent', 0, 'webhooks', '10 minutes', '1 hour',
     'More dead letters than this within the lookback'),
    ('webhook_health', 'p95_latency', 'warning', '#ops-alerts', 5000, 'milliseconds', '1 hour', '1 hour',
     '95th percentile of processing time above this'),
    ('webhook_health', 'refused_elements', 'warning', '#ops-alerts', 0, 'elements', '24 hours', '1 hour',
     'More elements of list-shaped webhooks than this could not be read or recorded within the lookback'),
    ('webhook_health', 'waiting_elements', 'warning', '#ops-alerts', 60, 'minutes', '24 hours', '6 hours',
     'An element received within the lookback has waited longer than this for what it is about'),
    ('webhook_daily_digest', 'digest', 'info', '#daily-ops', 0, 'always', '24 hours', '1 minute',
     'Always sent'),
    ('monitoring_heartbeat', 'silent_monitor', 'critical', '#ops-urgent', 0, 'monitors', null, '1 hour',
     'More monitors than this have not run for longer than monitors.heartbeat_every'),
    ('monitoring_heartbeat', 'failing_monitor', 'warning', '#ops-alerts', 0, 'monitors', null, '1 hour',
     'More monitors than this ended their last run with an error'),
    ('monitoring_heartbeat', 'undelivered_alerts', 'critical', '#ops-urgent', 0, 'alerts', '5 minutes', '1 hour',
     'More alerts than this have reached nobody for longer than the lookback'),
    ('monitoring_heartbeat', 'worker_down', 'critical', '#ops-urgent', 0, 'workers', null, '1 hour',
     'The library is preloaded, and more background workers than this are missing'),
    ('monitoring_heartbeat', 'worker_stuck', 'critical', '#ops-urgent', 2, 'minutes', null, '1 hour',
     'A background worker, or the sender, is there and has given no sign for longer than this'),
    ('monitoring_heartbeat', 'outbox_stuck', 'critical', '#ops-urgent', 5, 'minutes', null, '1 hour',
     'A queued request has been due for longer than this and is not sent'),
    ('monitoring_heartbeat', 'dead_channel', 'warning', '#ops-alerts', 0, 'channels', '1 day', '6 hours',
     'More Slack channels than this refused the last message that was posted to them within the lookback'),
    ('monitoring_heartbeat', 'blocked', 'critical', '#ops-urgent', 0, 'faults', null, '1 hour',
     'More faults than this keep webhooks from being stored or processed: rights, row security, read-only, triggers, keys'),
    ('pg_cron', 'pg_cron_stopped', 'critical', '#ops-urgent', 3, 'minutes', null, '1 hour',
     'pg_cron has not started a job of raw_ops for so much longer than its schedule has it wait'),
    ('webhook_silence', 'quiet_source', 'warning', '#ops-alerts', 10, 'webhooks', '14 days', '6 hours',
     'So many webhooks were usual in the time since the source''s last one'),
    ('webhook_silence', 'quiet_source', 'critical', '#ops-urgent', 50, 'webhooks', '14 days', '6 hours',
     'So many webhooks were usual in the time since the source''s last one'),
    ('webhook_health', 'max_latency', 'warning', '#ops-alerts', 10000, 'milliseconds', '1 hour', '1 hour',
     'Longest processing time above this: the view alert_slow_processing shows it, nobody is alerted'),
    ('health', 'held_snapshot', 'warning', '#ops-alerts', 10, 'minutes', null, '1 hour',
     'A transaction has held its snapshot for longer: what died since is not cleaned away'),
    ('health', 'dead_rows', 'warning', '#ops-alerts', 50000, 'rows', null, '1 hour',
     'More dead rows than this in the inbox, if they are more than dead_rows_share as well'),
    ('health', 'dead_rows_share', 'warning', '#ops-alerts', 20, '% of the live rows', null, '1 hour',
     'More dead rows than this in the inbox, if they are more than dead_rows as well'),
    ('health', 'disk_used', 'warning', '#ops-alerts', 90, '%', null, '1 hour',
     'A disk that the server writes to is fuller than this, if no more than disk_free is left as well'),
    ('health', 'disk_used', 'critical', '#ops-urgent', 97, '%', null, '1 hour',
     'A disk that the server writes to is fuller than this, if no more than disk_free is left as well'),
    ('health', 'disk_free', 'warning', '#ops-alerts', 20, 'GB', null, '1 hour',
     'While more than this is left on a disk it is not full, whatever its share'),
    ('health', 'connections_used', 'warning', '#ops-alerts', 80, '%', null, '1 hour',
     'More than this of the connections that ordinary roles may have are taken'),
    ('health', 'connections_used', 'critical', '#ops-urgent', 95, '%', null, '1 hour',
     'More than this of the connections that ordinary roles may have are taken'),
    ('health_indicators', 'success_rate', 'warning', '#ops-alerts', 99, '%', null, '1 hour',
     'Not more than this of the webhooks that have an outcome in 24 hours succeeded'),
    ('health_indicators', 'success_rate', 'critical', '#ops-alerts', 95, '%', null, '1 hour',
     'Less than this of the webhooks that have an outcome in 24 hours succeeded'),
    ('health_indicators', 'queue_depth', 'warning', '#ops-alerts', 10, 'webhooks', null, '1 hour',
     'More webhooks than this wait to be processed'),
    ('health_indicators', 'queue_depth', 'critical', '#ops-alerts', 50, 'webhooks', null, '1 hour',
     'More webhooks than this wait to be processed'),
    ('health_indicators', 'p95_latency', 'warning', '#ops-alerts', 1000, 'milliseconds', null, '1 hour',
     '95th percentile of processing time in 24 hours at this or above'),
    ('health_indicators', 'p95_latency', 'critical', '#ops-alerts', 3000, 'milliseconds', null, '1 hour',
     '95th percentile of processing time in 24 hours above this'),
    ('health_indicators', 'dlq_per_day', 'warning', '#ops-alerts', 0, 'dead letters', null, '1 hour',
     'More new dead letters than this in 24 hours'),
    ('health_indicators', 'dlq_per_day', 'critical', '#ops-alerts', 2, 'dead letters', null, '1 hour',
     'More new dead letters than this in 24 hours');
comment on table raw_ops.monitor_thresholds is
    'The limits of everything that judges: each check, fn_health_v1(), the page, the views; where a check alerts, and how soon it repeats. Read each time: change a row and it holds, switch it off with enabled.';
comment on column raw_ops.monitor_thresholds.condition is 'What is wrong when the threshold is crossed; one open alert per check, condition and shop.';
comment on column raw_ops.monitor_thresholds.threshold is 'In unit; the alert is raised above it. (Two of health_indicators and disk_free are otherwise, see description.)';
comment on column raw_ops.monitor_thresholds.lookback is 'How far back the check looks; null: at the state of now.';
comment on column raw_ops.monitor_thresholds.repeat_after is 'While the alert stays open it is not posted again before this.';

create table raw_ops.monitoring_runs (
    id              uuid        not null,
    check_name      text        not null,
    status          text        not null,
    duration_ms     integer     not null default 0,
    result_summary  jsonb       not null default '{}'::jsonb,
    alert_triggered boolean     not null default false,
    error           text,
    run_at          timestamptz not null default clock_timestamp(),
    constraint monitoring_runs_pkey primary key (id),
    constraint monitoring_runs_status_check check (status in ('ok', 'info', 'warning', 'critical', 'error')),
    constraint monitoring_runs_duration_ms_check check (duration_ms >= 0),
    constraint monitoring_runs_error_check check ((status = 'error') = (error is not null))
);
create index idx_monitoring_runs_check_name on raw_ops.monitoring_runs (check_name, run_at desc);
create index idx_monitoring_runs_run_at on raw_ops.monitoring_runs (run_at);
comment on table raw_ops.monitoring_runs is 'Every run of a check, also of one that failed. Trimmed by raw-ops-housekeeping.';
comment on column raw_ops.monitoring_runs.status is 'What the check found; error: the check itself failed, see error.';
comment on column raw_ops.monitoring_runs.alert_triggered is 'Whether the run found something to alert about. Whether that arrived: alert_messages.';

create table raw_ops.alerts (
    id               uuid        not null,
    check_name       text        not null,
    condition        text        not null,
    shop_domain      text        not null default '',
    state            text        not null default 'open',
    severity         text        not null,
    channel          text        not null,
    title            text        not null,
    fields           jsonb       not null default '[]'::jsonb,
    next             text[]      not null default '{}',
    occurrences      integer     not null default 1,
    opened_at        timestamptz not null default clock_timestamp(),
    last_seen_at     timestamptz not null default clock_timestamp(),
    last_notified_at timestamptz not null default clock_timestamp(),
    resolved_at      timestamptz,
    constraint alerts_pkey primary key (id),
    constraint alerts_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint alerts_state_check check (state in ('open', 'resolved', 'info')),
    constraint alerts_severity_check check (severity in ('info', 'warning', 'critical')),
    constraint alerts_channel_check check (channel in ('#ops-alerts', '#ops-urgent', '#daily-ops')),
    constraint alerts_occurrences_check check (occurrences >= 1),
    constraint alerts_resolved_check check ((state = 'resolved') = (resolved_at is not null)),
    constraint alerts_fields_check check (jsonb_typeof(fields) = 'array')
);
create unique index alerts_one_open_key on raw_ops.alerts (check_name, condition, shop_domain) where state = 'open';
create index idx_alerts_opened_at on raw_ops.alerts (opened_at desc);
comment on table raw_ops.alerts is 'What was found wrong: one open row per check, condition and shop, closed when the check no longer finds it.';
comment on column raw_ops.alerts.shop_domain is 'The shop it is about; '''': all shops, or none is known.';
comment on column raw_ops.alerts.state is 'open; resolved; info: told once and not followed (the daily digest).';
comment on column raw_ops.alerts.severity is 'The highest so far.';
comment on column raw_ops.alerts.next is
    'What to do about it, in order, as the last run found it: each is one statement that runs as it stands, or a comment.';
comment on column raw_ops.alerts.occurrences is 'How many runs have found it.';
comment on index raw_ops.alerts_one_open_key is 'One open alert per check, condition and shop, also when two runs find it at once.';

create table raw_ops.alert_messages (
    id           uuid        not null,
    alert_id     uuid        not null,
    kind         text        not null,
    severity     text        not null,
    channel      text        not null,
    title        text        not null,
    body         jsonb       not null,
    delivery     text        not null default 'pending',
    reached      text,
    last_error   text,
    created_at   timestamptz not null default clock_timestamp(),
    delivered_at timestamptz,
    constraint alert_messages_pkey primary key (id),
    constraint alert_messages_alert_id_fkey foreign key (alert_id) references raw_ops.alerts (id) on delete cascade,
    constraint alert_messages_kind_check check (kind in ('opened', 'escalated', 'repeated', 'resolved', 'info')),
    constraint alert_messages_severity_check check (severity in ('info', 'warning', 'critical')),
    constraint alert_messages_channel_check check (channel in ('#ops-alerts', '#ops-urgent', '#daily-ops')),
    constraint alert_messages_delivery_check
        check (delivery in ('pending', 'delivered', 'undelivered', 'superseded', 'discarded')),
    constraint alert_messages_delivered_check check ((delivery = 'delivered') = (delivered_at is not null))
);
create index idx_alert_messages_alert_id on raw_ops.alert_messages (alert_id, created_at);
create index idx_alert_messages_unreached
    on raw_ops.alert_messages (created_at)
    where delivery in ('pending', 'undelivered');
comment on table raw_ops.alert_messages is 'Every message about an alert, and whether it reached anybody.';
comment on column raw_ops.alert_messages.body is 'The Slack message as posted.';
comment on column raw_ops.alert_messages.delivery is
    'pending: on its way or waiting for its next attempt; delivered; undelivered: no attempt is left; superseded: a later message about the same alert went out instead; discarded: by fn_resume_delivery_v1(true).';
comment on column raw_ops.alert_messages.reached is 'Where it arrived: the channel, or fallback.';

alter table raw_ops.monitors enable row level security;
alter table raw_ops.monitor_thresholds enable row level security;
alter table raw_ops.monitoring_runs enable row level security;
alter table raw_ops.alerts enable row level security;
alter table raw_ops.alert_messages enable row level security;
revoke all on raw_ops.monitors, raw_ops.monitor_thresholds, raw_ops.monitoring_runs, raw_ops.alerts,
    raw_ops.alert_messages from public;
