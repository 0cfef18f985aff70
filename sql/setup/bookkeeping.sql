do $bookkeeping$
begin
    if to_regclass('raw_ops.schema_migrations') is not null then
        return;
    end if;
    create table raw_ops.schema_migrations (
        version    integer     not null,
        name       text        not null,
        applied_at timestamptz not null default now(),
        applied_by text        not null default current_user,
        constraint schema_migrations_pkey primary key (version)
    );
    alter table raw_ops.schema_migrations enable row level security;
    revoke all on raw_ops.schema_migrations from public;
    comment on table raw_ops.schema_migrations is 'Which numbered migrations of raw_ops.setup() this database has.';
end
$bookkeeping$;
