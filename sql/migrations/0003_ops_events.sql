-- The operational log: what happened to which entity, who did it.

create table raw_ops.ops_events (
    id                         uuid        not null,
    kind                       text        not null,
    entity_type                text        not null,
    entity_id                  uuid,
    customer_event_type        text,
    message                    text,
    event_payload              jsonb       not null default '{}'::jsonb,
    created_at                 timestamptz not null default clock_timestamp(),
    processed_at               timestamptz,
    notification_status        text,
    notification_attempts      integer     not null default 0,
    notification_last_error    text,
    notification_next_retry_at timestamptz,
    shop_domain                text        not null default '',
    constraint ops_events_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint ops_events_pkey primary key (id),
    constraint ops_events_created_at_check
        check (created_at between '2000-01-01 00:00:00+00' and '3000-01-01 00:00:00+00'),
    constraint ops_events_notification_attempts_check check (notification_attempts >= 0)
);
create index if not exists idx_ops_events_order_info
    on raw_ops.ops_events (kind, created_at desc)
    where kind = 'INFO' and entity_type = 'order';
create index idx_ops_events_entity on raw_ops.ops_events (entity_type, entity_id);

alter table raw_ops.ops_events enable row level security;
revoke all on raw_ops.ops_events from public;

comment on table raw_ops.ops_events is
    'Append-only operational log: receipts the SLO counts from, dead letters, and every manual step with who and why.';
comment on column raw_ops.ops_events.kind is 'INFO (receipt), ERROR (a dead letter) or AUDIT (a person''s act).';
comment on column raw_ops.ops_events.entity_type is 'order, webhook, …: what entity_id names.';
comment on column raw_ops.ops_events.event_payload is 'Details; for AUDIT always who, note, before and after.';
