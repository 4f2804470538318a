-- The purchase history. One row per line of an order that a known user placed, cancelled or returned.
-- Look-back: the orders received from first_day to the end of as_of (UTC), whenever they occurred.
-- Left out: tests and bots, and users who do not allow personalization.
SELECT
  orders.user_id,
  item.product_id,
  item.category,
  item.brand,
  orders.order_id,
  orders.status,
  orders.occurred_at AS ordered_at,
  IF(orders.imported, orders.occurred_at, orders.received_at) AS known_at,
  item.quantity,
  item.unit_price,
  orders.currency,
  DATE(orders.received_at) AS received_on
FROM orders
CROSS JOIN UNNEST(orders.items) AS item
LEFT JOIN consent_states
  ON orders.user_id = consent_states.user_id AND consent_states.purpose = 'personalization'
WHERE
  orders.received_at >= TIMESTAMP(@first_day)
  AND orders.received_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
  AND orders.user_id IS NOT NULL
  AND orders.traffic IS NULL
  AND IFNULL(consent_states.granted, @allowed_otherwise)
