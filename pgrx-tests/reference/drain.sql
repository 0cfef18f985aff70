-- The reference of `make bench`: the best row-by-row drain in PL/pgSQL we could write. Same tables, same indexes, same
-- triggers, same rows written. Each payload is decompressed once (jsonb_to_record takes it apart in one pass), every
-- statement is planned once, the inbox row is updated in place by its ctid.

create schema if not exists reference;

create or replace function reference.apply_order(p_payload jsonb, p_shop text) returns uuid
    language plpgsql
    set search_path = pg_catalog, raw_ops
as $apply$
declare
    o          record;
    c          record;
    v_customer uuid;
    v_order    uuid;
    v_email    text;
begin
    select * into o from jsonb_to_record(p_payload) as x(
        id bigint, order_number bigint, name text, email text, contact_email text, currency text,
        total_price numeric, subtotal_price numeric, total_tax numeric, total_discounts numeric,
        total_shipping_price_set jsonb, financial_status text, fulfillment_status text,
        shipping_address jsonb, billing_address jsonb, note text, tags text, test boolean,
        created_at timestamptz, cancelled_at timestamptz, cancel_reason text, updated_at timestamptz,
        customer jsonb, line_items jsonb);
    v_email := coalesce(nullif(o.email, ''), nullif(o.contact_email, ''));
    select * into c from jsonb_to_record(coalesce(nullif(o.customer, 'null'), '{}')) as x(
        id bigint, email text, first_name text, last_name text, phone text, email_marketing_consent jsonb);
    if c.id is not null then
        insert into raw_ops.customers as t
               (id, shop_domain, shopify_customer_id, email, first_name, last_name, phone, accepts_marketing,
                shopify_updated_at)
        values (raw_ops.fn_uuid_v7(), p_shop, c.id, nullif(c.email, ''), nullif(c.first_name, ''), nullif(c.last_name, ''),
                nullif(c.phone, ''), c.email_marketing_consent->>'state' = 'subscribed', o.updated_at)
            on conflict (shop_domain, shopify_customer_id) do update
           set email = coalesce(excluded.email, t.email),
               first_name = coalesce(excluded.first_name, t.first_name),
               last_name = coalesce(excluded.last_name, t.last_name),
               phone = coalesce(excluded.phone, t.phone),
               accepts_marketing = coalesce(excluded.accepts_marketing, t.accepts_marketing),
               shopify_updated_at = excluded.shopify_updated_at, updated_at = now()
         where (t.shopify_updated_at is null or excluded.shopify_updated_at >= t.shopify_updated_at)
           and (t.shopify_updated_at < excluded.shopify_updated_at
                or (t.email, t.first_name, t.last_name, t.phone, t.accepts_marketing) is distinct from
                   (coalesce(excluded.email, t.email), coalesce(excluded.first_name, t.first_name),
                    coalesce(excluded.last_name, t.last_name), coalesce(excluded.phone, t.phone),
                    coalesce(excluded.accepts_marketing, t.accepts_marketing)))
        returning t.id into v_customer;
        if v_customer is null then
            select t.id into v_customer from raw_ops.customers t where t.shop_domain = p_shop and t.shopify_customer_id = c.id;
        end if;
    elsif v_email is not null then
        -- A guest is who has the address, else a row of their own.
        select t.id into v_customer from raw_ops.customers t
         where sha256(replace(lower(t.email), E'\\', E'\\\\')::bytea) = sha256(replace(lower(v_email), E'\\', E'\\\\')::bytea)
           and t.shop_domain = p_shop
         order by t.shopify_customer_id nulls last limit 1;
        if v_customer is null then
            insert into raw_ops.customers
                   (id, shop_domain, email, first_name, last_name, phone, shopify_updated_at)
            values (raw_ops.fn_uuid_v7(), p_shop, v_email, nullif(c.first_name, ''), nullif(c.last_name, ''),
                    nullif(c.phone, ''), o.updated_at)
            returning id into v_customer;
        end if;
    end if;

    insert into raw_ops.orders as t
           (id, shop_domain, shopify_order_id, order_number, order_name, customer_id, email, currency, total_price,
            subtotal_price, total_tax, total_discounts, total_shipping, financial_status, fulfillment_status, shipping_address,
            billing_address, note, tags, is_test, ordered_at, cancelled_at, cancel_reason, shopify_updated_at)
    values (raw_ops.fn_uuid_v7(), p_shop, o.id, o.order_number, o.name, v_customer,
            v_email, o.currency, o.total_price, o.subtotal_price,
            o.total_tax, o.total_discounts, (o.total_shipping_price_set->'shop_money'->>'amount')::numeric,
            o.financial_status, o.fulfillment_status, o.shipping_address, o.billing_address, o.note, o.tags,
            coalesce(o.test, false), o.created_at, o.cancelled_at, o.cancel_reason, o.updated_at)
        on conflict (shopify_order_id, shop_domain) do update
       set order_number = coalesce(excluded.order_number, t.order_number),
           order_name = coalesce(excluded.order_name, t.order_name),
           customer_id = coalesce(excluded.customer_id, t.customer_id),
           email = coalesce(excluded.email, t.email),
           currency = coalesce(excluded.currency, t.currency),
           total_price = coalesce(excluded.total_price, t.total_price),
           subtotal_price = coalesce(excluded.subtotal_price, t.subtotal_price),
           total_tax = coalesce(excluded.total_tax, t.total_tax),
           total_discounts = coalesce(excluded.total_discounts, t.total_discounts),
           total_shipping = coalesce(excluded.total_shipping, t.total_shipping),
           financial_status = coalesce(excluded.financial_status, t.financial_status),
           fulfillment_status = coalesce(excluded.fulfillment_status, t.fulfillment_status),
           shipping_address = coalesce(excluded.shipping_address, t.shipping_address),
           billing_address = coalesce(excluded.billing_address, t.billing_address),
           note = coalesce(excluded.note, t.note),
           tags = coalesce(excluded.tags, t.tags),
           cancelled_at = coalesce(excluded.cancelled_at, t.cancelled_at),
           cancel_reason = coalesce(excluded.cancel_reason, t.cancel_reason),
           shopify_updated_at = excluded.shopify_updated_at, updated_at = now()
     where (t.shopify_updated_at is null or excluded.shopify_updated_at >= t.shopify_updated_at)
       and (t.order_number, t.order_name, t.customer_id, t.email, t.currency, t.total_price, t.subtotal_price,
            t.total_tax, t.total_discounts, t.total_shipping, t.financial_status, t.fulfillment_status,
            t.shipping_address, t.billing_address, t.note, t.tags, t.cancelled_at, t.cancel_reason,
            t.shopify_updated_at)
           is distinct from
           (coalesce(excluded.order_number, t.order_number), coalesce(excluded.order_name, t.order_name),
            coalesce(excluded.customer_id, t.customer_id), coalesce(excluded.email, t.email),
            coalesce(excluded.currency, t.currency), coalesce(excluded.total_price, t.total_price),
            coalesce(excluded.subtotal_price, t.subtotal_price), coalesce(excluded.total_tax, t.total_tax),
            coalesce(excluded.total_discounts, t.total_discounts), coalesce(excluded.total_shipping, t.total_shipping),
            coalesce(excluded.financial_status, t.financial_status),
            coalesce(excluded.fulfillment_status, t.fulfillment_status),
            coalesce(excluded.shipping_address, t.shipping_address),
            coalesce(excluded.billing_address, t.billing_address), coalesce(excluded.note, t.note),
            coalesce(excluded.tags, t.tags), coalesce(excluded.cancelled_at, t.cancelled_at),
            coalesce(excluded.cancel_reason, t.cancel_reason), excluded.shopify_updated_at)
    returning t.id into v_order;
    if v_order is null then
        select t.id into v_order from raw_ops.orders t
         where t.shopify_order_id = o.id and t.shop_domain = p_shop and t.shopify_updated_at <= o.updated_at;
        if v_order is null then
            return null;
        end if;
    end if;

    insert into raw_ops.order_items as t
           (id, shop_domain, order_id, shopify_line_item_id, product_id, variant_id, sku, title, variant_title, vendor,
            quantity, current_quantity, price, total_discount, gift_card)
    select raw_ops.fn_uuid_v7(), p_shop, v_order, i.id, i.product_id, i.variant_id, nullif(i.sku, ''), i.title,
           nullif(i.variant_title, ''), nullif(i.vendor, ''), i.quantity, i.current_quantity, i.price,
           i.total_discount, i.gift_card
      from jsonb_to_recordset(o.line_items) as i(
           id bigint, product_id bigint, variant_id bigint, sku text, title text, variant_title text, vendor text,
           quantity integer, current_quantity integer, price numeric, total_discount numeric, gift_card boolean)
        on conflict (order_id, shopify_line_item_id) do update
       set quantity = excluded.quantity, current_quantity = excluded.current_quantity, price = excluded.price,
           total_discount = excluded.total_discount, updated_at = now()
     where (t.quantity, t.current_quantity, t.price, t.total_discount) is distinct from
           (excluded.quantity, excluded.current_quantity, excluded.price, excluded.total_discount);
    return v_order;
end
$apply$;

create or replace function reference.drain(p_limit integer) returns integer
    language plpgsql
as $drain$
declare
    w         record;
    v_count   integer := 0;
    v_started timestamptz := clock_timestamp();
begin
    for w in
        select ctid, shop_domain, payload from raw_ops.webhook_inbox
         where processing_status = 'pending'
         order by received_at
         limit p_limit
           for no key update skip locked
    loop
        perform reference.apply_order(w.payload, w.shop_domain);
        update raw_ops.webhook_inbox
           set processing_status = 'success', processing_attempts = processing_attempts + 1,
               processing_duration_ms = extract(milliseconds from clock_timestamp() - v_started)::integer,
               processed_at = clock_timestamp(), next_retry_at = null
         where ctid = w.ctid;
        v_count := v_count + 1;
    end loop;
    return v_count;
end
$drain$;
