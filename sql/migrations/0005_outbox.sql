-- Sending: the transactional outbox, the secrets it needs, and the guard that keeps a copy of this database silent.

-- A body that is sent to many, or again and again, is stored once.
create table raw_ops.http_bodies (
    id         uuid        not null,
    body       jsonb       not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint http_bodies_pkey primary key (id)
);
comment on table raw_ops.http_bodies is
    'Bodies that several requests share: attempts at one message, or one message to many. One that no request is left for is deleted by raw-ops-housekeeping.';

-- One row an HTTP attempt. It is written with the change that causes it and sent only once that is committed.
create table raw_ops.http_requests (
    id               uuid        not null,
    purpose          text        not null,
    subject_id       uuid        not null,
    destination      text        not null,
    url              text,
    path             text,
    headers          jsonb       not null default '{}'::jsonb,
    body             jsonb,
    body_id          uuid,
    idempotency_key  text        not null,
    attempt          integer     not null default 1,
    state            text        not null default 'queued',
    send_after       timestamptz not null default clock_timestamp(),
    timeout_ms       integer     not null default 10000,
    carrier          text,
    carrier_ref      bigint,
    carrier_epoch    uuid,
    sent_at          timestamptz,
    lease_until      timestamptz,
    completed_at     timestamptz,
    status_code      integer,
    latency_ms       integer,
    error            text,
    response_body    text,
    shop_domain      text        not null default '',
    created_at       timestamptz not null default clock_timestamp(),
    lane             text        generated always as (
        case when destination = 'endpoint' then substring(url from '^https?://([^/?#]+)') else destination end) stored,
    constraint http_requests_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint http_requests_pkey primary key (id),
    constraint http_requests_body_id_fkey foreign key (body_id) references raw_ops.http_bodies (id),
    constraint http_requests_body_check check ((body is null) <> (body_id is null)),
    constraint http_requests_purpose_check check (purpose in ('alert', 'courier', 'outbound')),
    constraint http_requests_destination_check check (destination in (
        'slack_url_ops_alerts', 'slack_url_ops_urgent', 'slack_url_daily_ops', 'slack_url_fallback', 'customerio', 'endpoint')),
    constraint http_requests_state_check check (state in ('queued', 'sending', 'succeeded', 'failed', 'abandoned')),
    constraint http_requests_attempt_check check (attempt >= 1),
    constraint http_requests_timeout_ms_check check (timeout_ms between 100 and 60000),
    constraint http_requests_carrier_check check (carrier in ('builtin', 'pg_net')),
    constraint http_requests_status_code_check check (status_code between 100 and 999),
    constraint http_requests_latency_ms_check check (latency_ms >= 0),
    -- Up to 4 KiB of what a partner's endpoint said, in characters of up to 4 bytes; what others say may echo a secret.
    constraint http_requests_no_echo_check check (destination = 'endpoint' or response_body is null),
    constraint http_requests_response_body_check check (octet_length(response_body) <= 4096),
    constraint http_requests_sending_check check ((state = 'sending') = (lease_until is not null)),
    constraint http_requests_completed_check
        check ((state in ('succeeded', 'failed', 'abandoned')) = (completed_at is not null)),
    -- No user:password@, no blank, no line break.
    constraint http_requests_url_check check (url ~ '^https?://[^/?#@[:space:]]+([/?#][^[:space:]]*)?$'),
    constraint http_requests_endpoint_check check (destination <> 'endpoint' or url is not null)
) with (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 1
);
create index idx_http_requests_queued
    on raw_ops.http_requests (send_after)
    where state = 'queued';
create index idx_http_requests_sending
    on raw_ops.http_requests (lease_until)
    where state = 'sending';
create index idx_http_requests_pg_net_unanswered
    on raw_ops.http_requests (completed_at)
    where carrier = 'pg_net' and status_code is null;
create index idx_http_requests_subject on raw_ops.http_requests (subject_id, attempt);
create index idx_http_requests_body_id
    on raw_ops.http_requests (body_id)
    where body_id is not null;
create index idx_http_requests_created_at on raw_ops.http_requests using brin (created_at);
-- However many processes retry, an attempt at a message exists once.
create unique index http_requests_one_attempt_key
    on raw_ops.http_requests (idempotency_key, destination, attempt);

comment on table raw_ops.http_requests is
    'The outbox: every outgoing HTTP attempt, one row each, queued with the change that causes it. A retry is a row of its own.';
comment on column raw_ops.http_requests.purpose is 'alert, courier or outbound: which part asked, and whose retry schedule applies.';
comment on column raw_ops.http_requests.subject_id is
    'What it is about: alert_messages.id for alert, ops_events.id for courier, webhook_deliveries.id for outbound.';
comment on column raw_ops.http_requests.destination is
    'Where to: the name of the secret that holds the URL (slack_url_…), customerio, or endpoint (url is given).';
comment on column raw_ops.http_requests.url is
    'Where to, without secrets: for Slack host only, filled in when sent; for endpoints the whole URL.';
comment on column raw_ops.http_requests.path is 'For customerio: the path below the base URL.';
comment on column raw_ops.http_requests.headers is 'Further request headers; never credentials, those are added while sending.';
comment on column raw_ops.http_requests.body is
    'Sent as its text form, byte for byte the same with every carrier. Null: it is shared, see body_id.';
comment on column raw_ops.http_requests.body_id is
    'The body in http_bodies, where several requests share it: once an attempt has failed and another follows, or from the start.';
comment on column raw_ops.http_requests.idempotency_key is
    'The same for every attempt at one message: how a receiver recognises a repeat.';
comment on column raw_ops.http_requests.state is
    'queued; sending; succeeded (2xx); failed (another attempt follows); abandoned (no further attempt: look at error).';
