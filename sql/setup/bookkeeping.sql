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

do $definitions$
begin
    if to_regclass('raw_ops.schema_objects') is not null then
        return;
    end if;
    create table raw_ops.schema_objects (
        kind           text        not null,
        table_name     text        not null,
        name           text        not null,
        definition     text        not null,
        position       integer,
        server_version integer     not null default current_setting('server_version_num')::integer / 10000,
        recorded_at    timestamptz not null default now(),
        constraint schema_objects_pkey primary key (kind, table_name, name),
        constraint schema_objects_kind_check
            check (kind in ('column', 'required', 'default', 'generated', 'index', 'constraint', 'check', 'trigger', 'view'))
    );
    alter table raw_ops.schema_objects enable row level security;
    revoke all on raw_ops.schema_objects from public;
    comment on table raw_ops.schema_objects is
        'How setup() has defined what it made; fn_health_v1() compares. What an owner added is not here. A row deleted: not compared. All rows deleted: the next setup() records what stands then.';
    comment on column raw_ops.schema_objects.kind is
        'Of a column: column (its type), required, default, generated. constraint: a primary, unique or foreign key. view: the SHA-256 of its script, and the view as it is printed; while both are so, setup() leaves the views alone.';
    comment on column raw_ops.schema_objects.definition is 'As the server prints it, with UTC and ISO dates.';
    comment on column raw_ops.schema_objects.position is 'Of a column: its number, by which it is known when it is renamed.';
    comment on column raw_ops.schema_objects.server_version is 'Major version of the server that printed it; another prints some differently.';
end
$definitions$;
