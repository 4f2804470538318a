-- The order lines the model tier learns from and scores. One row per user, order and product that was kept.
-- Look-back: 365 days of purchases up to the end of as_of (UTC), and of that only what was known by then.
-- Left out: users who do not allow personalization.
SELECT
  purchases.user_id,
  product_id,
  order_id,
  MAX(category) AS category,
  TIMESTAMP_DIFF(
    TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY)), MIN(IF(status = 'placed', ordered_at, NULL)), MICROSECOND
  ) / 86400000000.0 AS age_days,
  CAST(SUM(IF(status = 'placed', quantity, -quantity)) AS FLOAT64) AS quantity,
  CAST(SUM(IF(status = 'placed', quantity * unit_price, -quantity * unit_price)) AS FLOAT64) AS paid
FROM purchases
LEFT JOIN consent_states
  ON purchases.user_id = consent_states.user_id AND consent_states.purpose = 'personalization'
WHERE
  known_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
  AND ordered_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
  AND ordered_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 364 DAY))
  AND purchases.received_on >= DATE_SUB(@as_of, INTERVAL 365 DAY)
  AND IFNULL(consent_states.granted, @allowed_otherwise)
GROUP BY purchases.user_id, product_id, order_id
HAVING SUM(IF(status = 'placed', quantity, -quantity)) > 0
ORDER BY purchases.user_id, order_id, product_id
