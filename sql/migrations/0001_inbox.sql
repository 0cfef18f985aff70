-- The inbox: every webhook exactly as it came, and what became of it; the shops that webhooks are about.
-- Payloads live out of line (toast_tuple_target) and lz4-compressed, so that a status change rewrites a narrow row.

create table raw_ops.shops (
    shop_domain text        not null,
    name        text,
    time_zone   text,
    currency    text,
    active      boolean     not null default true,
    created_at  timestamptz not null default now(),
    constraint shops_pkey primary key (shop_domain),
    -- A host name, in lower case. No shop ('') has no row.
    constraint shops_shop_domain_check
        check (shop_domain ~ '^[a-z0-9_-]+(\.[a-z0-9_-]+)*$' and length(shop_domain) <= 253),
    constraint shops_currency_check check (currency ~ '^[A-Z]{3}$'),
    constraint shops_name_check check (name !~ '[[:cntrl:]]' and length(name) between 1 and 100)
);
alter table raw_ops.shops enable row level security;
revoke all on raw_ops.shops from public;
comment on table raw_ops.shops is
    'The shops whose webhooks come here: a row is made at the first one of a shop, and is yours to edit. Ids of Shopify''s count only together with the shop.';
comment on column raw_ops.shops.shop_domain is
    'As Shopify names it, in lower case: example.myshopify.com. The same in the column shop_domain of every table; '''' there: no shop is known.';
comment on column raw_ops.shops.name is 'What people call it; shown where there is more than one shop.';
comment on column raw_ops.shops.time_zone is 'As PostgreSQL names it, for example Europe/Berlin.';
comment on column raw_ops.shops.currency is 'ISO 4217.';
comment on column raw_ops.shops.active is
    'False: it is not active any more, or never was one. Its webhooks are still taken in, but nothing is expected of it, what names no shop is never taken to be about it, and with only one active shop none is named.';

create table raw_ops.webhook_inbox (
    id                     uuid        not null,
    provider               text        not null,
    topic                  text        not null,
    event_id               text        not null,
    shop_domain            text        not null default '',
    payload                jsonb,
    raw_body               bytea,
    headers                jsonb       not null default '{}'::jsonb,
    processing_status      text        not null default 'pending',
    processing_attempts    integer     not null default 0,
    attempts               integer     generated always as (processing_attempts) stored,
    processing_duration_ms integer,
    last_error             text,
    last_error_at          timestamptz,
    error_category         text,
    shopify_order_id       bigint,
    triggered_at           timestamptz,
    received_at            timestamptz not null default clock_timestamp(),
    created_at             timestamptz not null default clock_timestamp(),
    processed_at           timestamptz,
    next_retry_at          timestamptz,
    duplicate_count        integer     not null default 0,
    replay_of              uuid,
    constraint webhook_inbox_pkey primary key (id),
    constraint webhook_inbox_shop_domain_provider_event_id_key unique (shop_domain, provider, event_id),
    constraint webhook_inbox_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint webhook_inbox_provider_check
        check (provider in ('shopify', 'clerk', 'stripe', 'mitto', 'dpd')),
    constraint webhook_inbox_processing_status_check
        check (processing_status in ('pending', 'success', 'failed', 'retrying', 'dlq', 'resolved_manual')),
    constraint webhook_inbox_error_category_check
        check (error_category in ('malformed_payload', 'missing_reference', 'constraint_violation', 'timeout',
                                  'transient', 'unknown_topic', 'internal')),
    constraint webhook_inbox_processing_attempts_check check (processing_attempts >= 0),
    constraint webhook_inbox_processing_duration_ms_check check (processing_duration_ms >= 0),
    constraint webhook_inbox_duplicate_count_check check (duplicate_count >= 0),
    -- Infinite or ancient times would break every figure that is computed with them.
    constraint webhook_inbox_times_check
        check (received_at >= '2000-01-01 00:00:00+00' and received_at <= '3000-01-01 00:00:00+00'
               and created_at >= '2000-01-01 00:00:00+00' and created_at <= '3000-01-01 00:00:00+00'),
    constraint webhook_inbox_one_body_check check (payload is null or raw_body is null)
) with (
    toast_tuple_target = 128,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 1,
    autovacuum_vacuum_cost_limit = 2000,
    toast.autovacuum_vacuum_scale_factor = 0.02
);

-- Short texts stay in the row: only payload, raw_body, headers and errors move out of line.
alter table raw_ops.webhook_inbox
    alter column topic set storage main,
    alter column event_id set storage main,
    alter column shop_domain set storage main;

-- lz4 is a build option of PostgreSQL 14 and later; without it the default compression stays.
do $lz4$
begin
    if current_setting('server_version_num')::int >= 140000 then
        execute 'alter table raw_ops.webhook_inbox
                     alter column payload set compression lz4,
                     alter column raw_body set compression lz4,
                     alter column headers set compression lz4';
    end if;
exception when feature_not_supported then
    raise notice 'this PostgreSQL is built without lz4; payloads use the default compression';
end
$lz4$;

-- ORD's indexes, under ORD's names.
create index idx_webhook_inbox_retry_queue
    on raw_ops.webhook_inbox (received_at desc)
    where processing_status in ('pending', 'failed', 'retrying');
create index idx_webhook_inbox_status
    on raw_ops.webhook_inbox (processing_status, created_at desc);
create index idx_webhook_inbox_shopify_order
    on raw_ops.webhook_inbox (shopify_order_id)
    where shopify_order_id is not null;

-- The drain's and the retry worker's own claims: never past rows of another state.
create index idx_webhook_inbox_pending
    on raw_ops.webhook_inbox (received_at)
    where processing_status = 'pending';
create index idx_webhook_inbox_due
    on raw_ops.webhook_inbox (next_retry_at)
    where processing_status in ('failed', 'retrying');

alter table raw_ops.webhook_inbox enable row level security;
revoke all on raw_ops.webhook_inbox from public;

comment on table raw_ops.webhook_inbox is
    'Every webhook as it came, one row a delivery, and the state of its processing.';
comment on column raw_ops.webhook_inbox.id is 'Time-ordered UUID (version 7).';
comment on column raw_ops.webhook_inbox.provider is 'Who sent it: shopify, clerk, stripe, mitto or dpd.';
comment on column raw_ops.webhook_inbox.topic is 'The provider''s event type, for example orders/create.';
comment on column raw_ops.webhook_inbox.event_id is
    'The provider''s delivery id, or sha256:… of topic and body where it sent none. Unique for shop and provider.';
comment on column raw_ops.webhook_inbox.shop_domain is 'The shop the webhook is about, in lower case: as the caller says, else as Shopify''s header does. Empty: no shop is known.';
comment on column raw_ops.webhook_inbox.payload is 'The body as jsonb; null when raw_body holds it.';
comment on column raw_ops.webhook_inbox.raw_body is
    'The body''s bytes, only when they cannot be jsonb: not JSON, not UTF-8, \u0000, a number beyond 1e308.';
comment on column raw_ops.webhook_inbox.headers is 'The provider''s headers; signatures and credentials are never kept.';
comment on column raw_ops.webhook_inbox.processing_status is
    'pending, success, failed, retrying, dlq or resolved_manual; a trigger refuses every transition ORD does not list.';
comment on column raw_ops.webhook_inbox.processing_attempts is 'How often processing was tried; the fifth failure leads to dlq.';
comment on column raw_ops.webhook_inbox.attempts is 'The same as processing_attempts, under the name the runbook reads.';
comment on column raw_ops.webhook_inbox.processing_duration_ms is
    'Milliseconds from claim to recorded outcome of the last attempt (of the whole set it was processed in).';
comment on column raw_ops.webhook_inbox.last_error is 'Message of the last failed attempt; kept after a later success.';
comment on column raw_ops.webhook_inbox.error_category is 'Class of last_error; decides nothing, explains everything.';
comment on column raw_ops.webhook_inbox.shopify_order_id is 'The Shopify order the payload is about, as far as receipt could tell.';
comment on column raw_ops.webhook_inbox.triggered_at is 'When the provider says the event happened.';
comment on column raw_ops.webhook_inbox.received_at is 'When it was first stored here; drains go oldest first, retries newest first.';
comment on column raw_ops.webhook_inbox.processed_at is 'When processing succeeded or an operator resolved it.';
comment on column raw_ops.webhook_inbox.next_retry_at is 'Not before this time is a failed webhook tried again.';
comment on column raw_ops.webhook_inbox.duplicate_count is 'How often the provider sent this delivery again.';
comment on column raw_ops.webhook_inbox.replay_of is 'The webhook this one is a replay of.';
comment on index raw_ops.idx_webhook_inbox_retry_queue is 'ORD: retry worker, newest first.';
comment on index raw_ops.idx_webhook_inbox_pending is 'The drain''s claim, oldest first.';
comment on index raw_ops.idx_webhook_inbox_due is 'When the next retry is due.';

-- A webhook may be a list. Its elements are independent: what can be done is done, and the rest stands here.
create table raw_ops.webhook_elements (
    id          uuid        not null,
    webhook_id  uuid        not null,
    shop_domain text        not null default '',
    provider    text        not null,
    path        text        not null,
    element     jsonb       not null,
    state       text        not null,
    reference   text,
    error       text        not null,
    waits_until timestamptz,
    created_at  timestamptz not null default clock_timestamp(),
    constraint webhook_elements_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint webhook_elements_pkey primary key (id),
    constraint webhook_elements_state_check check (state in ('waiting', 'refused')),
    constraint webhook_elements_waiting_check
        check (state <> 'waiting' or reference is not null and waits_until is not null),
    constraint webhook_elements_reference_check check (length(reference) <= 100)
);
create unique index webhook_elements_path_key on raw_ops.webhook_elements (webhook_id, hashtextextended(path, 0));
create unique index webhook_elements_waiting_key
    on raw_ops.webhook_elements (provider, reference, shop_domain, jsonb_hash_extended(element, 0))
    where state = 'waiting';
create index idx_webhook_elements_created_at on raw_ops.webhook_elements (created_at);
alter table raw_ops.webhook_elements enable row level security;
comment on table raw_ops.webhook_elements is
    'Elements of webhooks that could not be done while others of the same webhook were: they wait for what they are about, or nobody can read them. Look at the view webhook_elements_left.';
comment on column raw_ops.webhook_elements.webhook_id is 'The webhook it came in; webhook_inbox.id, or of its archive.';
comment on column raw_ops.webhook_elements.path is 'Where in the payload it stands: event.events[1].';
comment on column raw_ops.webhook_elements.element is 'The element as it came.';
comment on column raw_ops.webhook_elements.state is
    'waiting: done, and gone from here, once what it is about appears; refused: a person has to look at it.';
comment on column raw_ops.webhook_elements.reference is 'What it waits for, in capitals: for dpd the tracking number.';
comment on column raw_ops.webhook_elements.error is 'What it waits for, or what is wrong with it, naming the field.';
comment on column raw_ops.webhook_elements.waits_until is
    'Later it is not matched any more: couriers use numbers again, and it may be about another shipment then.';
comment on index raw_ops.webhook_elements_waiting_key is 'From what has appeared to what waits for it; the same element sent twice waits once.';
revoke all on raw_ops.webhook_elements from public;
