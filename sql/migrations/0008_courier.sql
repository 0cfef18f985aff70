-- Courier Watchdog: what couriers report about shipments, who is told, who has to act. Source: DLV.

create table raw_ops.fulfillments (
    shop_domain            text        not null default '',
    shopify_fulfillment_id bigint      not null,
    courier_name           text,
    status                 text,
    formal_status          text,
    tracking_numbers       text[],
    shopify_updated_at     timestamptz,
    shopify_triggered_at   timestamptz,
    payload_hash           bigint,
    field_versions         jsonb,
    created_at             timestamptz not null default clock_timestamp(),
    updated_at             timestamptz not null default clock_timestamp(),
    constraint fulfillments_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint fulfillments_pkey primary key (shopify_fulfillment_id, shop_domain),
    constraint fulfillments_formal_status_check check (formal_status in ('pending', 'open', 'success')),
    constraint fulfillments_tracking_numbers_check check (tracking_numbers <> '{}')
);
comment on table raw_ops.fulfillments is
    'What the payloads of a Shopify fulfillment come to, so that its shipments are the same whatever order they arrive in.';
comment on column raw_ops.fulfillments.status is
    'Where its shipments are (shipment_status), or that they are not under way any more (cancelled, error, failure).';
comment on column raw_ops.fulfillments.formal_status is 'Shopify''s status of the fulfillment itself: no news about a shipment under way.';
comment on column raw_ops.fulfillments.tracking_numbers is 'The newest list; a shipment under another number is replaced.';
comment on column raw_ops.fulfillments.shopify_updated_at is 'updated_at of the newest payload, else when that was triggered.';
comment on column raw_ops.fulfillments.shopify_triggered_at is 'When the newest payload''s webhook was triggered.';
comment on column raw_ops.fulfillments.payload_hash is 'XXH3 of that payload: decides where the times do not.';
comment on column raw_ops.fulfillments.field_versions is
    'Fields that the newest payload said nothing about, and the version of the one that did; as in orders. Null: none.';

create table raw_ops.shipments (
    id                     uuid        not null,
    order_id               uuid,
    courier_name           text,
    tracking_no            text,
    tracking_url           text,
    tracking_url_version   jsonb,
    status                 text        not null default 'created',
    shopify_fulfillment_id bigint,
    shopify_created_at     timestamptz,
    shop_domain            text        not null default '',
    created_at             timestamptz not null default clock_timestamp(),
    updated_at             timestamptz not null default clock_timestamp(),
    constraint shipments_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint shipments_pkey primary key (id),
    constraint shipments_order_id_fkey foreign key (order_id) references raw_ops.orders (id),
    constraint shipments_tracking_no_check check (tracking_no <> '')
);
create index idx_shipments_order_id on raw_ops.shipments (order_id);
-- One row a shipment of a fulfillment, also when two webhooks bring it at once. What comes from outside may be of any length,
-- an index entry may not: so a hash of it here, its beginning there.
create unique index shipments_fulfillment_parcel_key
    on raw_ops.shipments (shopify_fulfillment_id, hashtextextended(coalesce(tracking_no, ''), 0), shop_domain)
    where shopify_fulfillment_id is not null;
create index idx_shipments_tracking_no
    on raw_ops.shipments (upper(left(tracking_no, 100)), created_at desc)
    where tracking_no is not null;
create index idx_shipments_created_at on raw_ops.shipments (created_at desc);
comment on table raw_ops.shipments is 'One row a tracking number of a Shopify fulfillment, or one of your own making.';
comment on column raw_ops.shipments.order_id is
    'Whose shipment it is; null for one without an order here (then nobody is told about it).';
comment on column raw_ops.shipments.tracking_no is
    'As the courier writes it, without blanks; null until the fulfillment has one. Couriers use numbers again after months.';
comment on column raw_ops.shipments.status is
    'Shopify''s shipment_status (in_transit, delivered, …), else its fulfillment status (success, cancelled, …); replaced: the fulfillment has another tracking number now.';
comment on column raw_ops.shipments.tracking_url_version is
    'Of the payload that gave the URL: [updated_at, triggered_at, hash], microseconds since 2000; an older one does not change it.';
comment on column raw_ops.shipments.shopify_created_at is
    'When the shop fulfilled it: of two shipments under one number the later is meant.';
comment on index raw_ops.idx_shipments_tracking_no is 'From a courier''s event to its shipment.';

create table raw_ops.courier_event_mapping (
    id                             uuid        not null,
    courier_name                   text        not null,
    event_code                     text        not null,
    event_type                     text        not null,
    notification_template_id       text,
    requires_customer_notification boolean     not null,
    priority                       text        not null,
    customer_message               text,
    task_sla                       interval,
    task_action                    text,
    created_at                     timestamptz not null default now(),
    constraint courier_event_mapping_pkey primary key (id),
    constraint courier_event_mapping_priority_check check (priority in ('low', 'medium', 'high')),
    constraint courier_event_mapping_template_check
        check (not requires_customer_notification or coalesce(notification_template_id, '') <> ''),
    constraint courier_event_mapping_task_check check ((task_sla is null) = (task_action is null)),
    constraint courier_event_mapping_task_sla_check check (task_sla > interval '0')
);
create index idx_courier_event_mapping_code
    on raw_ops.courier_event_mapping (courier_name, event_code);
