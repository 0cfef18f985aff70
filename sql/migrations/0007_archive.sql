-- Counters that outlive the rows they count, the archive of the inbox, and how long logs are kept.

-- Append-only, so that drains never wait for each other over a counter; folded into webhook_totals now and then.
create table raw_ops.webhook_tallies (
    provider    text        not null,
    shop_domain text        not null default '',
    processed   bigint      not null default 0,
    failed      bigint      not null default 0,
    duration_ms bigint      not null default 0,
    duplicates  bigint      not null default 0,
    counted_at  timestamptz not null default clock_timestamp(),
    constraint webhook_tallies_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint webhook_tallies_counts_check
        check (processed >= 0 and failed >= 0 and duration_ms >= 0 and duplicates >= 0)
);
create table raw_ops.webhook_totals (
    provider    text   not null,
    shop_domain text   not null default '',
    processed   bigint not null default 0,
    failed      bigint not null default 0,
    duration_ms bigint not null default 0,
    duplicates  bigint not null default 0,
    constraint webhook_totals_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint webhook_totals_pkey primary key (provider, shop_domain),
    constraint webhook_totals_counts_check
        check (processed >= 0 and failed >= 0 and duration_ms >= 0 and duplicates >= 0)
);
comment on table raw_ops.webhook_tallies is
    'What drains and captures counted, one row a set, provider and shop, not yet folded into webhook_totals.';
comment on column raw_ops.webhook_tallies.failed is 'Failed attempts, those included that ended in a dead letter.';
comment on column raw_ops.webhook_tallies.duration_ms is 'Sum of processing_duration_ms of these attempts.';
comment on table raw_ops.webhook_totals is
    'Webhooks processed, failed attempts and duplicates since the beginning, archival included. Add webhook_tallies for the figure of now.';

-- The inbox's columns in the inbox's order (attempts plain), then archived_at: so INSERT INTO ... SELECT * works.
create table raw_ops.webhook_inbox_archive (
    id                     uuid        not null,
    provider               text        not null,
    topic                  text        not null,
    event_id               text        not null,
    shop_domain            text        not null default '',
    payload                jsonb,
    raw_body               bytea,
    headers                jsonb       not null,
    processing_status      text        not null,
    processing_attempts    integer     not null,
    attempts               integer,
    processing_duration_ms integer,
    last_error             text,
    last_error_at          timestamptz,
    error_category         text,
    shopify_order_id       bigint,
    triggered_at           timestamptz,
    received_at            timestamptz not null,
    created_at             timestamptz not null,
    processed_at           timestamptz,
    next_retry_at          timestamptz,
    duplicate_count        integer     not null,
    replay_of              uuid,
    archived_at            timestamptz not null default clock_timestamp(),
    constraint webhook_inbox_archive_pkey primary key (id, created_at),
    constraint webhook_inbox_archive_processing_status_check
        check (processing_status in ('success', 'resolved_manual'))
) partition by range (created_at);
-- As in the inbox, for rows that come in by another way than from there.
do $lz4$
begin
    if current_setting('server_version_num')::int >= 140000 then
        execute 'alter table raw_ops.webhook_inbox_archive
                     alter column payload set compression lz4,
                     alter column raw_body set compression lz4,
                     alter column headers set compression lz4';
    end if;
exception when feature_not_supported then
    null;
end
$lz4$;
-- Whatever is inserted by hand before its month's partition exists.
create table raw_ops.webhook_inbox_archive_other partition of raw_ops.webhook_inbox_archive default;
create index idx_webhook_inbox_archive_event on raw_ops.webhook_inbox_archive (shop_domain, provider, event_id);
create index idx_webhook_inbox_archive_shopify_order
    on raw_ops.webhook_inbox_archive (shopify_order_id)
    where shopify_order_id is not null;
comment on table raw_ops.webhook_inbox_archive is
    'Webhooks that are done with, moved here by fn_archive_webhooks_v1(); partitioned by the month (UTC) of created_at.';
comment on column raw_ops.webhook_inbox_archive.archived_at is 'When it was moved here.';
comment on table raw_ops.webhook_inbox_archive_other is
    'Rows whose month has no partition yet; the archive run that makes one moves them there.';

create table raw_ops.log_retention (
    log_name text     not null,
    keep_for interval not null,
    constraint log_retention_pkey primary key (log_name),
    constraint log_retention_log_name_check
        check (log_name in ('webhook_inbox', 'monitoring_runs', 'http_requests', 'alerts', 'webhook_elements',
                            'cron.job_run_details')),
    constraint log_retention_keep_for_check check (keep_for >= interval '1 day')
);
insert into raw_ops.log_retention (log_name, keep_for) values
    ('webhook_inbox', '90 days'), ('monitoring_runs', '30 days'), ('http_requests', '30 days'), ('alerts', '365 days'),
    ('webhook_elements', '30 days'),     ('cron.job_run_details', '7 days');
comment on table raw_ops.log_retention is
    'How long each log is kept. raw-ops-housekeeping deletes what is older, never anything that is still open; raw-ops-archive moves webhooks. Without a row a log is kept for good, webhooks stay 90 days.';

-- What housekeeping has deleted of the outbox is still counted.
create table raw_ops.http_request_totals (
    purpose     text   not null,
    shop_domain text   not null default '',
    succeeded   bigint not null default 0,
    failed      bigint not null default 0,
    abandoned   bigint not null default 0,
    constraint http_request_totals_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint http_request_totals_pkey primary key (purpose, shop_domain),
    constraint http_request_totals_counts_check check (succeeded >= 0 and failed >= 0 and abandoned >= 0)
);
comment on table raw_ops.http_request_totals is
    'Requests that raw-ops-housekeeping has deleted from http_requests, by purpose, shop and how they ended. Add http_requests for the figure of now.';
create index idx_http_requests_outcome
    on raw_ops.http_requests (purpose, state, shop_domain)
    where state in ('succeeded', 'failed', 'abandoned');
comment on index raw_ops.idx_http_requests_outcome is 'Counting requests for fn_metrics_v1() without reading them.';

alter table raw_ops.webhook_tallies enable row level security;
alter table raw_ops.webhook_totals enable row level security;
alter table raw_ops.webhook_inbox_archive enable row level security;
alter table raw_ops.webhook_inbox_archive_other enable row level security;
alter table raw_ops.log_retention enable row level security;
alter table raw_ops.http_request_totals enable row level security;
revoke all on raw_ops.webhook_tallies, raw_ops.webhook_totals, raw_ops.webhook_inbox_archive,
    raw_ops.webhook_inbox_archive_other, raw_ops.log_retention, raw_ops.http_request_totals from public;
