-- A stand-in for the extension pg_net 0.20.5, which no package registry has: the same tables, signatures, checks and
-- grants. What pg_net does in C is done here by SQL, and its background worker by the harness (src/pg_net).
-- Written from its documentation and observed behaviour, not a copy.

create schema net;

create domain net.http_method as text
    check (value ilike any (array['get', 'post', 'delete']));

-- Emptied by a crash, both of them, and the ids begin again at 1 (from PostgreSQL 15 on; before, only the rows go).
create unlogged table net.http_request_queue (
    id                   bigserial,
    method               net.http_method not null,
    url                  text            not null,
    headers              jsonb,
    body                 bytea,
    timeout_milliseconds integer         not null
);

create unlogged table net._http_response (
    id           bigint,
    status_code  integer,
    content_type text,
    headers      jsonb,
    content      text,
    timed_out    boolean,
    error_msg    text,
    created      timestamptz not null default now()
);
create index on net._http_response (created);

-- The worker hears of it when the transaction commits, and never if it does not.
create function net.wake() returns void language sql
as $$ select pg_notify('pg_net_wake', '') $$;

-- pg_net's own look for a process of that type; the stand-in's worker is a session of that name.
create function net.check_worker_is_up() returns void language plpgsql
as $$
begin
    if not exists (select from pg_stat_activity where application_name like 'pg_net % worker') then
        raise exception 'the pg_net background worker is not up'
            using detail = 'the pg_net background worker is down due to an internal error and cannot process requests',
                  hint = 'make sure that you didn''t modify any of pg_net internal tables';
    end if;
end
$$;

create function net.wait_until_running() returns void language plpgsql
as $$
begin
    while not exists (select from pg_stat_activity where application_name like 'pg_net % worker') loop
        perform pg_sleep(0.01), pg_stat_clear_snapshot();
    end loop;
end
$$;

create function net.worker_restart() returns boolean language sql
as $$
    select coalesce(bool_and(pg_terminate_backend(pid)), true) and pg_reload_conf()
      from pg_stat_activity where application_name like 'pg_net % worker'
$$;

create function net._urlencode_string(string varchar) returns text language sql immutable
as $$
    select coalesce(string_agg(
               case when byte between 48 and 57 or byte between 65 and 90 or byte between 97 and 122
                         or byte in (45, 46, 95, 126)
                    then chr(byte) else '%' || upper(lpad(to_hex(byte), 2, '0')) end, '' order by position), '')
      from (select position, get_byte(convert_to(string, 'UTF8'), position) as byte
              from generate_series(0, octet_length(convert_to(string, 'UTF8')) - 1) position) bytes
$$;

create function net._encode_url_with_params_array(url text, params_array text[]) returns text language sql immutable
as $$
    select case when cardinality(params_array) = 0 then url
                else url || case when url like '%?%' then '&' else '?' end || array_to_string(params_array, '&') end
$$;

create function net.http_get(
    url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000
) returns bigint language plpgsql
as $$
declare
    request_id bigint;
begin
    insert into net.http_request_queue (method, url, headers, timeout_milliseconds)
    values ('GET',
            net._encode_url_with_params_array(url, array(
                select net._urlencode_string(key) || '=' || net._urlencode_string(value) from jsonb_each_text(params))),
            headers, timeout_milliseconds)
    returning id into request_id;
    perform net.wake();
    return request_id;
end
$$;

create function net.http_post(
    url text, body jsonb default '{}', params jsonb default '{}',
    headers jsonb default '{"Content-Type": "application/json"}', timeout_milliseconds integer default 5000
) returns bigint language plpgsql
as $$
declare
    request_id   bigint;
    content_type text;
begin
    select value into content_type
      from jsonb_each_text(coalesce(headers, '{}')) where lower(key) = 'content-type' limit 1;
    if content_type is null then
        -- With headers that are null this stays null: sent as a form.
        headers := headers || '{"Content-Type": "application/json"}';
    elsif content_type <> 'application/json' then
        raise exception 'Content-Type header must be "application/json"';
    end if;
    insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
    values ('POST',
            net._encode_url_with_params_array(url, array(
                select net._urlencode_string(key) || '=' || net._urlencode_string(value) from jsonb_each_text(params))),
            headers, convert_to(body::text, 'UTF8'), timeout_milliseconds)
    returning id into request_id;
    perform net.wake();
    return request_id;
end
$$;

create function net.http_delete(
    url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000,
    body jsonb default null
) returns bigint language plpgsql
as $$
declare
    request_id bigint;
begin
    insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
    values ('DELETE',
            net._encode_url_with_params_array(url, array(
                select net._urlencode_string(key) || '=' || net._urlencode_string(value) from jsonb_each_text(params))),
            headers, convert_to(body::text, 'UTF8'), timeout_milliseconds)
    returning id into request_id;
    perform net.wake();
    return request_id;
end
$$;

-- As the real one does: everybody may do everything.
grant usage on schema net to public;
grant all on all sequences in schema net to public;
grant all on all tables in schema net to public;
