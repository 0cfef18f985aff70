-- Everything that a fresh setup() makes in the schema raw_ops, as pg_dump prints it: tables with their keys, indexes and
-- triggers, then views. For reading; setup() makes it from sql/migrations/, sql/setup/ and sql/views/.
-- Generated: `make schema` writes it, a test compares it.

CREATE TABLE raw_ops.alert_messages (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    alert_id uuid NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    channel text NOT NULL,
    title text NOT NULL,
    body jsonb NOT NULL,
    delivery text DEFAULT 'pending'::text NOT NULL,
    reached text,
    last_error text,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    delivered_at timestamp with time zone,
    CONSTRAINT alert_messages_channel_check CHECK ((channel = ANY (ARRAY['#ops-alerts'::text, '#ops-urgent'::text, '#daily-ops'::text]))),
    CONSTRAINT alert_messages_delivered_check CHECK (((delivery = 'delivered'::text) = (delivered_at IS NOT NULL))),
    CONSTRAINT alert_messages_delivery_check CHECK ((delivery = ANY (ARRAY['pending'::text, 'delivered'::text, 'undelivered'::text, 'superseded'::text, 'discarded'::text]))),
    CONSTRAINT alert_messages_kind_check CHECK ((kind = ANY (ARRAY['opened'::text, 'escalated'::text, 'repeated'::text, 'resolved'::text, 'info'::text]))),
    CONSTRAINT alert_messages_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text])))
);
COMMENT ON TABLE raw_ops.alert_messages IS 'Every message about an alert, and whether it reached anybody.';
COMMENT ON COLUMN raw_ops.alert_messages.body IS 'The Slack message as posted.';
COMMENT ON COLUMN raw_ops.alert_messages.delivery IS 'pending: on its way or waiting for its next attempt; delivered; undelivered: no attempt is left; superseded: a later message about the same alert went out instead; discarded: by fn_resume_delivery_v1(true).';
COMMENT ON COLUMN raw_ops.alert_messages.reached IS 'Where it arrived: the channel, or fallback.';
ALTER TABLE ONLY raw_ops.alert_messages
    ADD CONSTRAINT alert_messages_pkey PRIMARY KEY (id);
CREATE INDEX idx_alert_messages_alert_id ON raw_ops.alert_messages USING btree (alert_id, created_at);
CREATE INDEX idx_alert_messages_unreached ON raw_ops.alert_messages USING btree (created_at) WHERE (delivery = ANY (ARRAY['pending'::text, 'undelivered'::text]));
ALTER TABLE ONLY raw_ops.alert_messages
    ADD CONSTRAINT alert_messages_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES raw_ops.alerts(id) ON DELETE CASCADE;
