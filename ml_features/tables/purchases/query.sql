-- The purchase history. One row per line of an order that a known user placed, cancelled or returned.
-- Look-back: the orders received on as_of (UTC), whenever they occurred; a closed day stays closed.
SELECT
  orders.user_id,
  item.product_id,
  item.category,
  orders.order_id,
  orders.status,
  orders.occurred_at AS ordered_at,
  IF(orders.imported, orders.occurred_at, orders.received_at) AS known_at,
  item.quantity,
  item.unit_price,
  orders.currency,
  @as_of AS received_on
FROM orders
CROSS JOIN UNNEST(orders.items) AS item
WHERE
  orders.received_at >= TIMESTAMP(@as_of)
  AND orders.received_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
  AND orders.user_id IS NOT NULL
  AND orders.traffic IS NULL
