-- When to try again. Data, so that an operator can change it; read at every failure.

create table raw_ops.retry_schedule (
    purpose text     not null,
    attempt integer  not null,
    wait    interval not null,
    constraint retry_schedule_pkey primary key (purpose, attempt),
    constraint retry_schedule_purpose_check check (purpose in ('webhooks', 'courier', 'outbound')),
    constraint retry_schedule_attempt_check check (attempt >= 1),
    constraint retry_schedule_wait_check check (wait between interval '0' and interval '30 days')
);
insert into raw_ops.retry_schedule (purpose, attempt, wait) values
    ('webhooks', 1, '0'),
    ('webhooks', 2, '1 minute'),
    ('webhooks', 3, '5 minutes'),
    ('webhooks', 4, '15 minutes'),
    ('webhooks', 5, '30 minutes');

alter table raw_ops.retry_schedule enable row level security;
revoke all on raw_ops.retry_schedule from public;

comment on table raw_ops.retry_schedule is
    'Waits before each attempt. The last attempt listed for a purpose is its last: after it a webhook goes to dlq.';
comment on column raw_ops.retry_schedule.purpose is 'webhooks: processing of the inbox.';
comment on column raw_ops.retry_schedule.wait is 'From the failure of the attempt before; attempt 1 follows receipt.';