comment on column raw_ops.http_requests.send_after is 'Not sent before this time.';
comment on column raw_ops.http_requests.carrier is 'Who sent it: builtin (background worker) or pg_net.';
comment on column raw_ops.http_requests.carrier_ref is 'pg_net''s request id; unique only together with sent_at, since a crash restarts pg_net''s ids.';
comment on column raw_ops.http_requests.carrier_epoch is 'pg_net_epoch at that time: after a crash of the server pg_net knows nothing of it.';
comment on column raw_ops.http_requests.lease_until is
    'While sending: when the sender is given up for dead and the attempt counts as failed.';
comment on column raw_ops.http_requests.latency_ms is 'Milliseconds from sending to the answer.';
comment on column raw_ops.http_requests.lane is 'Requests of one lane share a limit of concurrent sends: host and port of an endpoint, else the destination.';
comment on column raw_ops.http_requests.response_body is
    'The first 4 KiB of the answer, of endpoints only: the answer of a destination with a secret may echo it.';
comment on column raw_ops.http_requests.error is
    'Why it did not succeed. Of a destination with a secret: status and our own words, nothing that came from outside.';
comment on index raw_ops.idx_http_requests_queued is 'The sender''s claim.';
comment on index raw_ops.idx_http_requests_body_id is 'Whether a shared body is still some request''s.';
comment on index raw_ops.idx_http_requests_sending is 'Leases that have run out.';
comment on index raw_ops.idx_http_requests_pg_net_unanswered is 'Requests whose answers pg_net may still bring, to be forgotten.';

-- Emptied by a crash of the server in the same moment as pg_net's tables are: how we learn that those were.
create unlogged table raw_ops.pg_net_epoch (
    only_row boolean not null default true,
    epoch    uuid    not null,
    constraint pg_net_epoch_pkey primary key (only_row),
    constraint pg_net_epoch_only_row_check check (only_row)
);
comment on table raw_ops.pg_net_epoch is
    'Unlogged on purpose: a crash empties it together with pg_net''s tables, whose requests and answers are gone then.';

create table raw_ops.secrets (
    name        text        not null,
    shop_domain text        not null default '',
    ciphertext  bytea       not null,
    nonce       bytea       not null,
    key_id      text        not null,
    updated_at  timestamptz not null default now(),
    updated_by  text        not null default session_user,
    constraint secrets_shop_domain_check check (shop_domain = lower(shop_domain) and length(shop_domain) <= 253),
    constraint secrets_pkey primary key (name, shop_domain),
    constraint secrets_nonce_check check (octet_length(nonce) = 24)
);
comment on table raw_ops.secrets is
    'Secrets, encrypted (XChaCha20-Poly1305) with a key that is not in the database: raw_ops.secret_key_file. Set by fn_set_secret_v1().';
comment on column raw_ops.secrets.shop_domain is 'Whose it is; '''': of every shop that has none of its own.';
comment on column raw_ops.secrets.key_id is 'Fingerprint of the key it was encrypted with.';

-- Which database may send. A restored dump or a copied volume differs from what stands here.
create table raw_ops.clone_guard (
    only_row    boolean     not null default true,
    fingerprint text,
    resumed_at  timestamptz not null default now(),
    resumed_by  text        not null default session_user,
    constraint clone_guard_pkey primary key (only_row),
    constraint clone_guard_only_row_check check (only_row)
);
insert into raw_ops.clone_guard (fingerprint) values (raw_ops.delivery_fingerprint());
comment on table raw_ops.clone_guard is
    'The database that may send where raw_ops.delivery_hosts is empty: a restored or copied one differs from the fingerprint and stays silent until fn_resume_delivery_v1().';
comment on column raw_ops.clone_guard.fingerprint is
    'Of the place: cluster, database, path, file and machine. Null where the host has no machine-id: then only raw_ops.delivery_hosts lets it send.';

alter table raw_ops.retry_schedule drop constraint retry_schedule_purpose_check;
alter table raw_ops.retry_schedule add constraint retry_schedule_purpose_check
    check (purpose in ('webhooks', 'alert', 'courier', 'outbound'));
insert into raw_ops.retry_schedule (purpose, attempt, wait) values
    ('alert', 1, '0'), ('alert', 2, '15 seconds'), ('alert', 3, '1 minute'), ('alert', 4, '3 minutes'),
    ('alert', 5, '10 minutes'), ('alert', 6, '30 minutes'), ('alert', 7, '1 hour'), ('alert', 8, '2 hours'),
    ('alert', 9, '4 hours'), ('alert', 10, '8 hours'),
    ('courier', 1, '0'), ('courier', 2, '5 minutes'), ('courier', 3, '15 minutes'), ('courier', 4, '1 hour'),
    ('courier', 5, '6 hours'),
    ('outbound', 1, '0'), ('outbound', 2, '1 minute'), ('outbound', 3, '5 minutes'), ('outbound', 4, '30 minutes'),
    ('outbound', 5, '2 hours'), ('outbound', 6, '24 hours');
comment on column raw_ops.retry_schedule.purpose is
    'webhooks: processing of the inbox; alert: messages to Slack; courier: customer notifications; outbound: partner webhooks.';

alter table raw_ops.http_bodies enable row level security;
alter table raw_ops.http_requests enable row level security;
alter table raw_ops.pg_net_epoch enable row level security;
alter table raw_ops.secrets enable row level security;
alter table raw_ops.clone_guard enable row level security;
revoke all on raw_ops.http_bodies, raw_ops.http_requests, raw_ops.pg_net_epoch, raw_ops.secrets, raw_ops.clone_guard from public;
