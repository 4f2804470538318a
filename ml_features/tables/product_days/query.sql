-- How each product did on each day. One row per product and day, from first_day to as_of, on which anything was done.
-- Look-back: events that occurred in those days and were known by the end of as_of (UTC).
-- Left out: tests and bots, and users who do not allow analytics; who is not known stays.
WITH happened AS (
  SELECT
    searches.user_id, searches.occurred_at, searches.received_at, searches.imported, searches.traffic,
    result.product_id, 'shown' AS what, searches.event_id AS what_id,
    CAST(NULL AS NUMERIC) AS quantity, CAST(NULL AS NUMERIC) AS unit_price, CAST(NULL AS STRING) AS currency
  FROM searches
  CROSS JOIN UNNEST(searches.results) AS result
  WHERE searches.received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 1 DAY))
  UNION ALL
  SELECT
    user_id, occurred_at, received_at, imported, traffic, product_id, action AS what, event_id AS what_id,
    CAST(NULL AS NUMERIC) AS quantity, CAST(NULL AS NUMERIC) AS unit_price, CAST(NULL AS STRING) AS currency
  FROM interactions
  WHERE received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 1 DAY))
  UNION ALL
  SELECT
    orders.user_id, orders.occurred_at, orders.received_at, orders.imported, orders.traffic, item.product_id,
    IF(orders.status = 'placed', 'order', 'return') AS what, orders.order_id AS what_id,
    item.quantity, item.unit_price, orders.currency
  FROM orders
  CROSS JOIN UNNEST(orders.items) AS item
  WHERE orders.received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 1 DAY))
),

allowed AS (
  SELECT happened.*, DATE(happened.occurred_at) AS day
  FROM happened
  LEFT JOIN consent_states
    ON happened.user_id = consent_states.user_id AND consent_states.purpose = 'analytics'
  WHERE
    happened.traffic IS NULL
    AND happened.occurred_at >= TIMESTAMP(@first_day)
    AND happened.occurred_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND IF(happened.imported, happened.occurred_at, happened.received_at)
    < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND (happened.user_id IS NULL OR IFNULL(consent_states.granted, @allowed_otherwise))
),

sold AS (
  SELECT day, product_id, currency, SUM(quantity * unit_price) AS revenue
  FROM allowed
  WHERE what = 'order'
  GROUP BY day, product_id, currency
  QUALIFY ROW_NUMBER() OVER (PARTITION BY day, product_id ORDER BY COUNT(*) DESC, currency) = 1
),

counted AS (
  SELECT
    day,
    product_id,
    COUNTIF(what = 'shown') AS shown,
    COUNTIF(what = 'view') AS views,
    COUNTIF(what = 'click') AS clicks,
    COUNTIF(what = 'cart_add') AS cart_adds,
    COUNTIF(what = 'cart_remove') AS cart_removes,
    COUNTIF(what = 'favourite') AS favourites,
    COUNT(DISTINCT IF(what = 'order', what_id, NULL)) AS orders,
    COUNT(DISTINCT IF(what = 'return', what_id, NULL)) AS `returns`,
    SUM(IF(what = 'order', quantity, 0)) AS units
  FROM allowed
  GROUP BY day, product_id
)

SELECT
  counted.day,
  counted.product_id,
  counted.shown,
  counted.views,
  counted.clicks,
  counted.cart_adds,
  counted.cart_removes,
  counted.favourites,
  counted.orders,
  counted.`returns`,
  counted.units,
  sold.revenue,
  sold.currency
FROM counted
LEFT JOIN sold ON counted.day = sold.day AND counted.product_id = sold.product_id
