-- For what products are found, anonymised. One row per product and query for which at least minimum_users users were
-- shown the product in the window; others are not there at all. Exact counts: they are rounded, and get noise, before
-- they are stored (ml_features/anonymise.py).
-- Look-back: searches of search_outcomes from window_start to as_of, and what they led to by the end of as_of (UTC);
-- window_start is null where no window ends on as_of, and then there is no row. Searches of unknown users are left out.
WITH asked AS (
  SELECT query_id, user_id, normalised_query AS query
  FROM search_outcomes
  WHERE day >= @window_start AND day <= @as_of AND user_id IS NOT NULL AND normalised_query IS NOT NULL
),

shown AS (
  SELECT searches.query_id, result.product_id
  FROM searches
  CROSS JOIN UNNEST(searches.results) AS result
  WHERE
    searches.received_at >= TIMESTAMP(DATE_SUB(@window_start, INTERVAL 1 DAY))
    AND IF(searches.imported, searches.occurred_at, searches.received_at)
    < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
  GROUP BY searches.query_id, result.product_id
),

touched AS (
  SELECT
    query_id,
    product_id,
    LOGICAL_OR(action = 'click') AS clicked,
    LOGICAL_OR(action = 'cart_add') AS carted
  FROM interactions
  WHERE
    received_at >= TIMESTAMP(DATE_SUB(@window_start, INTERVAL 1 DAY))
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
    orders.received_at >= TIMESTAMP(DATE_SUB(@window_start, INTERVAL 1 DAY))
    AND IF(orders.imported, orders.occurred_at, orders.received_at) < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND orders.query_id IS NOT NULL
    AND orders.status = 'placed'
    AND orders.traffic IS NULL
  GROUP BY orders.query_id, item.product_id
),

-- A user counts once for a product and a query, however often it was searched for.
users AS (
  SELECT
    shown.product_id,
    asked.query,
    asked.user_id,
    LOGICAL_OR(IFNULL(touched.clicked, FALSE)) AS clicked,
    LOGICAL_OR(IFNULL(touched.carted, FALSE)) AS carted,
    LOGICAL_OR(bought.query_id IS NOT NULL) AS ordered
  FROM asked
  INNER JOIN shown ON asked.query_id = shown.query_id
  LEFT JOIN touched ON shown.query_id = touched.query_id AND shown.product_id = touched.product_id
  LEFT JOIN bought ON shown.query_id = bought.query_id AND shown.product_id = bought.product_id
  GROUP BY shown.product_id, asked.query, asked.user_id
)

SELECT
  @as_of AS as_of,
  @window_days AS window_days,
  product_id,
  query,
  COUNT(*) AS users,
  COUNTIF(clicked) AS clicked,
  COUNTIF(carted) AS carted,
  COUNTIF(ordered) AS ordered
FROM users
GROUP BY product_id, query
HAVING COUNT(*) >= @minimum_users