create unique index courier_event_mapping_key on raw_ops.courier_event_mapping (lower(courier_name), event_code);
-- Source: DLV, Event Code Mapping and Manual Interventions.
insert into raw_ops.courier_event_mapping
       (id, courier_name, event_code, event_type, notification_template_id, requires_customer_notification, priority,
        customer_message, task_sla, task_action) values
    (raw_ops.fn_uuid_v7(), 'DPD', '01', 'customer_not_home', 'missed_delivery_retry', true, 'medium',
     'We missed you today. Will retry tomorrow', null, null),
    (raw_ops.fn_uuid_v7(), 'DPD', '02', 'premises_closed', 'missed_delivery_retry', true, 'medium',
     'Premises closed. Will retry tomorrow', null, null),
    (raw_ops.fn_uuid_v7(), 'DPD', '03', 'address_issue', 'address_problem', true, 'high',
     'Address issue. Please confirm details', '2 hours', 'Watch for the customer''s reply and correct the address at the courier'),
    (raw_ops.fn_uuid_v7(), 'DPD', '05', 'customer_refused', null, false, 'high',
     null, '24 hours', 'Contact the customer to understand why the shipment was refused'),
    (raw_ops.fn_uuid_v7(), 'DPD', '08', 'access_issue', 'access_problem', true, 'medium',
     'Driver unable to access. Will retry', null, null),
    (raw_ops.fn_uuid_v7(), 'DPD', '09', 'weather_delay', 'weather_delay', true, 'low',
     'Weather delay. Box is safe', null, null),
    (raw_ops.fn_uuid_v7(), 'DPD', '12', 'damaged_in_transit', 'package_damage_review', true, 'high',
     'Package damage. Under review', '4 hours', 'Assess the damage, contact the customer, approve a replacement or a refund');
comment on table raw_ops.courier_event_mapping is
    'What each event code of each courier means and who is told. Data: a code that is not here is stored and tells nobody.';
comment on column raw_ops.courier_event_mapping.courier_name is 'Compared without regard to case.';
comment on column raw_ops.courier_event_mapping.event_code is 'Text, compared exactly: 1 is not 01.';
comment on column raw_ops.courier_event_mapping.event_type is
    'Yours to name. Two have a meaning: delivered and returned end the shipment''s way, and nobody is told of its other events any more.';
comment on column raw_ops.courier_event_mapping.notification_template_id is 'What the Customer.io campaign branches on.';
comment on column raw_ops.courier_event_mapping.customer_message is
    'The event''s description for the customer when the courier sends no text.';
comment on column raw_ops.courier_event_mapping.task_sla is 'A person has to act within this time; null: nobody has to.';
comment on column raw_ops.courier_event_mapping.task_action is 'What that person does.';

create table raw_ops.courier_events (
    id                             uuid        not null,
    shipment_id                    uuid        not null,
    courier_name                   text        not null,
    event_code                     text        not null,
    event_type                     text,
    event_text                     text,
    event_time                     timestamptz not null,
    requires_customer_notification boolean     not null default false,
    withheld                       text,
    raw_payload                    jsonb       not null default '{}'::jsonb,
    shop_domain                    text        not null default '',
    created_at                     timestamptz not null default now(),
    constraint courier_events_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint courier_events_pkey primary key (id),
    constraint courier_events_shipment_id_fkey foreign key (shipment_id) references raw_ops.shipments (id),
    constraint courier_events_event_code_check check (length(event_code) between 1 and 100),
    constraint courier_events_withheld_check
        check (withheld is null or withheld in ('too_old', 'delivered', 'returned') and not requires_customer_notification)
);
create index idx_courier_events_shipment_id
    on raw_ops.courier_events (shipment_id);
create index idx_courier_events_created_at
    on raw_ops.courier_events (created_at desc);
create index idx_courier_events_ended
    on raw_ops.courier_events (shipment_id)
    where event_type in ('delivered', 'returned');
create unique index idx_courier_events_idempotency
    on raw_ops.courier_events (shipment_id, event_code, event_time);
comment on table raw_ops.courier_events is 'Every event a courier reported, once each; written by process_courier_event().';
comment on column raw_ops.courier_events.event_type is 'From the mapping as it was then; null: the code was not in it.';
comment on column raw_ops.courier_events.requires_customer_notification is 'Whether the customer was to be told of it.';
comment on column raw_ops.courier_events.withheld is
    'Why nobody was told and no task opened, though the mapping says so: too_old (raw_ops.courier_notice_max_age), or the shipment was delivered or returned already.';
comment on column raw_ops.courier_events.event_time is 'When the courier says it happened.';
comment on column raw_ops.courier_events.created_at is 'When it was recorded here.';
comment on index raw_ops.idx_courier_events_idempotency is 'The same event twice tells the customer once, also when two report it at once.';

