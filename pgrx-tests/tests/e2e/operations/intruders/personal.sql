-- A person's data wherever it can stand: each says PERSONAL.
INSERT INTO raw_ops.customers (email, first_name, last_name, phone)
VALUES ('PERSONAL@example.com', 'PERSONAL', 'PERSONAL', 'PERSONAL');
INSERT INTO raw_ops.orders (shopify_order_id, order_name, customer_id, email, shipping_address, note)
SELECT 1, 'PERSONAL', id, 'PERSONAL', '"PERSONAL"', 'PERSONAL' FROM raw_ops.customers;
INSERT INTO raw_ops.order_items (order_id, shopify_line_item_id, title, quantity, price)
SELECT id, 1, 'PERSONAL', 1, 1 FROM raw_ops.orders;
INSERT INTO raw_ops.shipments (order_id, tracking_no, tracking_url)
SELECT id, 'PERSONAL', 'https://example.com/PERSONAL' FROM raw_ops.orders;
INSERT INTO raw_ops.courier_events (shipment_id, courier_name, event_code, event_type, event_text, event_time, raw_payload)
SELECT id, 'dpd', '1', 'failed_delivery', 'PERSONAL', now(), '"PERSONAL"' FROM raw_ops.shipments;
INSERT INTO raw_ops.courier_tasks (courier_event_id, shipment_id, event_code, event_type, action, due_at)
SELECT id, shipment_id, event_code, event_type, 'call', now() + interval '1 hour' FROM raw_ops.courier_events;
INSERT INTO raw_ops.ops_events (kind, entity_type, entity_id, customer_event_type, message, event_payload, notification_status,
                                notification_last_error)
SELECT 'CUSTOMER_EVENT', 'shipment', id, 'courier_exception', 'PERSONAL', '{"shipment": {"tracking_no": "PERSONAL"}}', 'failed',
       'PERSONAL'
  FROM raw_ops.shipments;
INSERT INTO raw_ops.webhook_inbox (provider, topic, event_id, payload, processing_status, processing_attempts, error_category,
                                   last_error, last_error_at)
VALUES ('shopify', 'orders/create', 'PERSONAL', '"PERSONAL"', 'dlq', 5, 'internal', 'PERSONAL', now()),
       ('shopify', 'orders/create', 'waits', '"PERSONAL"', 'pending', 0, null, null, null);
INSERT INTO raw_ops.webhook_elements (webhook_id, provider, path, element, state, reference, error, waits_until)
SELECT id, 'dpd', 'events[0]', '"PERSONAL"', 'waiting', 'PERSONAL', 'PERSONAL', now() FROM raw_ops.webhook_inbox LIMIT 1;
INSERT INTO raw_ops.alerts (check_name, condition, severity, channel, title, fields)
VALUES ('order_ingestion_slo', 'late', 'critical', '#ops-urgent', 'PERSONAL', '["PERSONAL"]');
INSERT INTO raw_ops.alert_messages (alert_id, kind, severity, channel, title, body, delivery, last_error)
SELECT id, 'opened', 'critical', '#ops-urgent', title, '"PERSONAL"', 'undelivered', 'PERSONAL' FROM raw_ops.alerts;
