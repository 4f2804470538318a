-- The orders that the outlooks of customers are made of. One row per user and order; Python makes one row a user of it.
-- Look-back: 730 days of purchases up to the end of as_of (UTC), and of that only what was known by then.
-- Left out: users who do not allow personalization.
WITH bought AS (
  SELECT
    purchases.user_id,
    order_id,
    product_id,
    MIN(IF(status = 'placed', ordered_at, NULL)) AS ordered_at,
    SUM(IF(status = 'placed', quantity, -quantity)) AS quantity,
    SUM(IF(status = 'placed', quantity * unit_price, -quantity * unit_price)) AS paid
  FROM purchases
  LEFT JOIN consent_states
    ON purchases.user_id = consent_states.user_id AND consent_states.purpose = 'personalization'
  WHERE
    known_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND ordered_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND ordered_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 729 DAY))
    AND purchases.received_on >= DATE_SUB(@as_of, INTERVAL 730 DAY)
    AND IFNULL(consent_states.granted, @allowed_otherwise)
  GROUP BY purchases.user_id, order_id, product_id
  HAVING SUM(IF(status = 'placed', quantity, -quantity)) > 0
)

SELECT
  user_id,
  order_id,
  TIMESTAMP_DIFF(TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY)), MIN(ordered_at), MICROSECOND) / 86400000000.0 AS age_days,
  CAST(SUM(quantity) AS FLOAT64) AS quantity,
  CAST(SUM(paid) AS FLOAT64) AS paid
FROM bought
GROUP BY user_id, order_id
ORDER BY user_id, order_id