create table raw_ops.courier_tasks (
    id               uuid        not null,
    courier_event_id uuid        not null,
    shipment_id      uuid        not null,
    event_code       text        not null,
    event_type       text        not null,
    action           text        not null,
    due_at           timestamptz not null,
    done_at          timestamptz,
    done_by          text,
    note             text,
    shop_domain      text        not null default '',
    created_at       timestamptz not null default now(),
    constraint courier_tasks_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint courier_tasks_pkey primary key (id),
    constraint courier_tasks_courier_event_id_fkey
        foreign key (courier_event_id) references raw_ops.courier_events (id) on delete cascade,
    constraint courier_tasks_shipment_id_fkey foreign key (shipment_id) references raw_ops.shipments (id),
    constraint courier_tasks_courier_event_id_key unique (courier_event_id),
    constraint courier_tasks_due_check check (due_at > created_at),
    constraint courier_tasks_done_check check (done_at is null or note <> '')
);
create index idx_courier_tasks_shipment_id on raw_ops.courier_tasks (shipment_id);
create index idx_courier_tasks_open
    on raw_ops.courier_tasks (due_at)
    where done_at is null;
comment on table raw_ops.courier_tasks is
    'What a person has to do about a courier event, and until when. Closed by fn_complete_courier_task_v1().';
comment on column raw_ops.courier_tasks.due_at is 'When it was recorded, plus the mapping''s task_sla.';
comment on column raw_ops.courier_tasks.note is 'What was done; required once it is done.';

-- Notifications to customers are rows of ops_events.
alter table raw_ops.ops_events add constraint ops_events_notification_status_check
    check (notification_status in ('pending', 'sent', 'failed', 'skipped'));
create index idx_ops_events_courier_unprocessed
    on raw_ops.ops_events (created_at desc)
    where processed_at is null
      and kind = 'CUSTOMER_EVENT'
      and customer_event_type = 'courier_exception';
create index idx_ops_events_courier
    on raw_ops.ops_events (created_at desc)
    where kind = 'CUSTOMER_EVENT' and customer_event_type = 'courier_exception';
create index idx_ops_events_courier_failed
    on raw_ops.ops_events (created_at desc)
    where kind = 'CUSTOMER_EVENT' and customer_event_type = 'courier_exception' and notification_status = 'failed';
comment on column raw_ops.ops_events.kind is
    'INFO (receipt), ERROR (a dead letter), AUDIT (a person''s act) or CUSTOMER_EVENT (a notification to a customer).';
comment on column raw_ops.ops_events.customer_event_type is 'For CUSTOMER_EVENT: courier_exception is sent to Customer.io at commit.';
comment on column raw_ops.ops_events.processed_at is 'For a notification: when Customer.io accepted it. One that has this is never sent.';
comment on column raw_ops.ops_events.notification_status is
    'Null (no notification, or not attempted yet), pending (waits for delivery or retry), sent, failed (no attempt is left), skipped (no e-mail).';
comment on column raw_ops.ops_events.notification_attempts is
    'Attempts that have ended. What is written here and into notification_next_retry_at by hand holds: set to 0 with status pending, it is sent again from the first.';
comment on column raw_ops.ops_events.notification_last_error is 'Of the last attempt that failed; kept after a later success.';
comment on column raw_ops.ops_events.notification_next_retry_at is 'When the next attempt is due; null: at once, or none follows.';
comment on index raw_ops.idx_ops_events_courier_unprocessed is 'DLV: monitoring of what is not processed.';
comment on index raw_ops.idx_ops_events_courier is 'The courier_* views.';

-- Source: DLV, Alert Thresholds.
insert into raw_ops.monitors (check_name, description, heartbeat_every) values
    ('courier_watchdog_health', 'Customers are told about delivery exceptions', '1 hour');
insert into raw_ops.monitor_thresholds
       (check_name, condition, severity, channel, threshold, unit, lookback, repeat_after, description) values
    ('courier_watchdog_health', 'failed_notifications', 'warning', '#ops-alerts', 0, 'notifications', '24 hours', '1 hour',
     'More notifications than this failed for good within the lookback'),
    ('courier_watchdog_health', 'failed_notifications', 'critical', '#ops-urgent', 2, 'notifications', '24 hours', '1 hour',
     'More notifications than this failed for good within the lookback'),
    ('courier_watchdog_health', 'stuck_events', 'warning', '#ops-alerts', 60, 'minutes', '24 hours', '1 hour',
     'A notification created within the lookback has waited for longer than this');

alter table raw_ops.fulfillments enable row level security;
alter table raw_ops.shipments enable row level security;
alter table raw_ops.courier_event_mapping enable row level security;
alter table raw_ops.courier_events enable row level security;
alter table raw_ops.courier_tasks enable row level security;
revoke all on raw_ops.fulfillments, raw_ops.shipments, raw_ops.courier_event_mapping, raw_ops.courier_events, raw_ops.courier_tasks from public;
