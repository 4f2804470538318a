-- How each place among results did on each day. One row per day, intent and position, from first_day to as_of.
-- Look-back: searches of those days in search_outcomes, which has who may be counted; what they showed, and what was
-- clicked, carted or ordered of it, known by the end of as_of (UTC).
WITH shown AS (
  SELECT
    search_outcomes.day,
    search_outcomes.query_id,
    search_outcomes.intent,
    result.product_id,
    MIN(result.position) AS position
  FROM search_outcomes
  INNER JOIN searches ON search_outcomes.query_id = searches.query_id
  CROSS JOIN UNNEST(searches.results) AS result
  WHERE
    search_outcomes.day >= @first_day
    AND search_outcomes.day <= @as_of
    AND searches.received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 1 DAY))
  GROUP BY search_outcomes.day, search_outcomes.query_id, search_outcomes.intent, result.product_id
),

touched AS (
  SELECT
    query_id,
    product_id,
    COUNTIF(action = 'click') > 0 AS clicked,
    COUNTIF(action = 'cart_add') > 0 AS carted
  FROM interactions
  WHERE
    received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 1 DAY))
    AND IF(imported, occurred_at, received_at) < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND query_id IS NOT NULL
    AND traffic IS NULL
  GROUP BY query_id, product_id
),

bought AS (
  SELECT orders.query_id, item.product_id
  FROM orders
  CROSS JOIN UNNEST(orders.items) AS item
  WHERE
    orders.received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 1 DAY))
    AND IF(orders.imported, orders.occurred_at, orders.received_at) < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND orders.query_id IS NOT NULL
    AND orders.status = 'placed'
    AND orders.traffic IS NULL
  GROUP BY orders.query_id, item.product_id
)

SELECT
  shown.day,
  shown.intent,
  shown.position,
  COUNT(*) AS shown,
  COUNTIF(IFNULL(touched.clicked, FALSE)) AS clicked,
  COUNTIF(IFNULL(touched.carted, FALSE)) AS carted,
  COUNTIF(bought.product_id IS NOT NULL) AS ordered
FROM shown
LEFT JOIN touched ON shown.query_id = touched.query_id AND shown.product_id = touched.product_id
LEFT JOIN bought ON shown.query_id = bought.query_id AND shown.product_id = bought.product_id
GROUP BY shown.day, shown.intent, shown.position