ALTER TABLE raw_ops.alert_messages ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.alerts (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    check_name text NOT NULL,
    condition text NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    severity text NOT NULL,
    channel text NOT NULL,
    title text NOT NULL,
    fields jsonb DEFAULT '[]'::jsonb NOT NULL,
    next text[] DEFAULT '{}'::text[] NOT NULL,
    occurrences integer DEFAULT 1 NOT NULL,
    opened_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_notified_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    resolved_at timestamp with time zone,
    CONSTRAINT alerts_channel_check CHECK ((channel = ANY (ARRAY['#ops-alerts'::text, '#ops-urgent'::text, '#daily-ops'::text]))),
    CONSTRAINT alerts_fields_check CHECK ((jsonb_typeof(fields) = 'array'::text)),
    CONSTRAINT alerts_occurrences_check CHECK ((occurrences >= 1)),
    CONSTRAINT alerts_resolved_check CHECK (((state = 'resolved'::text) = (resolved_at IS NOT NULL))),
    CONSTRAINT alerts_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text]))),
    CONSTRAINT alerts_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253))),
    CONSTRAINT alerts_state_check CHECK ((state = ANY (ARRAY['open'::text, 'resolved'::text, 'info'::text])))
);
COMMENT ON TABLE raw_ops.alerts IS 'What was found wrong: one open row per check, condition and shop, closed when the check no longer finds it.';
COMMENT ON COLUMN raw_ops.alerts.shop_domain IS 'The shop it is about; '''': all shops, or none is known.';
COMMENT ON COLUMN raw_ops.alerts.state IS 'open; resolved; info: told once and not followed (the daily digest).';
COMMENT ON COLUMN raw_ops.alerts.severity IS 'The highest so far.';
COMMENT ON COLUMN raw_ops.alerts.next IS 'What to do about it, in order, as the last run found it: each is one statement that runs as it stands, or a comment.';
COMMENT ON COLUMN raw_ops.alerts.occurrences IS 'How many runs have found it.';
ALTER TABLE ONLY raw_ops.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX alerts_one_open_key ON raw_ops.alerts USING btree (check_name, condition, shop_domain) WHERE (state = 'open'::text);
COMMENT ON INDEX raw_ops.alerts_one_open_key IS 'One open alert per check, condition and shop, also when two runs find it at once.';
CREATE INDEX idx_alerts_opened_at ON raw_ops.alerts USING btree (opened_at DESC);
ALTER TABLE raw_ops.alerts ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.clone_guard (
    only_row boolean DEFAULT true NOT NULL,
    fingerprint text,
    resumed_at timestamp with time zone DEFAULT now() NOT NULL,
    resumed_by text DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT clone_guard_only_row_check CHECK (only_row)
);
COMMENT ON TABLE raw_ops.clone_guard IS 'The database that may send where raw_ops.delivery_hosts is empty: a restored or copied one differs from the fingerprint and stays silent until fn_resume_delivery_v1().';
COMMENT ON COLUMN raw_ops.clone_guard.fingerprint IS 'Of the place: cluster, database, path, file and machine. Null where the host has no machine-id: then only raw_ops.delivery_hosts lets it send.';
ALTER TABLE ONLY raw_ops.clone_guard
    ADD CONSTRAINT clone_guard_pkey PRIMARY KEY (only_row);
ALTER TABLE raw_ops.clone_guard ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.courier_event_mapping (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    courier_name text NOT NULL,
    event_code text NOT NULL,
    event_type text NOT NULL,
    notification_template_id text,
    requires_customer_notification boolean NOT NULL,
    priority text NOT NULL,
    customer_message text,
    task_sla interval,
    task_action text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT courier_event_mapping_priority_check CHECK ((priority = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text]))),
    CONSTRAINT courier_event_mapping_task_check CHECK (((task_sla IS NULL) = (task_action IS NULL))),
    CONSTRAINT courier_event_mapping_task_sla_check CHECK ((task_sla > '00:00:00'::interval)),
    CONSTRAINT courier_event_mapping_template_check CHECK (((NOT requires_customer_notification) OR (COALESCE(notification_template_id, ''::text) <> ''::text)))
);
COMMENT ON TABLE raw_ops.courier_event_mapping IS 'What each event code of each courier means and who is told. Data: a code that is not here is stored and tells nobody.';
COMMENT ON COLUMN raw_ops.courier_event_mapping.courier_name IS 'Compared without regard to case.';
COMMENT ON COLUMN raw_ops.courier_event_mapping.event_code IS 'Text, compared exactly: 1 is not 01.';
COMMENT ON COLUMN raw_ops.courier_event_mapping.event_type IS 'Yours to name. Two have a meaning: delivered and returned end the shipment''s way, and nobody is told of its other events any more.';
COMMENT ON COLUMN raw_ops.courier_event_mapping.notification_template_id IS 'What the Customer.io campaign branches on.';
COMMENT ON COLUMN raw_ops.courier_event_mapping.customer_message IS 'The event''s description for the customer when the courier sends no text.';
COMMENT ON COLUMN raw_ops.courier_event_mapping.task_sla IS 'A person has to act within this time; null: nobody has to.';
COMMENT ON COLUMN raw_ops.courier_event_mapping.task_action IS 'What that person does.';
ALTER TABLE ONLY raw_ops.courier_event_mapping
    ADD CONSTRAINT courier_event_mapping_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX courier_event_mapping_key ON raw_ops.courier_event_mapping USING btree (lower(courier_name), event_code);
CREATE INDEX idx_courier_event_mapping_code ON raw_ops.courier_event_mapping USING btree (courier_name, event_code);
ALTER TABLE raw_ops.courier_event_mapping ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.courier_events (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    shipment_id uuid NOT NULL,
    courier_name text NOT NULL,
    event_code text NOT NULL,
    event_type text,
    event_text text,
    event_time timestamp with time zone NOT NULL,
    requires_customer_notification boolean DEFAULT false NOT NULL,
    withheld text,
    raw_payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT courier_events_event_code_check CHECK (((length(event_code) >= 1) AND (length(event_code) <= 100))),
    CONSTRAINT courier_events_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253))),
    CONSTRAINT courier_events_withheld_check CHECK (((withheld IS NULL) OR ((withheld = ANY (ARRAY['too_old'::text, 'delivered'::text, 'returned'::text])) AND (NOT requires_customer_notification))))
);
COMMENT ON TABLE raw_ops.courier_events IS 'Every event a courier reported, once each; written by process_courier_event().';
COMMENT ON COLUMN raw_ops.courier_events.event_type IS 'From the mapping as it was then; null: the code was not in it.';
COMMENT ON COLUMN raw_ops.courier_events.event_time IS 'When the courier says it happened.';
COMMENT ON COLUMN raw_ops.courier_events.requires_customer_notification IS 'Whether the customer was to be told of it.';
COMMENT ON COLUMN raw_ops.courier_events.withheld IS 'Why nobody was told and no task opened, though the mapping says so: too_old (raw_ops.courier_notice_max_age), or the shipment was delivered or returned already.';
COMMENT ON COLUMN raw_ops.courier_events.created_at IS 'When it was recorded here.';
ALTER TABLE ONLY raw_ops.courier_events
    ADD CONSTRAINT courier_events_pkey PRIMARY KEY (id);
CREATE INDEX idx_courier_events_created_at ON raw_ops.courier_events USING btree (created_at DESC);
CREATE INDEX idx_courier_events_ended ON raw_ops.courier_events USING btree (shipment_id) WHERE (event_type = ANY (ARRAY['delivered'::text, 'returned'::text]));
CREATE UNIQUE INDEX idx_courier_events_idempotency ON raw_ops.courier_events USING btree (shipment_id, event_code, event_time);
COMMENT ON INDEX raw_ops.idx_courier_events_idempotency IS 'The same event twice tells the customer once, also when two report it at once.';
CREATE INDEX idx_courier_events_shipment_id ON raw_ops.courier_events USING btree (shipment_id);
ALTER TABLE ONLY raw_ops.courier_events
    ADD CONSTRAINT courier_events_shipment_id_fkey FOREIGN KEY (shipment_id) REFERENCES raw_ops.shipments(id);
ALTER TABLE raw_ops.courier_events ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.courier_tasks (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    courier_event_id uuid NOT NULL,
    shipment_id uuid NOT NULL,
    event_code text NOT NULL,
    event_type text NOT NULL,
    action text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    done_at timestamp with time zone,
    done_by text,
    note text,
    shop_domain text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT courier_tasks_done_check CHECK (((done_at IS NULL) OR (note <> ''::text))),
    CONSTRAINT courier_tasks_due_check CHECK ((due_at > created_at)),
    CONSTRAINT courier_tasks_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253)))
);
COMMENT ON TABLE raw_ops.courier_tasks IS 'What a person has to do about a courier event, and until when. Closed by fn_complete_courier_task_v1().';
COMMENT ON COLUMN raw_ops.courier_tasks.due_at IS 'When it was recorded, plus the mapping''s task_sla.';
COMMENT ON COLUMN raw_ops.courier_tasks.note IS 'What was done; required once it is done.';
ALTER TABLE ONLY raw_ops.courier_tasks
    ADD CONSTRAINT courier_tasks_courier_event_id_key UNIQUE (courier_event_id);
ALTER TABLE ONLY raw_ops.courier_tasks
    ADD CONSTRAINT courier_tasks_pkey PRIMARY KEY (id);
CREATE INDEX idx_courier_tasks_open ON raw_ops.courier_tasks USING btree (due_at) WHERE (done_at IS NULL);
CREATE INDEX idx_courier_tasks_shipment_id ON raw_ops.courier_tasks USING btree (shipment_id);
ALTER TABLE ONLY raw_ops.courier_tasks
    ADD CONSTRAINT courier_tasks_courier_event_id_fkey FOREIGN KEY (courier_event_id) REFERENCES raw_ops.courier_events(id) ON DELETE CASCADE;
ALTER TABLE ONLY raw_ops.courier_tasks
    ADD CONSTRAINT courier_tasks_shipment_id_fkey FOREIGN KEY (shipment_id) REFERENCES raw_ops.shipments(id);
ALTER TABLE raw_ops.courier_tasks ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.customer_former_emails (
    email_key bytea NOT NULL,
    customer_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT customer_former_emails_email_key_check CHECK ((octet_length(email_key) = 32))
);
COMMENT ON TABLE raw_ops.customer_former_emails IS 'E-mails that Shopify gave a customer once and not now: a guest''s order with one of them is still this customer''s.';
COMMENT ON COLUMN raw_ops.customer_former_emails.email_key IS 'SHA-256 of the e-mail in lower case.';
ALTER TABLE ONLY raw_ops.customer_former_emails
    ADD CONSTRAINT customer_former_emails_pkey PRIMARY KEY (email_key, customer_id);
CREATE INDEX idx_customer_former_emails_customer_id ON raw_ops.customer_former_emails USING btree (customer_id);
ALTER TABLE ONLY raw_ops.customer_former_emails
    ADD CONSTRAINT customer_former_emails_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES raw_ops.customers(id) ON DELETE CASCADE;
ALTER TABLE raw_ops.customer_former_emails ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.customers (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    shopify_customer_id bigint,
    email text,
    first_name text,
    last_name text,
    phone text,
    accepts_marketing boolean,
    shopify_updated_at timestamp with time zone,
    shopify_triggered_at timestamp with time zone,
    payload_hash bigint,
    field_versions jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT customers_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253)))
);
COMMENT ON TABLE raw_ops.customers IS 'One row a buyer: Shopify customers by their id, guests by lower-cased e-mail until Shopify gives them an id.';
COMMENT ON COLUMN raw_ops.customers.shopify_customer_id IS 'Null for a guest.';
COMMENT ON COLUMN raw_ops.customers.shopify_updated_at IS 'updated_at of the newest order payload about this person; an older one never overwrites what it said.';
COMMENT ON COLUMN raw_ops.customers.shopify_triggered_at IS 'When the webhook of that payload was triggered: decides between equal shopify_updated_at.';
COMMENT ON COLUMN raw_ops.customers.payload_hash IS 'XXH3 of that payload: decides where the times do not.';
COMMENT ON COLUMN raw_ops.customers.field_versions IS 'Fields that the newest payload said nothing about, and the version of the one that did: [updated_at, triggered_at, hash, "phone", …] a version, microseconds since 2000. Null: none.';
ALTER TABLE ONLY raw_ops.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY raw_ops.customers
    ADD CONSTRAINT customers_shop_domain_shopify_customer_id_key UNIQUE (shopify_customer_id, shop_domain);
CREATE UNIQUE INDEX customers_guest_email_key ON raw_ops.customers USING btree (sha256((replace(lower(email), '\'::text, '\\'::text))::bytea), shop_domain) WHERE (shopify_customer_id IS NULL);
COMMENT ON INDEX raw_ops.customers_guest_email_key IS 'One guest row an e-mail, also when two orders arrive at once.';
CREATE INDEX idx_customers_email ON raw_ops.customers USING btree (sha256((replace(lower(email), '\'::text, '\\'::text))::bytea), shop_domain);
COMMENT ON INDEX raw_ops.idx_customers_email IS 'Who has an e-mail: SHA-256 of it in lower case, so that its length is no matter.';
CREATE INDEX idx_customers_of_no_shop ON raw_ops.customers USING btree (created_at) WHERE (shop_domain = ''::text);
COMMENT ON INDEX raw_ops.idx_customers_of_no_shop IS 'Whether there is anybody whom the only shop takes over.';
ALTER TABLE raw_ops.customers ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.fulfillments (
    shop_domain text DEFAULT ''::text NOT NULL,
    shopify_fulfillment_id bigint NOT NULL,
    courier_name text,
    status text,
    formal_status text,
    tracking_numbers text[],
    shopify_updated_at timestamp with time zone,
    shopify_triggered_at timestamp with time zone,
    payload_hash bigint,
    field_versions jsonb,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT fulfillments_formal_status_check CHECK ((formal_status = ANY (ARRAY['pending'::text, 'open'::text, 'success'::text]))),
    CONSTRAINT fulfillments_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253))),
    CONSTRAINT fulfillments_tracking_numbers_check CHECK ((tracking_numbers <> '{}'::text[]))
);
COMMENT ON TABLE raw_ops.fulfillments IS 'What the payloads of a Shopify fulfillment come to, so that its shipments are the same whatever order they arrive in.';
COMMENT ON COLUMN raw_ops.fulfillments.status IS 'Where its shipments are (shipment_status), or that they are not under way any more (cancelled, error, failure).';
COMMENT ON COLUMN raw_ops.fulfillments.formal_status IS 'Shopify''s status of the fulfillment itself: no news about a shipment under way.';
COMMENT ON COLUMN raw_ops.fulfillments.tracking_numbers IS 'The newest list; a shipment under another number is replaced.';
COMMENT ON COLUMN raw_ops.fulfillments.shopify_updated_at IS 'updated_at of the newest payload, else when that was triggered.';
COMMENT ON COLUMN raw_ops.fulfillments.shopify_triggered_at IS 'When the newest payload''s webhook was triggered.';
COMMENT ON COLUMN raw_ops.fulfillments.payload_hash IS 'XXH3 of that payload: decides where the times do not.';
COMMENT ON COLUMN raw_ops.fulfillments.field_versions IS 'Fields that the newest payload said nothing about, and the version of the one that did; as in orders. Null: none.';
ALTER TABLE ONLY raw_ops.fulfillments
    ADD CONSTRAINT fulfillments_pkey PRIMARY KEY (shopify_fulfillment_id, shop_domain);
ALTER TABLE raw_ops.fulfillments ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.http_bodies (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    body jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
COMMENT ON TABLE raw_ops.http_bodies IS 'Bodies that several requests share: attempts at one message, or one message to many. One that no request is left for is deleted by raw-ops-housekeeping.';
ALTER TABLE ONLY raw_ops.http_bodies
    ADD CONSTRAINT http_bodies_pkey PRIMARY KEY (id);
ALTER TABLE raw_ops.http_bodies ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.http_request_totals (
    purpose text NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    succeeded bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    abandoned bigint DEFAULT 0 NOT NULL,
    CONSTRAINT http_request_totals_counts_check CHECK (((succeeded >= 0) AND (failed >= 0) AND (abandoned >= 0))),
    CONSTRAINT http_request_totals_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253)))
);
COMMENT ON TABLE raw_ops.http_request_totals IS 'Requests that raw-ops-housekeeping has deleted from http_requests, by purpose, shop and how they ended. Add http_requests for the figure of now.';
ALTER TABLE ONLY raw_ops.http_request_totals
    ADD CONSTRAINT http_request_totals_pkey PRIMARY KEY (purpose, shop_domain);
ALTER TABLE raw_ops.http_request_totals ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.http_requests (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    purpose text NOT NULL,
    subject_id uuid NOT NULL,
    destination text NOT NULL,
    url text,
    path text,
    headers jsonb DEFAULT '{}'::jsonb NOT NULL,
    body jsonb,
    body_id uuid,
    idempotency_key text NOT NULL,
    attempt integer DEFAULT 1 NOT NULL,
    state text DEFAULT 'queued'::text NOT NULL,
    send_after timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    timeout_ms integer DEFAULT 10000 NOT NULL,
    carrier text,
    carrier_ref bigint,
    carrier_epoch uuid,
    sent_at timestamp with time zone,
    lease_until timestamp with time zone,
    completed_at timestamp with time zone,
    status_code integer,
    latency_ms integer,
    error text,
    response_body text,
    shop_domain text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    lane text GENERATED ALWAYS AS (
CASE
    WHEN (destination = 'endpoint'::text) THEN "substring"(url, '^https?://([^/?#]+)'::text)
    ELSE destination
END) STORED,
    CONSTRAINT http_requests_attempt_check CHECK ((attempt >= 1)),
    CONSTRAINT http_requests_body_check CHECK (((body IS NULL) <> (body_id IS NULL))),
    CONSTRAINT http_requests_carrier_check CHECK ((carrier = ANY (ARRAY['builtin'::text, 'pg_net'::text]))),
    CONSTRAINT http_requests_completed_check CHECK (((state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'abandoned'::text])) = (completed_at IS NOT NULL))),
    CONSTRAINT http_requests_destination_check CHECK ((destination = ANY (ARRAY['slack_url_ops_alerts'::text, 'slack_url_ops_urgent'::text, 'slack_url_daily_ops'::text, 'slack_url_fallback'::text, 'customerio'::text, 'endpoint'::text]))),
    CONSTRAINT http_requests_endpoint_check CHECK (((destination <> 'endpoint'::text) OR (url IS NOT NULL))),
    CONSTRAINT http_requests_latency_ms_check CHECK ((latency_ms >= 0)),
    CONSTRAINT http_requests_no_echo_check CHECK (((destination = 'endpoint'::text) OR (response_body IS NULL))),
    CONSTRAINT http_requests_purpose_check CHECK ((purpose = ANY (ARRAY['alert'::text, 'courier'::text, 'outbound'::text]))),
    CONSTRAINT http_requests_response_body_check CHECK ((octet_length(response_body) <= 4096)),
    CONSTRAINT http_requests_sending_check CHECK (((state = 'sending'::text) = (lease_until IS NOT NULL))),
    CONSTRAINT http_requests_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253))),
    CONSTRAINT http_requests_state_check CHECK ((state = ANY (ARRAY['queued'::text, 'sending'::text, 'succeeded'::text, 'failed'::text, 'abandoned'::text]))),
    CONSTRAINT http_requests_status_code_check CHECK (((status_code >= 100) AND (status_code <= 999))),
    CONSTRAINT http_requests_timeout_ms_check CHECK (((timeout_ms >= 100) AND (timeout_ms <= 60000))),
    CONSTRAINT http_requests_url_check CHECK ((url ~ '^https?://[^/?#@[:space:]]+([/?#][^[:space:]]*)?$'::text))
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='1');
COMMENT ON TABLE raw_ops.http_requests IS 'The outbox: every outgoing HTTP attempt, one row each, queued with the change that causes it. A retry is a row of its own.';
COMMENT ON COLUMN raw_ops.http_requests.purpose IS 'alert, courier or outbound: which part asked, and whose retry schedule applies.';
COMMENT ON COLUMN raw_ops.http_requests.subject_id IS 'What it is about: alert_messages.id for alert, ops_events.id for courier, webhook_deliveries.id for outbound.';
COMMENT ON COLUMN raw_ops.http_requests.destination IS 'Where to: the name of the secret that holds the URL (slack_url_…), customerio, or endpoint (url is given).';
COMMENT ON COLUMN raw_ops.http_requests.url IS 'Where to, without secrets: for Slack host only, filled in when sent; for endpoints the whole URL.';
COMMENT ON COLUMN raw_ops.http_requests.path IS 'For customerio: the path below the base URL.';
COMMENT ON COLUMN raw_ops.http_requests.headers IS 'Further request headers; never credentials, those are added while sending.';
COMMENT ON COLUMN raw_ops.http_requests.body IS 'Sent as its text form, byte for byte the same with every carrier. Null: it is shared, see body_id.';
COMMENT ON COLUMN raw_ops.http_requests.body_id IS 'The body in http_bodies, where several requests share it: once an attempt has failed and another follows, or from the start.';
COMMENT ON COLUMN raw_ops.http_requests.idempotency_key IS 'The same for every attempt at one message: how a receiver recognises a repeat.';
COMMENT ON COLUMN raw_ops.http_requests.state IS 'queued; sending; succeeded (2xx); failed (another attempt follows); abandoned (no further attempt: look at error).';
COMMENT ON COLUMN raw_ops.http_requests.send_after IS 'Not sent before this time.';
COMMENT ON COLUMN raw_ops.http_requests.carrier IS 'Who sent it: builtin (background worker) or pg_net.';
COMMENT ON COLUMN raw_ops.http_requests.carrier_ref IS 'pg_net''s request id; unique only together with sent_at, since a crash restarts pg_net''s ids.';
COMMENT ON COLUMN raw_ops.http_requests.carrier_epoch IS 'pg_net_epoch at that time: after a crash of the server pg_net knows nothing of it.';
COMMENT ON COLUMN raw_ops.http_requests.lease_until IS 'While sending: when the sender is given up for dead and the attempt counts as failed.';
COMMENT ON COLUMN raw_ops.http_requests.latency_ms IS 'Milliseconds from sending to the answer.';
COMMENT ON COLUMN raw_ops.http_requests.error IS 'Why it did not succeed. Of a destination with a secret: status and our own words, nothing that came from outside.';
COMMENT ON COLUMN raw_ops.http_requests.response_body IS 'The first 4 KiB of the answer, of endpoints only: the answer of a destination with a secret may echo it.';
COMMENT ON COLUMN raw_ops.http_requests.lane IS 'Requests of one lane share a limit of concurrent sends: host and port of an endpoint, else the destination.';
ALTER TABLE ONLY raw_ops.http_requests
    ADD CONSTRAINT http_requests_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX http_requests_one_attempt_key ON raw_ops.http_requests USING btree (idempotency_key, destination, attempt);
CREATE INDEX idx_http_requests_body_id ON raw_ops.http_requests USING btree (body_id) WHERE (body_id IS NOT NULL);
COMMENT ON INDEX raw_ops.idx_http_requests_body_id IS 'Whether a shared body is still some request''s.';
CREATE INDEX idx_http_requests_created_at ON raw_ops.http_requests USING brin (created_at);
CREATE INDEX idx_http_requests_outcome ON raw_ops.http_requests USING btree (purpose, state, shop_domain) WHERE (state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'abandoned'::text]));
COMMENT ON INDEX raw_ops.idx_http_requests_outcome IS 'Counting requests for fn_metrics_v1() without reading them.';
CREATE INDEX idx_http_requests_pg_net_unanswered ON raw_ops.http_requests USING btree (completed_at) WHERE ((carrier = 'pg_net'::text) AND (status_code IS NULL));
COMMENT ON INDEX raw_ops.idx_http_requests_pg_net_unanswered IS 'Requests whose answers pg_net may still bring, to be forgotten.';
CREATE INDEX idx_http_requests_queued ON raw_ops.http_requests USING btree (send_after) WHERE (state = 'queued'::text);
COMMENT ON INDEX raw_ops.idx_http_requests_queued IS 'The sender''s claim.';
CREATE INDEX idx_http_requests_sending ON raw_ops.http_requests USING btree (lease_until) WHERE (state = 'sending'::text);
COMMENT ON INDEX raw_ops.idx_http_requests_sending IS 'Leases that have run out.';
CREATE INDEX idx_http_requests_subject ON raw_ops.http_requests USING btree (subject_id, attempt);
CREATE TRIGGER trigger_http_requests_wake AFTER INSERT OR UPDATE OF send_after ON raw_ops.http_requests FOR EACH STATEMENT EXECUTE FUNCTION raw_ops.wake_sender();
COMMENT ON TRIGGER trigger_http_requests_wake ON raw_ops.http_requests IS 'At commit, wakes the sender.';
ALTER TABLE ONLY raw_ops.http_requests
    ADD CONSTRAINT http_requests_body_id_fkey FOREIGN KEY (body_id) REFERENCES raw_ops.http_bodies(id);
ALTER TABLE raw_ops.http_requests ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.log_retention (
    log_name text NOT NULL,
    keep_for interval NOT NULL,
    CONSTRAINT log_retention_keep_for_check CHECK ((keep_for >= '1 day'::interval)),
    CONSTRAINT log_retention_log_name_check CHECK ((log_name = ANY (ARRAY['webhook_inbox'::text, 'monitoring_runs'::text, 'http_requests'::text, 'alerts'::text, 'webhook_elements'::text, 'cron.job_run_details'::text])))
);
COMMENT ON TABLE raw_ops.log_retention IS 'How long each log is kept. raw-ops-housekeeping deletes what is older, never anything that is still open; raw-ops-archive moves webhooks. Without a row a log is kept for good, webhooks stay 90 days.';
ALTER TABLE ONLY raw_ops.log_retention
    ADD CONSTRAINT log_retention_pkey PRIMARY KEY (log_name);
ALTER TABLE raw_ops.log_retention ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.monitor_thresholds (
    check_name text NOT NULL,
    condition text NOT NULL,
    severity text NOT NULL,
    channel text NOT NULL,
    threshold numeric NOT NULL,
    unit text NOT NULL,
    lookback interval,
    repeat_after interval DEFAULT '01:00:00'::interval NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    description text NOT NULL,
    CONSTRAINT monitor_thresholds_channel_check CHECK ((channel = ANY (ARRAY['#ops-alerts'::text, '#ops-urgent'::text, '#daily-ops'::text]))),
    CONSTRAINT monitor_thresholds_lookback_check CHECK (((lookback > '00:00:00'::interval) AND (lookback <= '400 days'::interval))),
    CONSTRAINT monitor_thresholds_repeat_after_check CHECK (((repeat_after > '00:00:00'::interval) AND (repeat_after <= '400 days'::interval))),
    CONSTRAINT monitor_thresholds_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text]))),
    CONSTRAINT monitor_thresholds_threshold_check CHECK (((threshold >= (0)::numeric) AND (threshold <= (1000000000)::numeric)))
);
COMMENT ON TABLE raw_ops.monitor_thresholds IS 'The limits of everything that judges: each check, fn_health_v1(), the page, the views; where a check alerts, and how soon it repeats. Read each time: change a row and it holds, switch it off with enabled.';
COMMENT ON COLUMN raw_ops.monitor_thresholds.condition IS 'What is wrong when the threshold is crossed; one open alert per check, condition and shop.';
COMMENT ON COLUMN raw_ops.monitor_thresholds.threshold IS 'In unit; the alert is raised above it. (Two of health_indicators and disk_free are otherwise, see description.)';
COMMENT ON COLUMN raw_ops.monitor_thresholds.lookback IS 'How far back the check looks; null: at the state of now.';
COMMENT ON COLUMN raw_ops.monitor_thresholds.repeat_after IS 'While the alert stays open it is not posted again before this.';
ALTER TABLE ONLY raw_ops.monitor_thresholds
    ADD CONSTRAINT monitor_thresholds_pkey PRIMARY KEY (check_name, condition, severity);
ALTER TABLE ONLY raw_ops.monitor_thresholds
    ADD CONSTRAINT monitor_thresholds_check_name_fkey FOREIGN KEY (check_name) REFERENCES raw_ops.monitors(check_name);
ALTER TABLE raw_ops.monitor_thresholds ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.monitoring_runs (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    check_name text NOT NULL,
    status text NOT NULL,
    duration_ms integer DEFAULT 0 NOT NULL,
    result_summary jsonb DEFAULT '{}'::jsonb NOT NULL,
    alert_triggered boolean DEFAULT false NOT NULL,
    error text,
    run_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT monitoring_runs_duration_ms_check CHECK ((duration_ms >= 0)),
    CONSTRAINT monitoring_runs_error_check CHECK (((status = 'error'::text) = (error IS NOT NULL))),
    CONSTRAINT monitoring_runs_status_check CHECK ((status = ANY (ARRAY['ok'::text, 'info'::text, 'warning'::text, 'critical'::text, 'error'::text])))
);
COMMENT ON TABLE raw_ops.monitoring_runs IS 'Every run of a check, also of one that failed. Trimmed by raw-ops-housekeeping.';
COMMENT ON COLUMN raw_ops.monitoring_runs.status IS 'What the check found; error: the check itself failed, see error.';
COMMENT ON COLUMN raw_ops.monitoring_runs.alert_triggered IS 'Whether the run found something to alert about. Whether that arrived: alert_messages.';
ALTER TABLE ONLY raw_ops.monitoring_runs
    ADD CONSTRAINT monitoring_runs_pkey PRIMARY KEY (id);
CREATE INDEX idx_monitoring_runs_check_name ON raw_ops.monitoring_runs USING btree (check_name, run_at DESC);
CREATE INDEX idx_monitoring_runs_run_at ON raw_ops.monitoring_runs USING btree (run_at);
ALTER TABLE raw_ops.monitoring_runs ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.monitors (
    check_name text NOT NULL,
    description text NOT NULL,
    heartbeat_every interval,
    scheduled_at timestamp with time zone,
    CONSTRAINT monitors_heartbeat_every_check CHECK ((heartbeat_every > '00:00:00'::interval))
);
COMMENT ON TABLE raw_ops.monitors IS 'Who compares with monitor_thresholds: the checks that fn_invoke_monitor() knows, and how often the heartbeat expects each to run; and what only shows.';
COMMENT ON COLUMN raw_ops.monitors.heartbeat_every IS 'The heartbeat alerts when the last run is older than this; null: not watched.';
COMMENT ON COLUMN raw_ops.monitors.scheduled_at IS 'When fn_schedule_jobs_v1() first scheduled it; until one heartbeat_every later a missing first run is no fault.';
ALTER TABLE ONLY raw_ops.monitors
    ADD CONSTRAINT monitors_pkey PRIMARY KEY (check_name);
ALTER TABLE raw_ops.monitors ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.ops_events (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    kind text NOT NULL,
    entity_type text NOT NULL,
    entity_id uuid,
    customer_event_type text,
    message text,
    event_payload jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    processed_at timestamp with time zone,
    notification_status text,
    notification_attempts integer DEFAULT 0 NOT NULL,
    notification_last_error text,
    notification_next_retry_at timestamp with time zone,
    shop_domain text DEFAULT ''::text NOT NULL,
    CONSTRAINT ops_events_created_at_check CHECK (((created_at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (created_at <= '3000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT ops_events_notification_attempts_check CHECK ((notification_attempts >= 0)),
    CONSTRAINT ops_events_notification_status_check CHECK ((notification_status = ANY (ARRAY['pending'::text, 'sent'::text, 'failed'::text, 'skipped'::text]))),
    CONSTRAINT ops_events_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253)))
);
COMMENT ON TABLE raw_ops.ops_events IS 'Append-only operational log: receipts the SLO counts from, dead letters, and every manual step with who and why.';
COMMENT ON COLUMN raw_ops.ops_events.kind IS 'INFO (receipt), ERROR (a dead letter), AUDIT (a person''s act) or CUSTOMER_EVENT (a notification to a customer).';
COMMENT ON COLUMN raw_ops.ops_events.entity_type IS 'order, webhook, …: what entity_id names.';
COMMENT ON COLUMN raw_ops.ops_events.customer_event_type IS 'For CUSTOMER_EVENT: courier_exception is sent to Customer.io at commit.';
COMMENT ON COLUMN raw_ops.ops_events.event_payload IS 'Details; for AUDIT always who, note, before and after.';
COMMENT ON COLUMN raw_ops.ops_events.processed_at IS 'For a notification: when Customer.io accepted it. One that has this is never sent.';
COMMENT ON COLUMN raw_ops.ops_events.notification_status IS 'Null (no notification, or not attempted yet), pending (waits for delivery or retry), sent, failed (no attempt is left), skipped (no e-mail).';
COMMENT ON COLUMN raw_ops.ops_events.notification_attempts IS 'Attempts that have ended. What is written here and into notification_next_retry_at by hand holds: set to 0 with status pending, it is sent again from the first.';
COMMENT ON COLUMN raw_ops.ops_events.notification_last_error IS 'Of the last attempt that failed; kept after a later success.';
COMMENT ON COLUMN raw_ops.ops_events.notification_next_retry_at IS 'When the next attempt is due; null: at once, or none follows.';
ALTER TABLE ONLY raw_ops.ops_events
    ADD CONSTRAINT ops_events_pkey PRIMARY KEY (id);
CREATE INDEX idx_ops_events_courier ON raw_ops.ops_events USING btree (created_at DESC) WHERE ((kind = 'CUSTOMER_EVENT'::text) AND (customer_event_type = 'courier_exception'::text));
COMMENT ON INDEX raw_ops.idx_ops_events_courier IS 'The courier_* views.';
CREATE INDEX idx_ops_events_courier_failed ON raw_ops.ops_events USING btree (created_at DESC) WHERE ((kind = 'CUSTOMER_EVENT'::text) AND (customer_event_type = 'courier_exception'::text) AND (notification_status = 'failed'::text));
CREATE INDEX idx_ops_events_courier_unprocessed ON raw_ops.ops_events USING btree (created_at DESC) WHERE ((processed_at IS NULL) AND (kind = 'CUSTOMER_EVENT'::text) AND (customer_event_type = 'courier_exception'::text));
COMMENT ON INDEX raw_ops.idx_ops_events_courier_unprocessed IS 'DLV: monitoring of what is not processed.';
CREATE INDEX idx_ops_events_entity ON raw_ops.ops_events USING btree (entity_type, entity_id);
CREATE INDEX idx_ops_events_order_info ON raw_ops.ops_events USING btree (kind, created_at DESC) WHERE ((kind = 'INFO'::text) AND (entity_type = 'order'::text));
CREATE TRIGGER trigger_forget_courier_exception AFTER DELETE ON raw_ops.ops_events FOR EACH ROW WHEN (((old.kind = 'CUSTOMER_EVENT'::text) AND (old.customer_event_type = 'courier_exception'::text))) EXECUTE FUNCTION raw_ops.notify_courier_exception();
COMMENT ON TRIGGER trigger_forget_courier_exception ON raw_ops.ops_events IS 'A notification that is deleted is not sent any more.';
CREATE TRIGGER trigger_notify_courier_exception AFTER INSERT ON raw_ops.ops_events FOR EACH ROW WHEN (((new.kind = 'CUSTOMER_EVENT'::text) AND (new.customer_event_type = 'courier_exception'::text))) EXECUTE FUNCTION raw_ops.notify_courier_exception();
COMMENT ON TRIGGER trigger_notify_courier_exception ON raw_ops.ops_events IS 'DLV: queues the notification to the customer; it is sent once this transaction is committed.';
CREATE TRIGGER trigger_renotify_courier_exception AFTER UPDATE ON raw_ops.ops_events FOR EACH ROW WHEN (((new.kind = 'CUSTOMER_EVENT'::text) AND (new.customer_event_type = 'courier_exception'::text) AND (new.processed_at IS NULL) AND (new.notification_status = 'pending'::text) AND (((old.notification_status IS DISTINCT FROM new.notification_status) OR (old.notification_attempts IS DISTINCT FROM new.notification_attempts)) OR (old.notification_next_retry_at IS DISTINCT FROM new.notification_next_retry_at)))) EXECUTE FUNCTION raw_ops.notify_courier_exception();
COMMENT ON TRIGGER trigger_renotify_courier_exception ON raw_ops.ops_events IS 'What somebody writes into a notification that waits holds for its request: attempts made, and when the next is due.';
ALTER TABLE raw_ops.ops_events ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.order_items (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    order_id uuid NOT NULL,
    shopify_line_item_id bigint NOT NULL,
    product_id bigint,
    variant_id bigint,
    sku text,
    title text,
    variant_title text,
    vendor text,
    quantity integer NOT NULL,
    current_quantity integer,
    price numeric NOT NULL,
    total_discount numeric,
    gift_card boolean,
    field_versions jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT order_items_current_quantity_check CHECK ((current_quantity >= 0)),
    CONSTRAINT order_items_quantity_check CHECK ((quantity >= 0)),
    CONSTRAINT order_items_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253)))
);
COMMENT ON TABLE raw_ops.order_items IS 'Line items, as in the newest payload of their order.';
COMMENT ON COLUMN raw_ops.order_items.current_quantity IS 'What is left after edits and refunds; 0 for an item removed by an edit.';
COMMENT ON COLUMN raw_ops.order_items.price IS 'Unit price, major units of the order''s currency.';
COMMENT ON COLUMN raw_ops.order_items.field_versions IS 'Fields that the newest list of items said nothing about, and the version of the one that did; as in orders. Null: none.';
ALTER TABLE ONLY raw_ops.order_items
    ADD CONSTRAINT order_items_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX idx_order_items_order_id ON raw_ops.order_items USING btree (order_id, shopify_line_item_id);
CREATE INDEX idx_order_items_product ON raw_ops.order_items USING btree (product_id) WHERE (product_id IS NOT NULL);
ALTER TABLE ONLY raw_ops.order_items
    ADD CONSTRAINT order_items_order_id_fkey FOREIGN KEY (order_id) REFERENCES raw_ops.orders(id) ON DELETE CASCADE;
ALTER TABLE raw_ops.order_items ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.orders (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    shopify_order_id bigint NOT NULL,
    order_number bigint,
    order_name text,
    customer_id uuid,
    email text,
    currency text,
    total_price numeric,
    subtotal_price numeric,
    total_tax numeric,
    total_discounts numeric,
    total_shipping numeric,
    financial_status text,
    fulfillment_status text,
    shipping_address jsonb,
    billing_address jsonb,
    note text,
    tags text,
    is_test boolean DEFAULT false NOT NULL,
    ordered_at timestamp with time zone,
    cancelled_at timestamp with time zone,
    cancel_reason text,
    shopify_updated_at timestamp with time zone,
    shopify_triggered_at timestamp with time zone,
    payload_hash bigint,
    field_versions jsonb,
    guest_email_key bytea,
    export_state text DEFAULT 'pending'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT orders_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253)))
);
COMMENT ON TABLE raw_ops.orders IS 'Order headers, one per Shopify order, as of the newest payload seen.';
COMMENT ON COLUMN raw_ops.orders.shopify_order_id IS 'Shopify''s id; beyond 2^53, so never through a JavaScript number.';
COMMENT ON COLUMN raw_ops.orders.order_name IS 'What people call the order: #1001.';
COMMENT ON COLUMN raw_ops.orders.total_price IS 'Major units of currency.';
COMMENT ON COLUMN raw_ops.orders.total_shipping IS 'Major units of currency, shop money.';
COMMENT ON COLUMN raw_ops.orders.is_test IS 'The payload''s test flag: a test order, not a test notification.';
COMMENT ON COLUMN raw_ops.orders.ordered_at IS 'created_at of the payload.';
COMMENT ON COLUMN raw_ops.orders.shopify_updated_at IS 'updated_at of the newest payload applied; an older payload changes nothing that one said.';
COMMENT ON COLUMN raw_ops.orders.shopify_triggered_at IS 'When the webhook of that payload was triggered: decides between equal shopify_updated_at.';
COMMENT ON COLUMN raw_ops.orders.payload_hash IS 'XXH3 of that payload: the same payload again is recognised at a glance, and of two of one time always the same wins.';
COMMENT ON COLUMN raw_ops.orders.field_versions IS 'Fields that the newest payload said nothing about, and the version of the one that did: [updated_at, triggered_at, hash, "email", …] a version, microseconds since 2000; nulls: nobody yet. Null: every field is as new as the order.';
COMMENT ON COLUMN raw_ops.orders.guest_email_key IS 'Of a guest''s order: SHA-256 of the e-mail in lower case, by which it was matched to customer_id.';
COMMENT ON COLUMN raw_ops.orders.export_state IS 'For the 3PL export that follows; raw_ops only sets the initial pending.';
ALTER TABLE ONLY raw_ops.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
CREATE INDEX idx_orders_customer_id ON raw_ops.orders USING btree (customer_id);
CREATE INDEX idx_orders_export_state ON raw_ops.orders USING btree (export_state, ordered_at);
CREATE INDEX idx_orders_ordered_at ON raw_ops.orders USING btree (ordered_at);
CREATE UNIQUE INDEX idx_orders_shopify_order_id ON raw_ops.orders USING btree (shopify_order_id, shop_domain);
ALTER TABLE ONLY raw_ops.orders
    ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES raw_ops.customers(id);
ALTER TABLE raw_ops.orders ENABLE ROW LEVEL SECURITY;

CREATE UNLOGGED TABLE raw_ops.pg_net_epoch (
    only_row boolean DEFAULT true NOT NULL,
    epoch uuid NOT NULL,
    CONSTRAINT pg_net_epoch_only_row_check CHECK (only_row)
);
COMMENT ON TABLE raw_ops.pg_net_epoch IS 'Unlogged on purpose: a crash empties it together with pg_net''s tables, whose requests and answers are gone then.';
ALTER TABLE ONLY raw_ops.pg_net_epoch
    ADD CONSTRAINT pg_net_epoch_pkey PRIMARY KEY (only_row);
ALTER TABLE raw_ops.pg_net_epoch ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.retry_schedule (
    purpose text NOT NULL,
    attempt integer NOT NULL,
    wait interval NOT NULL,
    CONSTRAINT retry_schedule_attempt_check CHECK ((attempt >= 1)),
    CONSTRAINT retry_schedule_purpose_check CHECK ((purpose = ANY (ARRAY['webhooks'::text, 'alert'::text, 'courier'::text, 'outbound'::text]))),
    CONSTRAINT retry_schedule_wait_check CHECK (((wait >= '00:00:00'::interval) AND (wait <= '30 days'::interval)))
);
COMMENT ON TABLE raw_ops.retry_schedule IS 'Waits before each attempt. The last attempt listed for a purpose is its last: after it a webhook goes to dlq.';
COMMENT ON COLUMN raw_ops.retry_schedule.purpose IS 'webhooks: processing of the inbox; alert: messages to Slack; courier: customer notifications; outbound: partner webhooks.';
COMMENT ON COLUMN raw_ops.retry_schedule.wait IS 'From the failure of the attempt before; attempt 1 follows receipt.';
ALTER TABLE ONLY raw_ops.retry_schedule
    ADD CONSTRAINT retry_schedule_pkey PRIMARY KEY (purpose, attempt);
ALTER TABLE raw_ops.retry_schedule ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    applied_by text DEFAULT CURRENT_USER NOT NULL
);
COMMENT ON TABLE raw_ops.schema_migrations IS 'Which numbered migrations of raw_ops.setup() this database has.';
ALTER TABLE ONLY raw_ops.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);
ALTER TABLE raw_ops.schema_migrations ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.schema_objects (
    kind text NOT NULL,
    table_name text NOT NULL,
    name text NOT NULL,
    definition text NOT NULL,
    "position" integer,
    server_version integer DEFAULT ((current_setting('server_version_num'::text))::integer / 10000) NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT schema_objects_kind_check CHECK ((kind = ANY (ARRAY['column'::text, 'required'::text, 'default'::text, 'generated'::text, 'index'::text, 'constraint'::text, 'check'::text, 'trigger'::text, 'view'::text])))
);
COMMENT ON TABLE raw_ops.schema_objects IS 'How setup() has defined what it made; fn_health_v1() compares. What an owner added is not here. A row deleted: not compared. All rows deleted: the next setup() records what stands then.';
COMMENT ON COLUMN raw_ops.schema_objects.kind IS 'Of a column: column (its type), required, default, generated. constraint: a primary, unique or foreign key. view: the SHA-256 of its script, and the view as it is printed; while both are so, setup() leaves the views alone.';
COMMENT ON COLUMN raw_ops.schema_objects.definition IS 'As the server prints it, with UTC and ISO dates.';
COMMENT ON COLUMN raw_ops.schema_objects."position" IS 'Of a column: its number, by which it is known when it is renamed.';
COMMENT ON COLUMN raw_ops.schema_objects.server_version IS 'Major version of the server that printed it; another prints some differently.';
ALTER TABLE ONLY raw_ops.schema_objects
    ADD CONSTRAINT schema_objects_pkey PRIMARY KEY (kind, table_name, name);
ALTER TABLE raw_ops.schema_objects ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.secrets (
    name text NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    ciphertext bytea NOT NULL,
    nonce bytea NOT NULL,
    key_id text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_by text DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT secrets_nonce_check CHECK ((octet_length(nonce) = 24)),
    CONSTRAINT secrets_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253)))
);
COMMENT ON TABLE raw_ops.secrets IS 'Secrets, encrypted (XChaCha20-Poly1305) with a key that is not in the database: raw_ops.secret_key_file. Set by fn_set_secret_v1().';
COMMENT ON COLUMN raw_ops.secrets.shop_domain IS 'Whose it is; '''': of every shop that has none of its own.';
COMMENT ON COLUMN raw_ops.secrets.key_id IS 'Fingerprint of the key it was encrypted with.';
ALTER TABLE ONLY raw_ops.secrets
    ADD CONSTRAINT secrets_pkey PRIMARY KEY (name, shop_domain);
ALTER TABLE raw_ops.secrets ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.shipments (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    order_id uuid,
    courier_name text,
    tracking_no text,
    tracking_url text,
    tracking_url_version jsonb,
    status text DEFAULT 'created'::text NOT NULL,
    shopify_fulfillment_id bigint,
    shopify_created_at timestamp with time zone,
    shop_domain text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT shipments_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253))),
    CONSTRAINT shipments_tracking_no_check CHECK ((tracking_no <> ''::text))
);
COMMENT ON TABLE raw_ops.shipments IS 'One row a tracking number of a Shopify fulfillment, or one of your own making.';
COMMENT ON COLUMN raw_ops.shipments.order_id IS 'Whose shipment it is; null for one without an order here (then nobody is told about it).';
COMMENT ON COLUMN raw_ops.shipments.tracking_no IS 'As the courier writes it, without blanks; null until the fulfillment has one. Couriers use numbers again after months.';
COMMENT ON COLUMN raw_ops.shipments.tracking_url_version IS 'Of the payload that gave the URL: [updated_at, triggered_at, hash], microseconds since 2000; an older one does not change it.';
COMMENT ON COLUMN raw_ops.shipments.status IS 'Shopify''s shipment_status (in_transit, delivered, …), else its fulfillment status (success, cancelled, …); replaced: the fulfillment has another tracking number now.';
COMMENT ON COLUMN raw_ops.shipments.shopify_created_at IS 'When the shop fulfilled it: of two shipments under one number the later is meant.';
ALTER TABLE ONLY raw_ops.shipments
    ADD CONSTRAINT shipments_pkey PRIMARY KEY (id);
CREATE INDEX idx_shipments_created_at ON raw_ops.shipments USING btree (created_at DESC);
CREATE INDEX idx_shipments_order_id ON raw_ops.shipments USING btree (order_id);
CREATE INDEX idx_shipments_tracking_no ON raw_ops.shipments USING btree (upper("left"(tracking_no, 100)), created_at DESC) WHERE (tracking_no IS NOT NULL);
COMMENT ON INDEX raw_ops.idx_shipments_tracking_no IS 'From a courier''s event to its shipment.';
CREATE UNIQUE INDEX shipments_fulfillment_parcel_key ON raw_ops.shipments USING btree (shopify_fulfillment_id, hashtextextended(COALESCE(tracking_no, ''::text), (0)::bigint), shop_domain) WHERE (shopify_fulfillment_id IS NOT NULL);
CREATE TRIGGER trigger_match_named_shipment AFTER UPDATE OF tracking_no ON raw_ops.shipments FOR EACH ROW WHEN (((new.tracking_no IS NOT NULL) AND (new.tracking_no IS DISTINCT FROM old.tracking_no))) EXECUTE FUNCTION raw_ops.match_waiting_courier_events();
COMMENT ON TRIGGER trigger_match_named_shipment ON raw_ops.shipments IS 'The same for a shipment that has its number now.';
CREATE TRIGGER trigger_match_new_shipment AFTER INSERT ON raw_ops.shipments FOR EACH ROW WHEN ((new.tracking_no IS NOT NULL)) EXECUTE FUNCTION raw_ops.match_waiting_courier_events();
COMMENT ON TRIGGER trigger_match_new_shipment ON raw_ops.shipments IS 'Records the courier''s events that came before their shipment, whoever writes it.';
ALTER TABLE ONLY raw_ops.shipments
    ADD CONSTRAINT shipments_order_id_fkey FOREIGN KEY (order_id) REFERENCES raw_ops.orders(id);
ALTER TABLE raw_ops.shipments ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.shops (
    shop_domain text NOT NULL,
    name text,
    time_zone text,
    currency text,
    active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT shops_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT shops_name_check CHECK (((name !~ '[[:cntrl:]]'::text) AND ((length(name) >= 1) AND (length(name) <= 100)))),
    CONSTRAINT shops_shop_domain_check CHECK (((shop_domain ~ '^[a-z0-9_-]+(\.[a-z0-9_-]+)*$'::text) AND (length(shop_domain) <= 253)))
);
COMMENT ON TABLE raw_ops.shops IS 'The shops whose webhooks come here: a row is made at the first one of a shop, and is yours to edit. Ids of Shopify''s count only together with the shop.';
COMMENT ON COLUMN raw_ops.shops.shop_domain IS 'As Shopify names it, in lower case: example.myshopify.com. The same in the column shop_domain of every table; '''' there: no shop is known.';
COMMENT ON COLUMN raw_ops.shops.name IS 'What people call it; shown where there is more than one shop.';
COMMENT ON COLUMN raw_ops.shops.time_zone IS 'As PostgreSQL names it, for example Europe/Berlin.';
COMMENT ON COLUMN raw_ops.shops.currency IS 'ISO 4217.';
COMMENT ON COLUMN raw_ops.shops.active IS 'False: it is not active any more, or never was one. Its webhooks are still taken in, but nothing is expected of it, what names no shop is never taken to be about it, and with only one active shop none is named.';
ALTER TABLE ONLY raw_ops.shops
    ADD CONSTRAINT shops_pkey PRIMARY KEY (shop_domain);
ALTER TABLE raw_ops.shops ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.webhook_elements (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    webhook_id uuid NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    provider text NOT NULL,
    path text NOT NULL,
    element jsonb NOT NULL,
    state text NOT NULL,
    reference text,
    error text NOT NULL,
    waits_until timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT webhook_elements_reference_check CHECK ((length(reference) <= 100)),
    CONSTRAINT webhook_elements_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253))),
    CONSTRAINT webhook_elements_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'refused'::text]))),
    CONSTRAINT webhook_elements_waiting_check CHECK (((state <> 'waiting'::text) OR ((reference IS NOT NULL) AND (waits_until IS NOT NULL))))
);
COMMENT ON TABLE raw_ops.webhook_elements IS 'Elements of webhooks that could not be done while others of the same webhook were: they wait for what they are about, or nobody can read them. Look at the view webhook_elements_left.';
COMMENT ON COLUMN raw_ops.webhook_elements.webhook_id IS 'The webhook it came in; webhook_inbox.id, or of its archive.';
COMMENT ON COLUMN raw_ops.webhook_elements.path IS 'Where in the payload it stands: event.events[1].';
COMMENT ON COLUMN raw_ops.webhook_elements.element IS 'The element as it came.';
COMMENT ON COLUMN raw_ops.webhook_elements.state IS 'waiting: done, and gone from here, once what it is about appears; refused: a person has to look at it.';
COMMENT ON COLUMN raw_ops.webhook_elements.reference IS 'What it waits for, in capitals: for dpd the tracking number.';
COMMENT ON COLUMN raw_ops.webhook_elements.error IS 'What it waits for, or what is wrong with it, naming the field.';
COMMENT ON COLUMN raw_ops.webhook_elements.waits_until IS 'Later it is not matched any more: couriers use numbers again, and it may be about another shipment then.';
ALTER TABLE ONLY raw_ops.webhook_elements
    ADD CONSTRAINT webhook_elements_pkey PRIMARY KEY (id);
CREATE INDEX idx_webhook_elements_created_at ON raw_ops.webhook_elements USING btree (created_at);
CREATE UNIQUE INDEX webhook_elements_path_key ON raw_ops.webhook_elements USING btree (webhook_id, hashtextextended(path, (0)::bigint));
CREATE UNIQUE INDEX webhook_elements_waiting_key ON raw_ops.webhook_elements USING btree (provider, reference, shop_domain, jsonb_hash_extended(element, (0)::bigint)) WHERE (state = 'waiting'::text);
COMMENT ON INDEX raw_ops.webhook_elements_waiting_key IS 'From what has appeared to what waits for it; the same element sent twice waits once.';
ALTER TABLE raw_ops.webhook_elements ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.webhook_inbox (
    id uuid DEFAULT raw_ops.fn_uuid_v7() NOT NULL,
    provider text NOT NULL,
    topic text NOT NULL,
    event_id text NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    payload jsonb,
    raw_body bytea,
    headers jsonb DEFAULT '{}'::jsonb NOT NULL,
    processing_status text DEFAULT 'pending'::text NOT NULL,
    processing_attempts integer DEFAULT 0 NOT NULL,
    attempts integer GENERATED ALWAYS AS (processing_attempts) STORED,
    processing_duration_ms integer,
    last_error text,
    last_error_at timestamp with time zone,
    error_category text,
    shopify_order_id bigint,
    triggered_at timestamp with time zone,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    processed_at timestamp with time zone,
    next_retry_at timestamp with time zone,
    duplicate_count integer DEFAULT 0 NOT NULL,
    replay_of uuid,
    CONSTRAINT webhook_inbox_duplicate_count_check CHECK ((duplicate_count >= 0)),
    CONSTRAINT webhook_inbox_error_category_check CHECK ((error_category = ANY (ARRAY['malformed_payload'::text, 'missing_reference'::text, 'constraint_violation'::text, 'timeout'::text, 'transient'::text, 'unknown_topic'::text, 'internal'::text]))),
    CONSTRAINT webhook_inbox_one_body_check CHECK (((payload IS NULL) OR (raw_body IS NULL))),
    CONSTRAINT webhook_inbox_processing_attempts_check CHECK ((processing_attempts >= 0)),
    CONSTRAINT webhook_inbox_processing_duration_ms_check CHECK ((processing_duration_ms >= 0)),
    CONSTRAINT webhook_inbox_processing_status_check CHECK ((processing_status = ANY (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text]))),
    CONSTRAINT webhook_inbox_provider_check CHECK ((provider = ANY (ARRAY['shopify'::text, 'clerk'::text, 'stripe'::text, 'mitto'::text, 'dpd'::text]))),
    CONSTRAINT webhook_inbox_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253))),
    CONSTRAINT webhook_inbox_times_check CHECK (((received_at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (received_at <= '3000-01-01 00:00:00+00'::timestamp with time zone) AND (created_at >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND (created_at <= '3000-01-01 00:00:00+00'::timestamp with time zone)))
)
WITH (toast_tuple_target='128', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_insert_scale_factor='0.02', autovacuum_analyze_scale_factor='0.02', autovacuum_vacuum_cost_delay='1', autovacuum_vacuum_cost_limit='2000', toast.autovacuum_vacuum_scale_factor='0.02');
ALTER TABLE ONLY raw_ops.webhook_inbox ALTER COLUMN topic SET STORAGE MAIN;
ALTER TABLE ONLY raw_ops.webhook_inbox ALTER COLUMN event_id SET STORAGE MAIN;
ALTER TABLE ONLY raw_ops.webhook_inbox ALTER COLUMN shop_domain SET STORAGE MAIN;
ALTER TABLE ONLY raw_ops.webhook_inbox ALTER COLUMN payload SET COMPRESSION lz4;
ALTER TABLE ONLY raw_ops.webhook_inbox ALTER COLUMN raw_body SET COMPRESSION lz4;
ALTER TABLE ONLY raw_ops.webhook_inbox ALTER COLUMN headers SET COMPRESSION lz4;
COMMENT ON TABLE raw_ops.webhook_inbox IS 'Every webhook as it came, one row a delivery, and the state of its processing.';
COMMENT ON COLUMN raw_ops.webhook_inbox.id IS 'Time-ordered UUID (version 7).';
COMMENT ON COLUMN raw_ops.webhook_inbox.provider IS 'Who sent it: shopify, clerk, stripe, mitto or dpd.';
COMMENT ON COLUMN raw_ops.webhook_inbox.topic IS 'The provider''s event type, for example orders/create.';
COMMENT ON COLUMN raw_ops.webhook_inbox.event_id IS 'The provider''s delivery id, or sha256:… of topic and body where it sent none. Unique for shop and provider.';
COMMENT ON COLUMN raw_ops.webhook_inbox.shop_domain IS 'The shop the webhook is about, in lower case: as the caller says, else as Shopify''s header does. Empty: no shop is known.';
COMMENT ON COLUMN raw_ops.webhook_inbox.payload IS 'The body as jsonb; null when raw_body holds it.';
COMMENT ON COLUMN raw_ops.webhook_inbox.raw_body IS 'The body''s bytes, only when they cannot be jsonb: not JSON, not UTF-8, \u0000, a number beyond 1e308.';
COMMENT ON COLUMN raw_ops.webhook_inbox.headers IS 'The provider''s headers; signatures and credentials are never kept.';
COMMENT ON COLUMN raw_ops.webhook_inbox.processing_status IS 'pending, success, failed, retrying, dlq or resolved_manual; a trigger refuses every transition ORD does not list.';
COMMENT ON COLUMN raw_ops.webhook_inbox.processing_attempts IS 'How often processing was tried; the fifth failure leads to dlq.';
COMMENT ON COLUMN raw_ops.webhook_inbox.attempts IS 'The same as processing_attempts, under the name the runbook reads.';
COMMENT ON COLUMN raw_ops.webhook_inbox.processing_duration_ms IS 'Milliseconds from claim to recorded outcome of the last attempt (of the whole set it was processed in).';
COMMENT ON COLUMN raw_ops.webhook_inbox.last_error IS 'Message of the last failed attempt; kept after a later success.';
COMMENT ON COLUMN raw_ops.webhook_inbox.error_category IS 'Class of last_error; decides nothing, explains everything.';
COMMENT ON COLUMN raw_ops.webhook_inbox.shopify_order_id IS 'The Shopify order the payload is about, as far as receipt could tell.';
COMMENT ON COLUMN raw_ops.webhook_inbox.triggered_at IS 'When the provider says the event happened.';
COMMENT ON COLUMN raw_ops.webhook_inbox.received_at IS 'When it was first stored here; drains go oldest first, retries newest first.';
COMMENT ON COLUMN raw_ops.webhook_inbox.processed_at IS 'When processing succeeded or an operator resolved it.';
COMMENT ON COLUMN raw_ops.webhook_inbox.next_retry_at IS 'Not before this time is a failed webhook tried again.';
COMMENT ON COLUMN raw_ops.webhook_inbox.duplicate_count IS 'How often the provider sent this delivery again.';
COMMENT ON COLUMN raw_ops.webhook_inbox.replay_of IS 'The webhook this one is a replay of.';
ALTER TABLE ONLY raw_ops.webhook_inbox
    ADD CONSTRAINT webhook_inbox_pkey PRIMARY KEY (id);
ALTER TABLE ONLY raw_ops.webhook_inbox
    ADD CONSTRAINT webhook_inbox_shop_domain_provider_event_id_key UNIQUE (shop_domain, provider, event_id);
CREATE INDEX idx_webhook_inbox_due ON raw_ops.webhook_inbox USING btree (next_retry_at) WHERE (processing_status = ANY (ARRAY['failed'::text, 'retrying'::text]));
COMMENT ON INDEX raw_ops.idx_webhook_inbox_due IS 'When the next retry is due.';
CREATE INDEX idx_webhook_inbox_pending ON raw_ops.webhook_inbox USING btree (received_at) WHERE (processing_status = 'pending'::text);
COMMENT ON INDEX raw_ops.idx_webhook_inbox_pending IS 'The drain''s claim, oldest first.';
CREATE INDEX idx_webhook_inbox_retry_queue ON raw_ops.webhook_inbox USING btree (received_at DESC) WHERE (processing_status = ANY (ARRAY['pending'::text, 'failed'::text, 'retrying'::text]));
COMMENT ON INDEX raw_ops.idx_webhook_inbox_retry_queue IS 'ORD: retry worker, newest first.';
CREATE INDEX idx_webhook_inbox_shopify_order ON raw_ops.webhook_inbox USING btree (shopify_order_id) WHERE (shopify_order_id IS NOT NULL);
CREATE INDEX idx_webhook_inbox_status ON raw_ops.webhook_inbox USING btree (processing_status, created_at DESC);
CREATE TRIGGER trigger_webhook_inbox_status BEFORE UPDATE ON raw_ops.webhook_inbox FOR EACH ROW WHEN (((old.processing_status IS DISTINCT FROM new.processing_status) AND (((((((old.processing_status <> 'pending'::text) OR (new.processing_status <> 'success'::text)) AND ((old.processing_status <> 'pending'::text) OR (new.processing_status <> 'failed'::text))) AND ((old.processing_status <> 'failed'::text) OR (new.processing_status <> 'success'::text))) AND ((old.processing_status <> 'failed'::text) OR (new.processing_status <> 'dlq'::text))) AND ((old.processing_status <> 'retrying'::text) OR (new.processing_status <> 'success'::text))) AND ((old.processing_status <> 'retrying'::text) OR (new.processing_status <> 'failed'::text))))) EXECUTE FUNCTION raw_ops.guard_webhook_status();
COMMENT ON TRIGGER trigger_webhook_inbox_status ON raw_ops.webhook_inbox IS 'Refuses every status transition ORD does not list. A dead letter is settled by fn_resolve_webhook_manually_v1() only.';
CREATE TRIGGER trigger_webhook_inbox_wake AFTER INSERT ON raw_ops.webhook_inbox FOR EACH STATEMENT EXECUTE FUNCTION raw_ops.wake_worker();
COMMENT ON TRIGGER trigger_webhook_inbox_wake ON raw_ops.webhook_inbox IS 'At commit, wakes the background worker.';
ALTER TABLE raw_ops.webhook_inbox ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.webhook_inbox_archive (
    id uuid NOT NULL,
    provider text NOT NULL,
    topic text NOT NULL,
    event_id text NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    payload jsonb,
    raw_body bytea,
    headers jsonb NOT NULL,
    processing_status text NOT NULL,
    processing_attempts integer NOT NULL,
    attempts integer,
    processing_duration_ms integer,
    last_error text,
    last_error_at timestamp with time zone,
    error_category text,
    shopify_order_id bigint,
    triggered_at timestamp with time zone,
    received_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    processed_at timestamp with time zone,
    next_retry_at timestamp with time zone,
    duplicate_count integer NOT NULL,
    replay_of uuid,
    archived_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT webhook_inbox_archive_processing_status_check CHECK ((processing_status = ANY (ARRAY['success'::text, 'resolved_manual'::text])))
)
PARTITION BY RANGE (created_at);
ALTER TABLE ONLY raw_ops.webhook_inbox_archive ALTER COLUMN payload SET COMPRESSION lz4;
ALTER TABLE ONLY raw_ops.webhook_inbox_archive ALTER COLUMN raw_body SET COMPRESSION lz4;
ALTER TABLE ONLY raw_ops.webhook_inbox_archive ALTER COLUMN headers SET COMPRESSION lz4;
COMMENT ON TABLE raw_ops.webhook_inbox_archive IS 'Webhooks that are done with, moved here by fn_archive_webhooks_v1(); partitioned by the month (UTC) of created_at.';
COMMENT ON COLUMN raw_ops.webhook_inbox_archive.archived_at IS 'When it was moved here.';
ALTER TABLE ONLY raw_ops.webhook_inbox_archive ATTACH PARTITION raw_ops.webhook_inbox_archive_other DEFAULT;
ALTER TABLE ONLY raw_ops.webhook_inbox_archive
    ADD CONSTRAINT webhook_inbox_archive_pkey PRIMARY KEY (id, created_at);
CREATE INDEX idx_webhook_inbox_archive_event ON ONLY raw_ops.webhook_inbox_archive USING btree (shop_domain, provider, event_id);
CREATE INDEX idx_webhook_inbox_archive_shopify_order ON ONLY raw_ops.webhook_inbox_archive USING btree (shopify_order_id) WHERE (shopify_order_id IS NOT NULL);
ALTER INDEX raw_ops.webhook_inbox_archive_pkey ATTACH PARTITION raw_ops.webhook_inbox_archive_other_pkey;
ALTER INDEX raw_ops.idx_webhook_inbox_archive_event ATTACH PARTITION raw_ops.webhook_inbox_archive_other_shop_domain_provider_event_id_idx;
ALTER INDEX raw_ops.idx_webhook_inbox_archive_shopify_order ATTACH PARTITION raw_ops.webhook_inbox_archive_other_shopify_order_id_idx;
ALTER TABLE raw_ops.webhook_inbox_archive ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.webhook_inbox_archive_other (
    id uuid NOT NULL,
    provider text NOT NULL,
    topic text NOT NULL,
    event_id text NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    payload jsonb,
    raw_body bytea,
    headers jsonb NOT NULL,
    processing_status text NOT NULL,
    processing_attempts integer NOT NULL,
    attempts integer,
    processing_duration_ms integer,
    last_error text,
    last_error_at timestamp with time zone,
    error_category text,
    shopify_order_id bigint,
    triggered_at timestamp with time zone,
    received_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    processed_at timestamp with time zone,
    next_retry_at timestamp with time zone,
    duplicate_count integer NOT NULL,
    replay_of uuid,
    archived_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT webhook_inbox_archive_processing_status_check CHECK ((processing_status = ANY (ARRAY['success'::text, 'resolved_manual'::text])))
);
ALTER TABLE ONLY raw_ops.webhook_inbox_archive_other ALTER COLUMN payload SET COMPRESSION lz4;
ALTER TABLE ONLY raw_ops.webhook_inbox_archive_other ALTER COLUMN raw_body SET COMPRESSION lz4;
ALTER TABLE ONLY raw_ops.webhook_inbox_archive_other ALTER COLUMN headers SET COMPRESSION lz4;
COMMENT ON TABLE raw_ops.webhook_inbox_archive_other IS 'Rows whose month has no partition yet; the archive run that makes one moves them there.';
ALTER TABLE ONLY raw_ops.webhook_inbox_archive_other
    ADD CONSTRAINT webhook_inbox_archive_other_pkey PRIMARY KEY (id, created_at);
CREATE INDEX webhook_inbox_archive_other_shop_domain_provider_event_id_idx ON raw_ops.webhook_inbox_archive_other USING btree (shop_domain, provider, event_id);
CREATE INDEX webhook_inbox_archive_other_shopify_order_id_idx ON raw_ops.webhook_inbox_archive_other USING btree (shopify_order_id) WHERE (shopify_order_id IS NOT NULL);
ALTER TABLE raw_ops.webhook_inbox_archive_other ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.webhook_tallies (
    provider text NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    processed bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    duration_ms bigint DEFAULT 0 NOT NULL,
    duplicates bigint DEFAULT 0 NOT NULL,
    counted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT webhook_tallies_counts_check CHECK (((processed >= 0) AND (failed >= 0) AND (duration_ms >= 0) AND (duplicates >= 0))),
    CONSTRAINT webhook_tallies_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253)))
);
COMMENT ON TABLE raw_ops.webhook_tallies IS 'What drains and captures counted, one row a set, provider and shop, not yet folded into webhook_totals.';
COMMENT ON COLUMN raw_ops.webhook_tallies.failed IS 'Failed attempts, those included that ended in a dead letter.';
COMMENT ON COLUMN raw_ops.webhook_tallies.duration_ms IS 'Sum of processing_duration_ms of these attempts.';
ALTER TABLE raw_ops.webhook_tallies ENABLE ROW LEVEL SECURITY;

CREATE TABLE raw_ops.webhook_totals (
    provider text NOT NULL,
    shop_domain text DEFAULT ''::text NOT NULL,
    processed bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    duration_ms bigint DEFAULT 0 NOT NULL,
    duplicates bigint DEFAULT 0 NOT NULL,
    CONSTRAINT webhook_totals_counts_check CHECK (((processed >= 0) AND (failed >= 0) AND (duration_ms >= 0) AND (duplicates >= 0))),
    CONSTRAINT webhook_totals_shop_domain_check CHECK (((shop_domain = lower(shop_domain)) AND (length(shop_domain) <= 253)))
);
COMMENT ON TABLE raw_ops.webhook_totals IS 'Webhooks processed, failed attempts and duplicates since the beginning, archival included. Add webhook_tallies for the figure of now.';
ALTER TABLE ONLY raw_ops.webhook_totals
    ADD CONSTRAINT webhook_totals_pkey PRIMARY KEY (provider, shop_domain);
ALTER TABLE raw_ops.webhook_totals ENABLE ROW LEVEL SECURITY;

CREATE VIEW raw_ops.alert_retry_queue_backup AS
 SELECT threshold.condition,
    measured.value,
    threshold.threshold,
    threshold.unit,
    threshold.severity,
    queue.queue_depth,
    queue.pending_count,
    queue.failed_count,
    queue.retrying_count,
    queue.due_count,
    queue.next_retry_at,
    queue.most_attempts,
    queue.oldest_received_at,
    queue.oldest_age,
    queue.oldest_age_minutes
   FROM ((raw_ops.retry_queue_depth queue
     CROSS JOIN LATERAL ( VALUES ('retry_queue_depth'::text,(queue.queue_depth)::numeric), ('oldest_pending'::text,((date_part('epoch'::text, queue.oldest_age) / (60)::double precision))::numeric)) measured(condition, value))
     JOIN raw_ops.monitor_thresholds threshold ON (((threshold.check_name = 'webhook_health'::text) AND (threshold.condition = measured.condition) AND threshold.enabled)))
  WHERE (measured.value > threshold.threshold);
COMMENT ON VIEW raw_ops.alert_retry_queue_backup IS 'Empty while all is well: rows only if the queue is deeper, or its oldest webhook older, than monitor_thresholds allows (100 webhooks, 30 minutes).';
COMMENT ON COLUMN raw_ops.alert_retry_queue_backup.condition IS 'retry_queue_depth or oldest_pending: what is over its threshold.';
COMMENT ON COLUMN raw_ops.alert_retry_queue_backup.value IS 'In unit, as is threshold.';

CREATE VIEW raw_ops.alert_slow_processing AS
 SELECT limits.condition,
    measured.value,
    limits.threshold,
    limits.unit,
    limits.severity,
    limits.lookback,
    measured.processed_count
   FROM (raw_ops.monitor_thresholds limits
     CROSS JOIN LATERAL ( SELECT
                CASE limits.condition
                    WHEN 'max_latency'::text THEN (max(webhook_inbox.processing_duration_ms))::numeric
                    ELSE (percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric
                END AS value,
            count(webhook_inbox.processing_duration_ms) AS processed_count
           FROM raw_ops.webhook_inbox
          WHERE ((webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (now() - limits.lookback)))) measured)
  WHERE ((limits.check_name = 'webhook_health'::text) AND (limits.condition = ANY (ARRAY['p95_latency'::text, 'max_latency'::text])) AND limits.enabled AND (measured.value > limits.threshold));
COMMENT ON VIEW raw_ops.alert_slow_processing IS 'Empty while all is well: rows only if, within the lookback, the 95th percentile of processing times or the longest is over monitor_thresholds'' (5,000 and 10,000 ms).';
COMMENT ON COLUMN raw_ops.alert_slow_processing.condition IS 'p95_latency or max_latency: what is over its threshold.';
COMMENT ON COLUMN raw_ops.alert_slow_processing.value IS 'In unit, as is threshold.';
COMMENT ON COLUMN raw_ops.alert_slow_processing.lookback IS 'Webhooks received within this time from now are looked at.';
COMMENT ON COLUMN raw_ops.alert_slow_processing.processed_count IS 'How many webhooks the value is taken from.';

CREATE VIEW raw_ops.courier_delivery_after_exception AS
 SELECT counts.shipments,
    counts.delivered,
    counts.under_way,
    trunc(((100.0 * (counts.delivered)::numeric) / (NULLIF((counts.shipments - counts.under_way), 0))::numeric), 2) AS delivered_percent
   FROM ( SELECT count(*) AS shipments,
            count(*) FILTER (WHERE shipment.is_delivered) AS delivered,
            count(*) FILTER (WHERE ((NOT shipment.is_delivered) AND (shipment.status <> ALL (ARRAY['failure'::text, 'cancelled'::text, 'returned'::text, 'replaced'::text])) AND (shipment.last_at > (now() - '7 days'::interval)))) AS under_way
           FROM ( SELECT shipment_1.status,
                    event.last_at,
                    ((shipment_1.status = 'delivered'::text) OR (EXISTS ( SELECT
                           FROM raw_ops.courier_events other
                          WHERE ((other.shipment_id = shipment_1.id) AND (other.event_type = 'delivered'::text))))) AS is_delivered
                   FROM (( SELECT courier_events.shipment_id,
                            max(courier_events.created_at) AS last_at
                           FROM raw_ops.courier_events
                          WHERE ((courier_events.created_at > (now() - '30 days'::interval)) AND (courier_events.event_type <> 'delivered'::text))
                          GROUP BY courier_events.shipment_id) event
                     JOIN raw_ops.shipments shipment_1 ON ((shipment_1.id = event.shipment_id)))) shipment) counts;
COMMENT ON VIEW raw_ops.courier_delivery_after_exception IS 'Shipments with an exception in the last 30 days: delivered all the same, as Shopify or a courier event of type delivered says? A shipment without news for 7 days counts as not. DLV''s target is above 95 %.';

CREATE VIEW raw_ops.courier_delivery_attempts AS
 SELECT counts.attempts,
    counts.succeeded,
    counts.failed,
    counts.p95_latency_ms,
    trunc(((100.0 * (counts.failed)::numeric) / (NULLIF(counts.attempts, 0))::numeric), 2) AS failure_rate_percent
   FROM ( SELECT count(*) AS attempts,
            count(*) FILTER (WHERE (http_requests.state = 'succeeded'::text)) AS succeeded,
            count(*) FILTER (WHERE (http_requests.state <> 'succeeded'::text)) AS failed,
            round((percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((http_requests.latency_ms)::double precision)))::numeric) AS p95_latency_ms
           FROM raw_ops.http_requests
          WHERE ((http_requests.purpose = 'courier'::text) AND (http_requests.state = ANY (ARRAY['succeeded'::text, 'failed'::text, 'abandoned'::text])) AND (http_requests.created_at > (now() - '30 days'::interval)))) counts;
COMMENT ON VIEW raw_ops.courier_delivery_attempts IS 'Attempts at Customer.io that ended in the last 30 days; DLV''s target is a failure rate below 0.1 %, alarm at 1 %.';

CREATE VIEW raw_ops.courier_exceptions_by_day AS
 SELECT (day.start)::date AS day,
    COALESCE(exceptions.total, (0)::bigint) AS exceptions,
    COALESCE(exceptions.notified, (0)::bigint) AS notified
   FROM (generate_series((date_trunc('day'::text, now()) - '29 days'::interval), date_trunc('day'::text, now()), '1 day'::interval) day(start)
     LEFT JOIN ( SELECT date_trunc('day'::text, courier_events.created_at) AS start,
            count(*) AS total,
            count(*) FILTER (WHERE courier_events.requires_customer_notification) AS notified
           FROM raw_ops.courier_events
          WHERE ((courier_events.created_at >= (date_trunc('day'::text, now()) - '29 days'::interval)) AND (courier_events.event_type <> 'delivered'::text))
          GROUP BY (date_trunc('day'::text, courier_events.created_at))) exceptions ON ((exceptions.start = day.start)));
COMMENT ON VIEW raw_ops.courier_exceptions_by_day IS 'Exceptions a day, 30 days, in the session''s TimeZone; a day without any is a row of zeros.';

CREATE VIEW raw_ops.courier_exceptions_by_type AS
 SELECT COALESCE(courier_events.event_type, 'unmapped'::text) AS event_type,
    count(*) AS total_events,
    count(*) FILTER (WHERE courier_events.requires_customer_notification) AS notified,
    count(DISTINCT courier_events.shipment_id) AS shipments,
    max(courier_events.created_at) AS last_at
   FROM raw_ops.courier_events
  WHERE (courier_events.created_at > (now() - '30 days'::interval))
  GROUP BY courier_events.event_type;
COMMENT ON VIEW raw_ops.courier_exceptions_by_type IS 'Courier events of the last 30 days by type; unmapped: the code is not in courier_event_mapping, so nobody was told.';

CREATE VIEW raw_ops.courier_failed_notifications AS
 SELECT event.id AS ops_event_id,
    event.created_at,
    (event.event_payload ->> 'event_type'::text) AS event_type,
    (event.event_payload ->> 'notification_template_id'::text) AS notification_template_id,
    event.notification_attempts,
    event.notification_last_error,
    event.entity_id AS shipment_id,
    (event.event_payload #>> '{shipment,tracking_no}'::text[]) AS tracking_no,
    last_attempt.status_code AS last_status_code,
    last_attempt.completed_at AS failed_at,
    event.shop_domain
   FROM (raw_ops.ops_events event
     LEFT JOIN LATERAL ( SELECT request.status_code,
            request.completed_at
           FROM raw_ops.http_requests request
          WHERE ((request.subject_id = event.id) AND (request.completed_at IS NOT NULL))
          ORDER BY request.completed_at DESC
         LIMIT 1) last_attempt ON (true))
  WHERE ((event.kind = 'CUSTOMER_EVENT'::text) AND (event.customer_event_type = 'courier_exception'::text) AND (event.notification_status = 'failed'::text));
COMMENT ON VIEW raw_ops.courier_failed_notifications IS 'Notifications that no attempt is left for. After mending the cause, DLV''s manual re-trigger sends them.';

CREATE VIEW raw_ops.courier_kpis AS
 SELECT kpi."position",
    kpi.kpi,
    kpi.value,
    kpi.unit,
    kpi.target,
    kpi.is_met
   FROM (( SELECT notifications.success_rate_percent,
            speed.p95_seconds,
            hands.intervention_rate_percent,
            delivery.delivered_percent,
            attempts.failure_rate_percent,
            now_state.stuck,
            now_state.failed,
            monitor.duration_ms,
            monitor.is_covered
           FROM raw_ops.courier_notification_success notifications,
            raw_ops.courier_time_to_notify speed,
            raw_ops.courier_manual_interventions hands,
            raw_ops.courier_delivery_after_exception delivery,
            raw_ops.courier_delivery_attempts attempts,
            ( SELECT (count(*) FILTER (WHERE ((COALESCE(ops_events.notification_status, 'pending'::text) = 'pending'::text) AND (ops_events.created_at < (now() - limits.stuck_after)))))::numeric AS stuck,
                    (count(*) FILTER (WHERE (ops_events.notification_status = 'failed'::text)))::numeric AS failed
                   FROM (raw_ops.ops_events
                     CROSS JOIN ( SELECT ((min(monitor_thresholds.threshold))::double precision * '00:01:00'::interval) AS stuck_after
                           FROM raw_ops.monitor_thresholds
                          WHERE ((monitor_thresholds.check_name = 'courier_watchdog_health'::text) AND (monitor_thresholds.condition = 'stuck_events'::text))) limits)
                  WHERE ((ops_events.processed_at IS NULL) AND (ops_events.kind = 'CUSTOMER_EVENT'::text) AND (ops_events.customer_event_type = 'courier_exception'::text) AND (ops_events.created_at > (now() - '24:00:00'::interval)))) now_state,
            ( SELECT (max(monitoring_runs.duration_ms))::numeric AS duration_ms,
                    (
                        CASE
                            WHEN (max(monitoring_runs.run_at) > (now() - ( SELECT monitors.heartbeat_every
                               FROM raw_ops.monitors
                              WHERE (monitors.check_name = 'courier_watchdog_health'::text)))) THEN 100
                            ELSE 0
                        END)::numeric AS is_covered
                   FROM raw_ops.monitoring_runs
                  WHERE ((monitoring_runs.check_name = 'courier_watchdog_health'::text) AND (monitoring_runs.run_at > (now() - '24:00:00'::interval)))) monitor) figure
     CROSS JOIN LATERAL ( VALUES (1,'event_processing_time'::text,figure.p95_seconds,'seconds (p95)'::text,'< 10'::text,(figure.p95_seconds < (10)::numeric)), (2,'notification_success_rate'::text,figure.success_rate_percent,'%'::text,'> 99'::text,(figure.success_rate_percent > (99)::numeric)), (3,'manual_intervention_rate'::text,figure.intervention_rate_percent,'%'::text,'< 2'::text,(figure.intervention_rate_percent < (2)::numeric)), (4,'query_performance'::text,figure.duration_ms,'ms (slowest health check, 24 h)'::text,'< 10'::text,(figure.duration_ms < (10)::numeric)), (5,'monitoring_coverage'::text,figure.is_covered,'%'::text,'= 100'::text,(figure.is_covered = (100)::numeric)), (6,'delivery_success_after_exception'::text,figure.delivered_percent,'%'::text,'> 95'::text,(figure.delivered_percent > (95)::numeric)), (7,'stuck_events'::text,figure.stuck,'events'::text,'= 0'::text,(figure.stuck = (0)::numeric)), (8,'notification_failures'::text,figure.failed,'events (24 h)'::text,'= 0'::text,(figure.failed = (0)::numeric)), (9,'customerio_failure_rate'::text,figure.failure_rate_percent,'%'::text,'< 0.1'::text,(figure.failure_rate_percent < 0.1))) kpi("position", kpi, value, unit, target, is_met));
COMMENT ON VIEW raw_ops.courier_kpis IS 'DLV''s KPIs with their targets, one row each; is_met is null while there is nothing to measure. Over 30 days unless the unit says otherwise.';

CREATE VIEW raw_ops.courier_manual_interventions AS
 SELECT counts.exceptions,
    counts.tasks,
    counts.open,
    counts.overdue,
    counts.not_due,
    counts.in_time,
    counts.median_minutes_to_done,
    trunc(((100.0 * (counts.tasks)::numeric) / (NULLIF(counts.exceptions, 0))::numeric), 2) AS intervention_rate_percent,
    trunc(((100.0 * (counts.in_time)::numeric) / (NULLIF((counts.tasks - counts.not_due), 0))::numeric), 2) AS within_sla_percent
   FROM ( SELECT ( SELECT count(*) AS count
                   FROM raw_ops.courier_events
                  WHERE ((courier_events.created_at > (now() - '30 days'::interval)) AND (courier_events.event_type <> 'delivered'::text))) AS exceptions,
            count(*) AS tasks,
            count(*) FILTER (WHERE (courier_tasks.done_at IS NULL)) AS open,
            count(*) FILTER (WHERE ((courier_tasks.done_at IS NULL) AND (courier_tasks.due_at < now()))) AS overdue,
            count(*) FILTER (WHERE ((courier_tasks.done_at IS NULL) AND (courier_tasks.due_at >= now()))) AS not_due,
            count(*) FILTER (WHERE (courier_tasks.done_at <= courier_tasks.due_at)) AS in_time,
            round((percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY (((EXTRACT(epoch FROM (courier_tasks.done_at - courier_tasks.created_at)) / (60)::numeric))::double precision)))::numeric) AS median_minutes_to_done
           FROM raw_ops.courier_tasks
          WHERE (courier_tasks.created_at > (now() - '30 days'::interval))) counts;
COMMENT ON VIEW raw_ops.courier_manual_interventions IS 'Tasks of the last 30 days against exceptions (DLV''s target is below 2 %), and how many were done within their SLA.';

CREATE VIEW raw_ops.courier_notification_success AS
 SELECT counts.notifications,
    counts.sent,
    counts.failed,
    counts.skipped,
    counts.waiting,
    counts.sent_at_once,
    trunc(((100.0 * (counts.sent)::numeric) / (NULLIF((counts.sent + counts.failed), 0))::numeric), 2) AS success_rate_percent
   FROM ( SELECT count(*) AS notifications,
            count(*) FILTER (WHERE (ops_events.notification_status = 'sent'::text)) AS sent,
            count(*) FILTER (WHERE (ops_events.notification_status = 'failed'::text)) AS failed,
            count(*) FILTER (WHERE (ops_events.notification_status = 'skipped'::text)) AS skipped,
            count(*) FILTER (WHERE ((ops_events.notification_status = 'pending'::text) OR (ops_events.notification_status IS NULL))) AS waiting,
            count(*) FILTER (WHERE ((ops_events.notification_status = 'sent'::text) AND (ops_events.notification_attempts = 1))) AS sent_at_once
           FROM raw_ops.ops_events
          WHERE ((ops_events.kind = 'CUSTOMER_EVENT'::text) AND (ops_events.customer_event_type = 'courier_exception'::text) AND (ops_events.created_at > (now() - '30 days'::interval)))) counts;
COMMENT ON VIEW raw_ops.courier_notification_success IS 'Notifications of the last 30 days by outcome. Success rate: sent / (sent + failed); DLV''s target is above 99 %.';

CREATE VIEW raw_ops.courier_open_tasks AS
 SELECT task.id AS task_id,
    task.event_code,
    task.event_type,
    task.action,
    task.due_at,
    (task.due_at < now()) AS is_overdue,
    round((EXTRACT(epoch FROM (task.due_at - now())) / (60)::numeric)) AS minutes_left,
    shipment.tracking_no,
    shipment.tracking_url,
    orders.order_name,
    task.shipment_id,
    task.created_at,
    task.shop_domain
   FROM ((raw_ops.courier_tasks task
     JOIN raw_ops.shipments shipment ON ((shipment.id = task.shipment_id)))
     LEFT JOIN raw_ops.orders ON ((orders.id = shipment.order_id)))
  WHERE (task.done_at IS NULL);
COMMENT ON VIEW raw_ops.courier_open_tasks IS 'What a person has to do, and how long there is for it. Close one: SELECT raw_ops.fn_complete_courier_task_v1(task_id, note);';

CREATE VIEW raw_ops.courier_time_to_notify AS
 SELECT count(*) AS sample_size,
    round(avg(sent.seconds), 1) AS avg_seconds,
    round((percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((sent.seconds)::double precision)))::numeric, 3) AS p50_seconds,
    round((percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((sent.seconds)::double precision)))::numeric, 3) AS p95_seconds,
    round(max(sent.seconds), 1) AS max_seconds,
    trunc(((100.0 * (count(*) FILTER (WHERE (sent.seconds < (10)::numeric)))::numeric) / (NULLIF(count(*), 0))::numeric), 2) AS within_10_seconds_percent
   FROM ( SELECT EXTRACT(epoch FROM (ops_events.processed_at - ops_events.created_at)) AS seconds
           FROM raw_ops.ops_events
          WHERE ((ops_events.kind = 'CUSTOMER_EVENT'::text) AND (ops_events.customer_event_type = 'courier_exception'::text) AND (ops_events.notification_status = 'sent'::text) AND (ops_events.created_at > (now() - '30 days'::interval)))) sent;
COMMENT ON VIEW raw_ops.courier_time_to_notify IS 'Seconds from a notification''s creation to its acceptance by Customer.io, last 30 days, retries included; DLV''s target is below 10.';

CREATE VIEW raw_ops.dashboard_daily_volume AS
 SELECT days.day,
    webhooks.received_count,
    webhooks.success_count,
    ((webhooks.received_count - webhooks.success_count) - webhooks.dead_lettered_count) AS waiting_count,
    webhooks.dead_lettered_count
   FROM (( SELECT (CURRENT_DATE - n.n) AS day
           FROM generate_series(0, 20) n(n)) days
     CROSS JOIN LATERAL ( SELECT count(*) AS received_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'success'::text)) AS success_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = ANY (ARRAY['dlq'::text, 'resolved_manual'::text]))) AS dead_lettered_count
           FROM raw_ops.webhook_inbox
          WHERE ((webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (days.day)::timestamp with time zone) AND (webhook_inbox.created_at < ((days.day + 1))::timestamp with time zone))) webhooks)
  ORDER BY days.day;
COMMENT ON VIEW raw_ops.dashboard_daily_volume IS 'Question 8, daily volume: webhooks received on each of the last 21 days, by what has become of them.';
COMMENT ON COLUMN raw_ops.dashboard_daily_volume.waiting_count IS 'Of those received that day, still pending, failed or retrying.';
COMMENT ON COLUMN raw_ops.dashboard_daily_volume.dead_lettered_count IS 'Of those received that day, dead letters: dlq or, settled by a person, resolved_manual.';

CREATE VIEW raw_ops.dashboard_daily_volume_by_shop AS
 WITH counted AS (
         SELECT slot.day,
            webhooks.shop_domain,
            sum(webhooks.webhooks) AS received_count,
            sum(webhooks.webhooks) FILTER (WHERE (slot.status = 'success'::text)) AS success_count,
            sum(webhooks.webhooks) FILTER (WHERE (slot.status = ANY (ARRAY['pending'::text, 'failed'::text, 'retrying'::text]))) AS waiting_count,
            sum(webhooks.webhooks) FILTER (WHERE (slot.status = ANY (ARRAY['dlq'::text, 'resolved_manual'::text]))) AS dead_lettered_count
           FROM (UNNEST(ARRAY( SELECT (CURRENT_DATE - (n.n / 6))
                   FROM generate_series(0, ((21 * 6) - 1)) n(n)), ARRAY( SELECT (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])[(1 + (n.n % 6))] AS "array"
                   FROM generate_series(0, ((21 * 6) - 1)) n(n))) slot(day, status)
             CROSS JOIN LATERAL ( SELECT webhook_inbox.shop_domain,
                    count(*) AS webhooks
                   FROM raw_ops.webhook_inbox
                  WHERE ((webhook_inbox.processing_status = slot.status) AND (webhook_inbox.created_at >= (slot.day)::timestamp with time zone) AND (webhook_inbox.created_at < ((slot.day + 1))::timestamp with time zone))
                  GROUP BY webhook_inbox.shop_domain) webhooks)
          GROUP BY slot.day, webhooks.shop_domain
        ), listed AS (
         SELECT shops.shop_domain
           FROM raw_ops.shops
          WHERE shops.active
        UNION
         SELECT counted_1.shop_domain
           FROM counted counted_1
        )
 SELECT listed.shop_domain,
    shop.name AS shop_name,
    days.day,
    (COALESCE(counted.received_count, (0)::numeric))::bigint AS received_count,
    (COALESCE(counted.success_count, (0)::numeric))::bigint AS success_count,
    (COALESCE(counted.waiting_count, (0)::numeric))::bigint AS waiting_count,
    (COALESCE(counted.dead_lettered_count, (0)::numeric))::bigint AS dead_lettered_count
   FROM (((listed
     CROSS JOIN unnest(ARRAY( SELECT (CURRENT_DATE - n.n)
           FROM generate_series(0, 20) n(n))) days(day))
     LEFT JOIN counted USING (shop_domain, day))
     LEFT JOIN raw_ops.shops shop USING (shop_domain))
  ORDER BY listed.shop_domain, days.day;
COMMENT ON VIEW raw_ops.dashboard_daily_volume_by_shop IS 'dashboard_daily_volume by shop: webhooks received on each of the last 21 days, by what has become of them. Shops that sent nothing have their rows too, unless they are not active.';
COMMENT ON COLUMN raw_ops.dashboard_daily_volume_by_shop.shop_domain IS 'Empty: webhooks that name no shop.';
COMMENT ON COLUMN raw_ops.dashboard_daily_volume_by_shop.waiting_count IS 'Of those received that day, still pending, failed or retrying.';
COMMENT ON COLUMN raw_ops.dashboard_daily_volume_by_shop.dead_lettered_count IS 'Of those received that day, dead letters: dlq or, settled by a person, resolved_manual.';

CREATE VIEW raw_ops.dashboard_dlq_by_day AS
 SELECT days.day,
    count(died.day) AS dlq_count,
    count(died.day) FILTER (WHERE (died.processing_status = 'dlq'::text)) AS open_count,
    count(died.day) FILTER (WHERE (died.processing_status = 'resolved_manual'::text)) AS resolved_manual_count
   FROM (( SELECT (CURRENT_DATE - n.n) AS day
           FROM generate_series(0, 29) n(n)) days
     LEFT JOIN ( SELECT (COALESCE(webhook_inbox.last_error_at, webhook_inbox.created_at))::date AS day,
            webhook_inbox.processing_status
           FROM raw_ops.webhook_inbox
          WHERE ((webhook_inbox.processing_status = ANY (ARRAY['dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (now() - '90 days'::interval)))) died ON ((died.day = days.day)))
  GROUP BY days.day
  ORDER BY days.day;
COMMENT ON VIEW raw_ops.dashboard_dlq_by_day IS 'Question 3, dead letters by the day they became dead letters: the last 30 days.';
COMMENT ON COLUMN raw_ops.dashboard_dlq_by_day.dlq_count IS 'Became dead letters that day, settled by now or not.';
COMMENT ON COLUMN raw_ops.dashboard_dlq_by_day.open_count IS 'Of them, still waiting for a person.';
COMMENT ON COLUMN raw_ops.dashboard_dlq_by_day.resolved_manual_count IS 'Of them, settled by a person.';

CREATE VIEW raw_ops.dashboard_dlq_by_day_by_shop AS
 WITH counted AS (
         SELECT webhook_inbox.shop_domain,
            (COALESCE(webhook_inbox.last_error_at, webhook_inbox.created_at))::date AS day,
            count(*) AS dlq_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'dlq'::text)) AS open_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'resolved_manual'::text)) AS resolved_manual_count
           FROM raw_ops.webhook_inbox
          WHERE ((webhook_inbox.processing_status = ANY (ARRAY['dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (now() - '90 days'::interval)))
          GROUP BY webhook_inbox.shop_domain, ((COALESCE(webhook_inbox.last_error_at, webhook_inbox.created_at))::date)
        ), listed AS (
         SELECT shops.shop_domain
           FROM raw_ops.shops
          WHERE shops.active
        UNION
         SELECT counted_1.shop_domain
           FROM counted counted_1
          WHERE ((counted_1.day >= (CURRENT_DATE - 29)) AND (counted_1.day <= CURRENT_DATE))
        )
 SELECT listed.shop_domain,
    shop.name AS shop_name,
    days.day,
    COALESCE(counted.dlq_count, (0)::bigint) AS dlq_count,
    COALESCE(counted.open_count, (0)::bigint) AS open_count,
    COALESCE(counted.resolved_manual_count, (0)::bigint) AS resolved_manual_count
   FROM (((listed
     CROSS JOIN unnest(ARRAY( SELECT (CURRENT_DATE - n.n)
           FROM generate_series(0, 29) n(n))) days(day))
     LEFT JOIN counted USING (shop_domain, day))
     LEFT JOIN raw_ops.shops shop USING (shop_domain))
  ORDER BY listed.shop_domain, days.day;
COMMENT ON VIEW raw_ops.dashboard_dlq_by_day_by_shop IS 'dashboard_dlq_by_day by shop: dead letters by the day they became dead letters, the last 30 days of each. Shops without any have their rows too, unless they are not active.';
COMMENT ON COLUMN raw_ops.dashboard_dlq_by_day_by_shop.shop_domain IS 'Empty: webhooks that name no shop.';
COMMENT ON COLUMN raw_ops.dashboard_dlq_by_day_by_shop.dlq_count IS 'Became dead letters that day, settled by now or not.';
COMMENT ON COLUMN raw_ops.dashboard_dlq_by_day_by_shop.open_count IS 'Of them, still waiting for a person.';
COMMENT ON COLUMN raw_ops.dashboard_dlq_by_day_by_shop.resolved_manual_count IS 'Of them, settled by a person.';

CREATE VIEW raw_ops.dashboard_error_categories AS
 SELECT error_summary.error_category,
    error_summary.webhook_count,
    error_summary.share_percent
   FROM raw_ops.error_summary
  ORDER BY error_summary.webhook_count DESC, error_summary.error_category;
COMMENT ON VIEW raw_ops.dashboard_error_categories IS 'Question 5, error categories (a pie): webhooks received in the last 7 days that failed at least once, by category of their last failure.';

CREATE VIEW raw_ops.dashboard_oldest_pending AS
 SELECT queue.oldest_age_minutes,
    queue.oldest_age,
    queue.oldest_received_at,
    oldest.processing_status,
    oldest.topic,
    oldest.id AS webhook_id,
    queue.queue_depth
   FROM (raw_ops.retry_queue_depth queue
     LEFT JOIN LATERAL ( SELECT webhook_inbox.id,
            webhook_inbox.topic,
            webhook_inbox.processing_status
           FROM raw_ops.webhook_inbox
          WHERE (webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'failed'::text, 'retrying'::text]))
          ORDER BY webhook_inbox.received_at
         LIMIT 1) oldest ON (true));
COMMENT ON VIEW raw_ops.dashboard_oldest_pending IS 'Question 7, age of the oldest webhook that waits to be processed or tried again. One row; age 0 when nothing waits.';

CREATE VIEW raw_ops.dashboard_p95_latency AS
 SELECT days.day,
    webhooks.processed_count,
    webhooks.p50_processing_ms,
    webhooks.p95_processing_ms,
    webhooks.max_processing_ms
   FROM (unnest(ARRAY( SELECT (CURRENT_DATE - n.n)
           FROM generate_series(0, 13) n(n))) days(day)
     CROSS JOIN LATERAL ( SELECT count(webhook_inbox.processing_duration_ms) AS processed_count,
            round((percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric, 1) AS p50_processing_ms,
            round((percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric, 1) AS p95_processing_ms,
            max(webhook_inbox.processing_duration_ms) AS max_processing_ms
           FROM raw_ops.webhook_inbox
          WHERE ((webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (days.day)::timestamp with time zone) AND (webhook_inbox.created_at < ((days.day + 1))::timestamp with time zone))) webhooks)
  ORDER BY days.day;
COMMENT ON VIEW raw_ops.dashboard_p95_latency IS 'Question 4, P95 latency trend: processing times by day received, the last 14 days. By hour: webhook_processing_by_hour.';
COMMENT ON COLUMN raw_ops.dashboard_p95_latency.p95_processing_ms IS '95 % of the webhooks took no longer. Milliseconds from claim to recorded outcome of the last attempt; null on a day without any.';

CREATE VIEW raw_ops.dashboard_p95_latency_by_shop AS
 WITH counted AS (
         SELECT days_1.day,
            webhooks.shop_domain,
            webhooks.processed_count,
            webhooks.p50_processing_ms,
            webhooks.p95_processing_ms,
            webhooks.max_processing_ms
           FROM (unnest(ARRAY( SELECT (CURRENT_DATE - n.n)
                   FROM generate_series(0, 13) n(n))) days_1(day)
             CROSS JOIN LATERAL ( SELECT webhook_inbox.shop_domain,
                    count(webhook_inbox.processing_duration_ms) AS processed_count,
                    round((percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric, 1) AS p50_processing_ms,
                    round((percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric, 1) AS p95_processing_ms,
                    max(webhook_inbox.processing_duration_ms) AS max_processing_ms
                   FROM raw_ops.webhook_inbox
                  WHERE ((webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (days_1.day)::timestamp with time zone) AND (webhook_inbox.created_at < ((days_1.day + 1))::timestamp with time zone))
                  GROUP BY webhook_inbox.shop_domain) webhooks)
        ), listed AS (
         SELECT shops.shop_domain
           FROM raw_ops.shops
          WHERE shops.active
        UNION
         SELECT counted_1.shop_domain
           FROM counted counted_1
        )
 SELECT listed.shop_domain,
    shop.name AS shop_name,
    days.day,
    COALESCE(counted.processed_count, (0)::bigint) AS processed_count,
    counted.p50_processing_ms,
    counted.p95_processing_ms,
    counted.max_processing_ms
   FROM (((listed
     CROSS JOIN unnest(ARRAY( SELECT (CURRENT_DATE - n.n)
           FROM generate_series(0, 13) n(n))) days(day))
     LEFT JOIN counted USING (shop_domain, day))
     LEFT JOIN raw_ops.shops shop USING (shop_domain))
  ORDER BY listed.shop_domain, days.day;
COMMENT ON VIEW raw_ops.dashboard_p95_latency_by_shop IS 'dashboard_p95_latency by shop: processing times by day received, the last 14 days of each. Shops that sent nothing have their rows too, unless they are not active.';
COMMENT ON COLUMN raw_ops.dashboard_p95_latency_by_shop.shop_domain IS 'Empty: webhooks that name no shop.';
COMMENT ON COLUMN raw_ops.dashboard_p95_latency_by_shop.p95_processing_ms IS '95 % of the webhooks took no longer. Milliseconds from claim to recorded outcome of the last attempt; null on a day without any.';

CREATE VIEW raw_ops.dashboard_queue_depth AS
 WITH hours AS (
         SELECT hours.hour
           FROM unnest(ARRAY( SELECT (date_trunc('hour'::text, now()) - ((n.n)::double precision * '01:00:00'::interval))
                   FROM generate_series(0, 192) n(n))) hours(hour)
        ), waited AS (
         SELECT webhook.received_at,
            webhook.left_at
           FROM (hours
             CROSS JOIN LATERAL ( SELECT webhook_inbox.received_at,
                        CASE webhook_inbox.processing_status
                            WHEN 'success'::text THEN webhook_inbox.processed_at
                            ELSE webhook_inbox.last_error_at
                        END AS left_at
                   FROM raw_ops.webhook_inbox
                  WHERE ((webhook_inbox.processing_status = ANY (ARRAY['success'::text, 'dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= hours.hour) AND (webhook_inbox.created_at < (hours.hour + '01:00:00'::interval)))
                 OFFSET 0) webhook)
          WHERE (webhook.left_at >= (hours.hour + '01:00:00'::interval))
        UNION ALL
         SELECT webhook_inbox.received_at,
            NULL::timestamp with time zone
           FROM raw_ops.webhook_inbox
          WHERE (webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'failed'::text, 'retrying'::text]))
        ), changes AS (
         SELECT LEAST(GREATEST((date_trunc('hour'::text, (change.at - '00:00:00.000001'::interval)) + '01:00:00'::interval), (date_trunc('hour'::text, now()) - '7 days'::interval)), now()) AS measured_at,
            sum(change.webhooks) AS webhooks
           FROM (waited
             CROSS JOIN LATERAL ( VALUES (waited.received_at,1), (waited.left_at,'-1'::integer)) change(at, webhooks))
          WHERE (change.at <= now())
          GROUP BY LEAST(GREATEST((date_trunc('hour'::text, (change.at - '00:00:00.000001'::interval)) + '01:00:00'::interval), (date_trunc('hour'::text, now()) - '7 days'::interval)), now())
        )
 SELECT measured.measured_at,
    (sum(COALESCE(changes.webhooks, (0)::bigint)) OVER (ORDER BY measured.measured_at))::bigint AS queue_depth
   FROM (( SELECT hours.hour AS measured_at
           FROM hours
          WHERE (hours.hour >= (date_trunc('hour'::text, now()) - '7 days'::interval))
        UNION
         SELECT now() AS now) measured
     LEFT JOIN changes USING (measured_at))
  ORDER BY measured.measured_at;
COMMENT ON VIEW raw_ops.dashboard_queue_depth IS 'Question 2, queue depth over time: how many webhooks were waiting at each full hour of the last 7 days, and now (last row). Derived from when each webhook came and left.';
COMMENT ON COLUMN raw_ops.dashboard_queue_depth.queue_depth IS 'Received by then, and processed or dead-lettered only later or not yet. Webhooks that waited for more than a day are not known before the last 7 days.';

CREATE VIEW raw_ops.dashboard_retry_resolution AS
 SELECT outcomes.outcome,
    count(retried.outcome) AS webhook_count,
    round(((100.0 * (count(retried.outcome))::numeric) / NULLIF(sum(count(retried.outcome)) OVER (), (0)::numeric)), 1) AS share_percent
   FROM (( VALUES (1,'success'::text), (2,'dlq'::text), (3,'waiting'::text)) outcomes(place, outcome)
     LEFT JOIN ( SELECT
                CASE
                    WHEN (webhook_inbox.processing_status = 'success'::text) THEN 'success'::text
                    WHEN (webhook_inbox.processing_status = ANY (ARRAY['dlq'::text, 'resolved_manual'::text])) THEN 'dlq'::text
                    ELSE 'waiting'::text
                END AS outcome
           FROM raw_ops.webhook_inbox
          WHERE ((webhook_inbox.processing_status = ANY (ARRAY['success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (now() - '7 days'::interval)) AND ((webhook_inbox.processing_attempts > 1) OR (webhook_inbox.processing_status <> 'success'::text)))) retried ON ((retried.outcome = outcomes.outcome)))
  GROUP BY outcomes.place, outcomes.outcome
  ORDER BY outcomes.place;
COMMENT ON VIEW raw_ops.dashboard_retry_resolution IS 'Question 6, retry resolution rate: what became of the webhooks received in the last 7 days whose first attempt failed. Always three rows.';
COMMENT ON COLUMN raw_ops.dashboard_retry_resolution.outcome IS 'success: a retry succeeded; dlq: became a dead letter, settled by now or not; waiting: another attempt follows.';

CREATE VIEW raw_ops.dashboard_success_rate AS
 SELECT rolling.day,
    rolling.success_count,
    rolling.outcome_count,
    trunc(((100.0 * (rolling.success_count)::numeric) / (NULLIF(rolling.outcome_count, 0))::numeric), 2) AS success_rate_percent,
    trunc(((100.0 * rolling.success_count_7_days) / NULLIF(rolling.outcome_count_7_days, (0)::numeric)), 2) AS rolling_7_day_success_rate_percent
   FROM ( SELECT days.day,
            webhooks.success_count,
            webhooks.outcome_count,
            sum(webhooks.success_count) OVER last_7_days AS success_count_7_days,
            sum(webhooks.outcome_count) OVER last_7_days AS outcome_count_7_days
           FROM (( SELECT (CURRENT_DATE - n.n) AS day
                   FROM generate_series(0, 26) n(n)) days
             CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE (webhook_inbox.processing_status = 'success'::text)) AS success_count,
                    count(*) AS outcome_count
                   FROM raw_ops.webhook_inbox
                  WHERE ((webhook_inbox.processing_status = ANY (ARRAY['success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (days.day)::timestamp with time zone) AND (webhook_inbox.created_at < ((days.day + 1))::timestamp with time zone))) webhooks)
          WINDOW last_7_days AS (ORDER BY days.day ROWS 6 PRECEDING)) rolling
  WHERE (rolling.day > (CURRENT_DATE - 21))
  ORDER BY rolling.day;
COMMENT ON VIEW raw_ops.dashboard_success_rate IS 'Question 1, success rate trend: the last 21 days, each with its own rate and that of the 7 days ending with it.';
COMMENT ON COLUMN raw_ops.dashboard_success_rate.outcome_count IS 'Webhooks received that day that have had an outcome: all but pending.';
COMMENT ON COLUMN raw_ops.dashboard_success_rate.success_rate_percent IS 'Of this day alone, rounded down; null on a day without outcomes.';
COMMENT ON COLUMN raw_ops.dashboard_success_rate.rolling_7_day_success_rate_percent IS 'Of this day and the six before it, rounded down; null without outcomes.';

CREATE VIEW raw_ops.dashboard_success_rate_by_shop AS
 WITH counted AS (
         SELECT slot.day,
            webhooks.shop_domain,
            sum(webhooks.webhooks) FILTER (WHERE (slot.status = 'success'::text)) AS success_count,
            sum(webhooks.webhooks) AS outcome_count
           FROM (UNNEST(ARRAY( SELECT (CURRENT_DATE - (n.n / 5))
                   FROM generate_series(0, ((27 * 5) - 1)) n(n)), ARRAY( SELECT (ARRAY['success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])[(1 + (n.n % 5))] AS "array"
                   FROM generate_series(0, ((27 * 5) - 1)) n(n))) slot(day, status)
             CROSS JOIN LATERAL ( SELECT webhook_inbox.shop_domain,
                    count(*) AS webhooks
                   FROM raw_ops.webhook_inbox
                  WHERE ((webhook_inbox.processing_status = slot.status) AND (webhook_inbox.created_at >= (slot.day)::timestamp with time zone) AND (webhook_inbox.created_at < ((slot.day + 1))::timestamp with time zone))
                  GROUP BY webhook_inbox.shop_domain) webhooks)
          GROUP BY slot.day, webhooks.shop_domain
        ), listed AS (
         SELECT shops.shop_domain
           FROM raw_ops.shops
          WHERE shops.active
        UNION
         SELECT counted.shop_domain
           FROM counted
        ), rolling AS (
         SELECT listed.shop_domain,
            days.day,
            (COALESCE(counted.success_count, (0)::numeric))::bigint AS success_count,
            (COALESCE(counted.outcome_count, (0)::numeric))::bigint AS outcome_count,
            sum(counted.success_count) OVER last_7_days AS success_count_7_days,
            sum(counted.outcome_count) OVER last_7_days AS outcome_count_7_days
           FROM ((listed
             CROSS JOIN unnest(ARRAY( SELECT (CURRENT_DATE - n.n)
                   FROM generate_series(0, 26) n(n))) days(day))
             LEFT JOIN counted USING (shop_domain, day))
          WINDOW last_7_days AS (PARTITION BY listed.shop_domain ORDER BY days.day ROWS 6 PRECEDING)
        )
 SELECT rolling.shop_domain,
    shop.name AS shop_name,
    rolling.day,
    rolling.success_count,
    rolling.outcome_count,
    trunc(((100.0 * (rolling.success_count)::numeric) / (NULLIF(rolling.outcome_count, 0))::numeric), 2) AS success_rate_percent,
    trunc(((100.0 * rolling.success_count_7_days) / NULLIF(rolling.outcome_count_7_days, (0)::numeric)), 2) AS rolling_7_day_success_rate_percent
   FROM (rolling
     LEFT JOIN raw_ops.shops shop USING (shop_domain))
  WHERE (rolling.day > (CURRENT_DATE - 21))
  ORDER BY rolling.shop_domain, rolling.day;
COMMENT ON VIEW raw_ops.dashboard_success_rate_by_shop IS 'dashboard_success_rate by shop: the last 21 days of each, with its own rate and that of the 7 days ending with it. Shops that sent nothing have their rows too, unless they are not active.';
COMMENT ON COLUMN raw_ops.dashboard_success_rate_by_shop.shop_domain IS 'Empty: webhooks that name no shop.';
COMMENT ON COLUMN raw_ops.dashboard_success_rate_by_shop.outcome_count IS 'Webhooks received that day that have had an outcome: all but pending.';
COMMENT ON COLUMN raw_ops.dashboard_success_rate_by_shop.success_rate_percent IS 'Of this day alone, rounded down; null on a day without outcomes.';
COMMENT ON COLUMN raw_ops.dashboard_success_rate_by_shop.rolling_7_day_success_rate_percent IS 'Of this day and the six before it, rounded down; null without outcomes.';

CREATE VIEW raw_ops.error_summary AS
 SELECT COALESCE(webhook_inbox.error_category, 'unclassified'::text) AS error_category,
    count(*) AS webhook_count,
    round(((100.0 * (count(*))::numeric) / sum(count(*)) OVER ()), 1) AS share_percent,
    count(*) FILTER (WHERE (webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'failed'::text, 'retrying'::text]))) AS waiting_count,
    count(*) FILTER (WHERE (webhook_inbox.processing_status = 'success'::text)) AS recovered_count,
    count(*) FILTER (WHERE (webhook_inbox.processing_status = 'dlq'::text)) AS dlq_count,
    count(*) FILTER (WHERE (webhook_inbox.processing_status = 'resolved_manual'::text)) AS resolved_manual_count,
    string_agg(DISTINCT webhook_inbox.topic, ', '::text ORDER BY webhook_inbox.topic) AS topics,
    min(webhook_inbox.last_error_at) AS first_error_at,
    max(webhook_inbox.last_error_at) AS last_error_at,
    (array_agg(webhook_inbox.last_error ORDER BY webhook_inbox.last_error_at DESC NULLS LAST))[1] AS sample_error,
    (array_agg(webhook_inbox.id ORDER BY webhook_inbox.last_error_at DESC NULLS LAST))[1] AS sample_webhook_id
   FROM raw_ops.webhook_inbox
  WHERE ((webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (now() - '7 days'::interval)) AND ((webhook_inbox.error_category IS NOT NULL) OR (webhook_inbox.last_error IS NOT NULL)))
  GROUP BY COALESCE(webhook_inbox.error_category, 'unclassified'::text)
  ORDER BY (count(*)) DESC, COALESCE(webhook_inbox.error_category, 'unclassified'::text);
COMMENT ON VIEW raw_ops.error_summary IS 'What went wrong with the webhooks received in the last 7 days, by error category, most frequent first.';
COMMENT ON COLUMN raw_ops.error_summary.webhook_count IS 'Webhooks whose last failure was of this category, whatever became of them.';
COMMENT ON COLUMN raw_ops.error_summary.share_percent IS 'Of all webhooks that failed at least once.';
COMMENT ON COLUMN raw_ops.error_summary.waiting_count IS 'Of them, waiting for another attempt.';
COMMENT ON COLUMN raw_ops.error_summary.recovered_count IS 'Of them, processed by a later attempt.';
COMMENT ON COLUMN raw_ops.error_summary.sample_error IS 'The latest error message of the category; sample_webhook_id is its webhook.';

CREATE VIEW raw_ops.health_indicators AS
 WITH measured AS (
         SELECT health.success_count,
            (health.received_count - health.pending_count) AS outcome_count,
            health.success_rate_percent,
            health.p95_processing_ms,
            health.new_dlq_count,
            queue.queue_depth
           FROM (raw_ops.webhook_health health
             CROSS JOIN raw_ops.retry_queue_depth queue)
        ), limits AS (
         SELECT monitor_thresholds.condition,
            max(trim_scale(monitor_thresholds.threshold)) FILTER (WHERE (monitor_thresholds.severity = 'warning'::text)) AS warning,
            max(trim_scale(monitor_thresholds.threshold)) FILTER (WHERE (monitor_thresholds.severity = 'critical'::text)) AS critical
           FROM raw_ops.monitor_thresholds
          WHERE ((monitor_thresholds.check_name = 'health_indicators'::text) AND monitor_thresholds.enabled)
          GROUP BY monitor_thresholds.condition
        ), figures AS (
         SELECT figure.place,
            figure.indicator,
            figure.value,
            figure.unit,
            m.success_count,
            m.outcome_count,
            l.warning AS w,
            l.critical AS c,
            floor(l.warning) AS last_healthy,
            floor(l.critical) AS last_warning
           FROM ((measured m
             CROSS JOIN LATERAL ( VALUES (1,'success_rate'::text,m.success_rate_percent,'%'::text), (2,'queue_depth'::text,(m.queue_depth)::numeric,'webhooks'::text), (3,'p95_latency'::text,m.p95_processing_ms,'milliseconds'::text), (4,'dlq_per_day'::text,(m.new_dlq_count)::numeric,'dead letters'::text)) figure(place, indicator, value, unit))
             LEFT JOIN limits l ON ((l.condition = figure.indicator)))
        ), indicators AS (
         SELECT figures.place,
            figures.indicator,
            figures.value,
            figures.unit,
                CASE figures.indicator
                    WHEN 'success_rate'::text THEN
                    CASE
                        WHEN ((figures.success_count)::numeric < ((figures.c / (100)::numeric) * (figures.outcome_count)::numeric)) THEN 'critical'::text
                        WHEN ((figures.outcome_count > 0) AND ((figures.success_count)::numeric <= ((figures.w / (100)::numeric) * (figures.outcome_count)::numeric))) THEN 'warning'::text
                        ELSE 'healthy'::text
                    END
                    WHEN 'p95_latency'::text THEN
                    CASE
                        WHEN (figures.value > figures.c) THEN 'critical'::text
                        WHEN (figures.value >= figures.w) THEN 'warning'::text
                        ELSE 'healthy'::text
                    END
                    ELSE
                    CASE
                        WHEN (figures.value > figures.c) THEN 'critical'::text
                        WHEN (figures.value > figures.w) THEN 'warning'::text
                        ELSE 'healthy'::text
                    END
                END AS state,
                CASE figures.indicator
                    WHEN 'success_rate'::text THEN
                    CASE
                        WHEN (figures.w >= COALESCE(figures.c, figures.w)) THEN ('> '::text || figures.w)
                        ELSE COALESCE(('>= '::text || figures.c), 'any'::text)
                    END
                    WHEN 'p95_latency'::text THEN
                    CASE
                        WHEN (figures.w <= COALESCE(figures.c, figures.w)) THEN ('< '::text || figures.w)
                        ELSE COALESCE(('<= '::text || figures.c), 'any'::text)
                    END
                    ELSE COALESCE(
                    CASE LEAST(figures.last_healthy, figures.last_warning)
                        WHEN 0 THEN '0'::text
                        ELSE ('0 to '::text || LEAST(figures.last_healthy, figures.last_warning))
                    END, 'any'::text)
                END AS healthy,
                CASE figures.indicator
                    WHEN 'success_rate'::text THEN
                    CASE
                        WHEN (figures.w >= figures.c) THEN ((figures.c || ' to '::text) || figures.w)
                        WHEN (figures.c IS NULL) THEN COALESCE(('<= '::text || figures.w), 'none'::text)
                        ELSE 'none'::text
                    END
                    WHEN 'p95_latency'::text THEN
                    CASE
                        WHEN (figures.w <= figures.c) THEN ((figures.w || ' to '::text) || figures.c)
                        WHEN (figures.c IS NULL) THEN COALESCE(('>= '::text || figures.w), 'none'::text)
                        ELSE 'none'::text
                    END
                    ELSE
                    CASE
                        WHEN (figures.last_warning = (figures.last_healthy + (1)::numeric)) THEN (figures.last_warning)::text
                        WHEN (figures.last_warning > figures.last_healthy) THEN (((figures.last_healthy + (1)::numeric) || ' to '::text) || figures.last_warning)
                        WHEN (figures.c IS NULL) THEN COALESCE(('> '::text || figures.last_healthy), 'none'::text)
                        ELSE 'none'::text
                    END
                END AS warning,
                CASE figures.indicator
                    WHEN 'success_rate'::text THEN COALESCE(('< '::text || figures.c), 'none'::text)
                    WHEN 'dlq_per_day'::text THEN COALESCE(((figures.last_warning + (1)::numeric) || ' or more'::text), 'none'::text)
                    WHEN 'queue_depth'::text THEN COALESCE(('> '::text || figures.last_warning), 'none'::text)
                    ELSE COALESCE(('> '::text || figures.c), 'none'::text)
                END AS critical
           FROM figures
        )
 SELECT rows.indicator,
    rows.value,
    rows.unit,
    rows.state,
    rows.healthy,
    rows.warning,
    rows.critical
   FROM ( SELECT indicators.place,
            indicators.indicator,
            indicators.value,
            indicators.unit,
            indicators.state,
            indicators.healthy,
            indicators.warning,
            indicators.critical
           FROM indicators
        UNION ALL
         SELECT 5,
            'overall'::text,
            NULL::numeric,
            NULL::text,
                CASE
                    WHEN bool_or((indicators.state = 'critical'::text)) THEN 'critical'::text
                    WHEN bool_or((indicators.state = 'warning'::text)) THEN 'warning'::text
                    ELSE 'healthy'::text
                END AS "case",
            'all healthy'::text,
            'at least one warning'::text,
            'at least one critical'::text
           FROM indicators) rows
  ORDER BY rows.place;
COMMENT ON VIEW raw_ops.health_indicators IS 'ORD''s table of health: success rate, P95 latency and new dead letters of the last 24 hours and the queue now, each healthy (green), warning (yellow) or critical (red); the row overall is the worst of them.';
COMMENT ON COLUMN raw_ops.health_indicators.value IS 'In unit; null when there is nothing to measure, which is healthy. Null for overall.';
COMMENT ON COLUMN raw_ops.health_indicators.state IS 'healthy, warning or critical.';
COMMENT ON COLUMN raw_ops.health_indicators.healthy IS 'The values that are healthy; warning and critical likewise. any, none: no limit is set.';

CREATE VIEW raw_ops.missing_orders AS
 WITH received AS (
         SELECT event.id,
            event.shop_domain,
            event.created_at,
                CASE
                    WHEN (((event.event_payload ->> 'shopify_order_id'::text) ~ '^[0-9]{1,19}$'::text) AND (((event.event_payload ->> 'shopify_order_id'::text))::numeric <= ('9223372036854775807'::bigint)::numeric)) THEN ((event.event_payload ->> 'shopify_order_id'::text))::bigint
                    ELSE NULL::bigint
                END AS shopify_order_id,
                CASE
                    WHEN ((event.event_payload ->> 'webhook_id'::text) ~ '^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$'::text) THEN ((event.event_payload ->> 'webhook_id'::text))::uuid
                    ELSE NULL::uuid
                END AS webhook_id
           FROM raw_ops.ops_events event
          WHERE ((event.kind = 'INFO'::text) AND (event.entity_type = 'order'::text) AND (event.event_payload ? 'shopify_order_id'::text) AND (event.created_at > (now() - '24:00:00'::interval)) AND (event.created_at < (now() - ((COALESCE(( SELECT min(threshold.threshold) AS min
                   FROM raw_ops.monitor_thresholds threshold
                  WHERE ((threshold.check_name = 'order_ingestion_slo'::text) AND (threshold.condition = 'orders_not_ingested'::text) AND threshold.enabled)), (5)::numeric))::double precision * '00:01:00'::interval))))
        )
 SELECT received.shopify_order_id,
    received.shop_domain,
    min(received.created_at) AS received_at,
    (array_agg(received.webhook_id ORDER BY received.created_at))[1] AS webhook_id,
    (array_agg(webhook.processing_status ORDER BY received.created_at))[1] AS processing_status,
    (array_agg(webhook.processing_attempts ORDER BY received.created_at))[1] AS attempts,
    (array_agg(webhook.next_retry_at ORDER BY received.created_at))[1] AS next_retry_at,
    (array_agg(webhook.last_error ORDER BY received.created_at))[1] AS last_error
   FROM (received
     LEFT JOIN raw_ops.webhook_inbox webhook ON ((webhook.id = received.webhook_id)))
  WHERE ((NOT (EXISTS ( SELECT
           FROM raw_ops.orders known
          WHERE ((known.shopify_order_id = received.shopify_order_id) AND ((received.shop_domain = ''::text) OR (known.shop_domain = ANY (ARRAY[''::text, received.shop_domain]))))))) AND (webhook.processing_status IS DISTINCT FROM 'resolved_manual'::text) AND (NOT ((received.shopify_order_id IS NULL) AND (NOT (webhook.processing_status IS DISTINCT FROM 'success'::text)))))
  GROUP BY received.shop_domain, received.shopify_order_id,
        CASE
            WHEN (received.shopify_order_id IS NULL) THEN COALESCE(received.webhook_id, received.id)
            ELSE NULL::uuid
        END
  ORDER BY (min(received.created_at));
COMMENT ON VIEW raw_ops.missing_orders IS 'Order webhooks of the last 24 hours, older than the SLO''s first threshold, whose order is not here and that nobody has settled; one row an order, with the webhook that announced it first.';
COMMENT ON COLUMN raw_ops.missing_orders.shopify_order_id IS 'Null: receipt could read no id.';
COMMENT ON COLUMN raw_ops.missing_orders.processing_status IS 'Of the webhook; null: it is in the inbox no more, or never was.';

CREATE VIEW raw_ops.retry_queue_depth AS
 SELECT queue.queue_depth,
    queue.pending_count,
    queue.failed_count,
    queue.retrying_count,
    queue.due_count,
    queue.next_retry_at,
    queue.most_attempts,
    queue.oldest_received_at,
    COALESCE((now() - queue.oldest_received_at), '00:00:00'::interval) AS oldest_age,
    COALESCE(round(((date_part('epoch'::text, (now() - queue.oldest_received_at)) / (60)::double precision))::numeric, 2), (0)::numeric) AS oldest_age_minutes
   FROM ( SELECT count(*) AS queue_depth,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'pending'::text)) AS pending_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'failed'::text)) AS failed_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'retrying'::text)) AS retrying_count,
            count(*) FILTER (WHERE ((webhook_inbox.processing_status <> 'failed'::text) OR (webhook_inbox.next_retry_at IS NULL) OR (webhook_inbox.next_retry_at <= now()))) AS due_count,
            min(webhook_inbox.next_retry_at) FILTER (WHERE (webhook_inbox.processing_status = 'failed'::text)) AS next_retry_at,
            max(webhook_inbox.processing_attempts) AS most_attempts,
            min(webhook_inbox.received_at) AS oldest_received_at
           FROM raw_ops.webhook_inbox
          WHERE (webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'failed'::text, 'retrying'::text]))) queue;
COMMENT ON VIEW raw_ops.retry_queue_depth IS 'The queue now, in one row: how many webhooks wait to be processed or tried again, and how long the oldest has waited.';
COMMENT ON COLUMN raw_ops.retry_queue_depth.queue_depth IS 'pending + failed + retrying.';
COMMENT ON COLUMN raw_ops.retry_queue_depth.failed_count IS 'Failed so far and waiting for their next attempt.';
COMMENT ON COLUMN raw_ops.retry_queue_depth.due_count IS 'Those the next drain or retry takes; the others wait for their next_retry_at.';
COMMENT ON COLUMN raw_ops.retry_queue_depth.next_retry_at IS 'The earliest planned attempt of a failed webhook.';
COMMENT ON COLUMN raw_ops.retry_queue_depth.oldest_age IS 'Since the oldest webhook of the queue was received; 0 when the queue is empty.';

CREATE VIEW raw_ops.retry_queue_depth_by_shop AS
 WITH queue AS (
         SELECT webhook_inbox.shop_domain,
            count(*) AS queue_depth,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'pending'::text)) AS pending_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'failed'::text)) AS failed_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'retrying'::text)) AS retrying_count,
            count(*) FILTER (WHERE ((webhook_inbox.processing_status <> 'failed'::text) OR (webhook_inbox.next_retry_at IS NULL) OR (webhook_inbox.next_retry_at <= now()))) AS due_count,
            min(webhook_inbox.next_retry_at) FILTER (WHERE (webhook_inbox.processing_status = 'failed'::text)) AS next_retry_at,
            max(webhook_inbox.processing_attempts) AS most_attempts,
            min(webhook_inbox.received_at) AS oldest_received_at
           FROM raw_ops.webhook_inbox
          WHERE (webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'failed'::text, 'retrying'::text]))
          GROUP BY webhook_inbox.shop_domain
        ), listed AS (
         SELECT shops.shop_domain
           FROM raw_ops.shops
          WHERE shops.active
        UNION
         SELECT queue_1.shop_domain
           FROM queue queue_1
        )
 SELECT listed.shop_domain,
    shop.name AS shop_name,
    COALESCE(queue.queue_depth, (0)::bigint) AS queue_depth,
    COALESCE(queue.pending_count, (0)::bigint) AS pending_count,
    COALESCE(queue.failed_count, (0)::bigint) AS failed_count,
    COALESCE(queue.retrying_count, (0)::bigint) AS retrying_count,
    COALESCE(queue.due_count, (0)::bigint) AS due_count,
    queue.next_retry_at,
    queue.most_attempts,
    queue.oldest_received_at,
    COALESCE((now() - queue.oldest_received_at), '00:00:00'::interval) AS oldest_age,
    COALESCE(round(((date_part('epoch'::text, (now() - queue.oldest_received_at)) / (60)::double precision))::numeric, 2), (0)::numeric) AS oldest_age_minutes
   FROM ((listed
     LEFT JOIN raw_ops.shops shop USING (shop_domain))
     LEFT JOIN queue USING (shop_domain))
  ORDER BY listed.shop_domain;
COMMENT ON VIEW raw_ops.retry_queue_depth_by_shop IS 'retry_queue_depth with a row a shop: the queue now. Shops of which nothing waits have a row too, unless they are not active.';
COMMENT ON COLUMN raw_ops.retry_queue_depth_by_shop.shop_domain IS 'Empty: webhooks that name no shop.';
COMMENT ON COLUMN raw_ops.retry_queue_depth_by_shop.queue_depth IS 'pending + failed + retrying.';
COMMENT ON COLUMN raw_ops.retry_queue_depth_by_shop.failed_count IS 'Failed so far and waiting for their next attempt.';
COMMENT ON COLUMN raw_ops.retry_queue_depth_by_shop.due_count IS 'Those the next drain or retry takes; the others wait for their next_retry_at.';
COMMENT ON COLUMN raw_ops.retry_queue_depth_by_shop.next_retry_at IS 'The earliest planned attempt of a failed webhook.';
COMMENT ON COLUMN raw_ops.retry_queue_depth_by_shop.oldest_age IS 'Since the shop''s oldest webhook of the queue was received; 0 when nothing of it waits.';

CREATE VIEW raw_ops.undelivered_alerts AS
 SELECT message.id AS message_id,
    alert.check_name,
    alert.condition,
    message.kind,
    message.severity,
    message.channel,
    message.title,
    message.delivery,
    COALESCE(message.last_error, last_attempt.error) AS last_error,
    message.created_at,
    last_attempt.attempt AS attempts,
    last_attempt.state AS last_state,
    next_attempt.send_after AS next_attempt_at,
    alert.shop_domain
   FROM (((raw_ops.alert_messages message
     JOIN raw_ops.alerts alert ON ((alert.id = message.alert_id)))
     LEFT JOIN LATERAL ( SELECT request.attempt,
            request.state,
            request.error
           FROM raw_ops.http_requests request
          WHERE ((request.subject_id = message.id) AND (request.state <> 'queued'::text))
          ORDER BY request.created_at DESC, request.attempt DESC
         LIMIT 1) last_attempt ON (true))
     LEFT JOIN LATERAL ( SELECT min(request.send_after) AS send_after
           FROM raw_ops.http_requests request
          WHERE ((request.subject_id = message.id) AND (request.state = 'queued'::text))) next_attempt ON (true))
  WHERE ((message.delivery = ANY (ARRAY['pending'::text, 'undelivered'::text])) AND ((message.delivery = 'undelivered'::text) OR (message.created_at < (now() - COALESCE(( SELECT max(threshold.lookback) AS max
           FROM raw_ops.monitor_thresholds threshold
          WHERE ((threshold.check_name = 'monitoring_heartbeat'::text) AND (threshold.condition = 'undelivered_alerts'::text))), '00:00:00'::interval)))));
COMMENT ON VIEW raw_ops.undelivered_alerts IS 'Alerts that have reached nobody: no attempt is left, or the lookback of monitor_thresholds (5 minutes) has passed. After mending the cause: SELECT raw_ops.fn_resend_alerts_v1();';

CREATE VIEW raw_ops.webhook_elements_left AS
 SELECT webhook_elements.webhook_id,
    webhook_elements.provider,
    webhook_elements.path,
        CASE
            WHEN ((webhook_elements.state = 'waiting'::text) AND (webhook_elements.waits_until < now())) THEN 'expired'::text
            ELSE webhook_elements.state
        END AS state,
    webhook_elements.reference,
    webhook_elements.error,
    webhook_elements.waits_until,
    webhook_elements.created_at,
    webhook_elements.id AS element_id,
    webhook_elements.shop_domain
   FROM raw_ops.webhook_elements;
COMMENT ON VIEW raw_ops.webhook_elements_left IS 'What is left of list-shaped webhooks: waiting, expired (what it waited for did not come) or refused. Kept as log_retention says; delete from webhook_elements what is settled.';

CREATE VIEW raw_ops.webhook_health AS
 SELECT received.received_count,
    received.pending_count,
    received.success_count,
    received.failed_count,
    received.retrying_count,
    received.dlq_count,
    received.resolved_manual_count,
    received.success_rate_percent,
    received.avg_processing_ms,
    received.p50_processing_ms,
    received.p95_processing_ms,
    received.p99_processing_ms,
    received.max_processing_ms,
    received.duplicate_count,
    new_dlq.new_dlq_count
   FROM (( SELECT count(*) AS received_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'pending'::text)) AS pending_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'success'::text)) AS success_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'failed'::text)) AS failed_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'retrying'::text)) AS retrying_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'dlq'::text)) AS dlq_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'resolved_manual'::text)) AS resolved_manual_count,
            trunc(((100.0 * (count(*) FILTER (WHERE (webhook_inbox.processing_status = 'success'::text)))::numeric) / (NULLIF(count(*) FILTER (WHERE (webhook_inbox.processing_status <> 'pending'::text)), 0))::numeric), 2) AS success_rate_percent,
            round(avg(webhook_inbox.processing_duration_ms), 1) AS avg_processing_ms,
            round((percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric, 1) AS p50_processing_ms,
            round((percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric, 1) AS p95_processing_ms,
            round((percentile_cont((0.99)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric, 1) AS p99_processing_ms,
            max(webhook_inbox.processing_duration_ms) AS max_processing_ms,
            COALESCE(sum(webhook_inbox.duplicate_count), (0)::bigint) AS duplicate_count
           FROM raw_ops.webhook_inbox
          WHERE ((webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (now() - '24:00:00'::interval)))) received
     CROSS JOIN ( SELECT count(*) AS new_dlq_count
           FROM raw_ops.webhook_inbox
          WHERE ((webhook_inbox.processing_status = ANY (ARRAY['dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (now() - '90 days'::interval)) AND (COALESCE(webhook_inbox.last_error_at, webhook_inbox.created_at) >= (now() - '24:00:00'::interval)))) new_dlq);
COMMENT ON VIEW raw_ops.webhook_health IS 'The last 24 hours in one row: webhooks received by state of now, success rate, processing times.';
COMMENT ON COLUMN raw_ops.webhook_health.dlq_count IS 'Received in these 24 hours and now waiting for a person.';
COMMENT ON COLUMN raw_ops.webhook_health.success_rate_percent IS 'success / (success + failed + retrying + dlq + resolved_manual), rounded down; null while nothing has an outcome.';
COMMENT ON COLUMN raw_ops.webhook_health.p95_processing_ms IS '95 % of the webhooks took no longer. Milliseconds from claim to recorded outcome of the last attempt.';
COMMENT ON COLUMN raw_ops.webhook_health.duplicate_count IS 'Repeated deliveries of these webhooks.';
COMMENT ON COLUMN raw_ops.webhook_health.new_dlq_count IS 'Became dead letters in these 24 hours, whenever received and whether settled by now or not.';

CREATE VIEW raw_ops.webhook_health_by_shop AS
 WITH received AS (
         SELECT webhook_inbox.shop_domain,
            count(*) AS received_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'pending'::text)) AS pending_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'success'::text)) AS success_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'failed'::text)) AS failed_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'retrying'::text)) AS retrying_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'dlq'::text)) AS dlq_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'resolved_manual'::text)) AS resolved_manual_count,
            round(avg(webhook_inbox.processing_duration_ms), 1) AS avg_processing_ms,
            round((percentile_cont((0.5)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric, 1) AS p50_processing_ms,
            round((percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric, 1) AS p95_processing_ms,
            round((percentile_cont((0.99)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric, 1) AS p99_processing_ms,
            max(webhook_inbox.processing_duration_ms) AS max_processing_ms,
            sum(webhook_inbox.duplicate_count) AS duplicate_count
           FROM raw_ops.webhook_inbox
          WHERE ((webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (now() - '24:00:00'::interval)))
          GROUP BY webhook_inbox.shop_domain
        ), new_dlq AS (
         SELECT webhook_inbox.shop_domain,
            count(*) AS new_dlq_count
           FROM raw_ops.webhook_inbox
          WHERE ((webhook_inbox.processing_status = ANY (ARRAY['dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= (now() - '90 days'::interval)) AND (COALESCE(webhook_inbox.last_error_at, webhook_inbox.created_at) >= (now() - '24:00:00'::interval)))
          GROUP BY webhook_inbox.shop_domain
        ), listed AS (
         SELECT shops.shop_domain
           FROM raw_ops.shops
          WHERE shops.active
        UNION
         SELECT received_1.shop_domain
           FROM received received_1
        UNION
         SELECT new_dlq_1.shop_domain
           FROM new_dlq new_dlq_1
        )
 SELECT listed.shop_domain,
    shop.name AS shop_name,
    COALESCE(received.received_count, (0)::bigint) AS received_count,
    COALESCE(received.pending_count, (0)::bigint) AS pending_count,
    COALESCE(received.success_count, (0)::bigint) AS success_count,
    COALESCE(received.failed_count, (0)::bigint) AS failed_count,
    COALESCE(received.retrying_count, (0)::bigint) AS retrying_count,
    COALESCE(received.dlq_count, (0)::bigint) AS dlq_count,
    COALESCE(received.resolved_manual_count, (0)::bigint) AS resolved_manual_count,
    trunc(((100.0 * (received.success_count)::numeric) / (NULLIF((received.received_count - received.pending_count), 0))::numeric), 2) AS success_rate_percent,
    received.avg_processing_ms,
    received.p50_processing_ms,
    received.p95_processing_ms,
    received.p99_processing_ms,
    received.max_processing_ms,
    COALESCE(received.duplicate_count, (0)::bigint) AS duplicate_count,
    COALESCE(new_dlq.new_dlq_count, (0)::bigint) AS new_dlq_count
   FROM (((listed
     LEFT JOIN raw_ops.shops shop USING (shop_domain))
     LEFT JOIN received USING (shop_domain))
     LEFT JOIN new_dlq USING (shop_domain))
  ORDER BY listed.shop_domain;
COMMENT ON VIEW raw_ops.webhook_health_by_shop IS 'webhook_health with a row a shop: the last 24 hours. Shops that sent nothing have a row too, unless they are not active.';
COMMENT ON COLUMN raw_ops.webhook_health_by_shop.shop_domain IS 'Empty: webhooks that name no shop.';
COMMENT ON COLUMN raw_ops.webhook_health_by_shop.dlq_count IS 'Received in these 24 hours and now waiting for a person.';
COMMENT ON COLUMN raw_ops.webhook_health_by_shop.success_rate_percent IS 'success / (success + failed + retrying + dlq + resolved_manual), rounded down; null while nothing has an outcome.';
COMMENT ON COLUMN raw_ops.webhook_health_by_shop.new_dlq_count IS 'Became dead letters in these 24 hours, whenever received and whether settled by now or not.';

CREATE VIEW raw_ops.webhook_processing_by_hour AS
 SELECT hours.hour,
    webhooks.received_count,
    webhooks.success_count,
    webhooks.waiting_count,
    webhooks.dead_lettered_count,
    webhooks.success_rate_percent,
    webhooks.avg_processing_ms,
    webhooks.p95_processing_ms,
    webhooks.max_processing_ms
   FROM (unnest(ARRAY( SELECT (date_trunc('hour'::text, now()) - ((n.n)::double precision * '01:00:00'::interval))
           FROM generate_series(0, 167) n(n))) hours(hour)
     CROSS JOIN LATERAL ( SELECT count(*) AS received_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = 'success'::text)) AS success_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'failed'::text, 'retrying'::text]))) AS waiting_count,
            count(*) FILTER (WHERE (webhook_inbox.processing_status = ANY (ARRAY['dlq'::text, 'resolved_manual'::text]))) AS dead_lettered_count,
            trunc(((100.0 * (count(*) FILTER (WHERE (webhook_inbox.processing_status = 'success'::text)))::numeric) / (NULLIF(count(*) FILTER (WHERE (webhook_inbox.processing_status <> 'pending'::text)), 0))::numeric), 2) AS success_rate_percent,
            round(avg(webhook_inbox.processing_duration_ms), 1) AS avg_processing_ms,
            round((percentile_cont((0.95)::double precision) WITHIN GROUP (ORDER BY ((webhook_inbox.processing_duration_ms)::double precision)))::numeric, 1) AS p95_processing_ms,
            max(webhook_inbox.processing_duration_ms) AS max_processing_ms
           FROM raw_ops.webhook_inbox
          WHERE ((webhook_inbox.processing_status = ANY (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'retrying'::text, 'dlq'::text, 'resolved_manual'::text])) AND (webhook_inbox.created_at >= hours.hour) AND (webhook_inbox.created_at < (hours.hour + '01:00:00'::interval)))) webhooks)
  ORDER BY hours.hour;
COMMENT ON VIEW raw_ops.webhook_processing_by_hour IS 'The last 7 days by hour received: volume, success rate, processing times. 168 rows, the current hour last.';
COMMENT ON COLUMN raw_ops.webhook_processing_by_hour.hour IS 'Start of the hour.';
COMMENT ON COLUMN raw_ops.webhook_processing_by_hour.waiting_count IS 'Of those received in this hour, still pending, failed or retrying.';
COMMENT ON COLUMN raw_ops.webhook_processing_by_hour.dead_lettered_count IS 'Of those received in this hour, dead letters: dlq or, settled by a person, resolved_manual.';
