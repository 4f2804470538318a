-- What happened in each session. One row per session_id that began from first_day to as_of.
-- Look-back: a day more, so that a session that ran over midnight is whole; events known by the end of as_of (UTC).
-- Left out: impressions, tests and bots, and users who do not allow analytics; who is not known stays.
WITH steps AS (
  SELECT
    session_id, user_id, occurred_at, event_id, 'search' AS step, CAST(NULL AS STRING) AS product_id, query_id,
    received_at, imported, traffic, CAST(NULL AS NUMERIC) AS total_amount, CAST(NULL AS STRING) AS currency,
    CAST(NULL AS NUMERIC) AS quantity
  FROM searches
  WHERE received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 2 DAY))
  UNION ALL
  SELECT
    session_id, user_id, occurred_at, event_id, action AS step, product_id, query_id,
    received_at, imported, traffic, CAST(NULL AS NUMERIC) AS total_amount, CAST(NULL AS STRING) AS currency,
    IF(action = 'cart_remove', -IFNULL(quantity, 1), IFNULL(quantity, 1)) AS quantity
  FROM interactions
  WHERE received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 2 DAY)) AND action != 'impression'
  UNION ALL
  SELECT
    session_id, user_id, occurred_at, event_id, 'order' AS step, CAST(NULL AS STRING) AS product_id, query_id,
    received_at, imported, traffic, total_amount, currency, CAST(NULL AS NUMERIC) AS quantity
  FROM orders
  WHERE received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 2 DAY)) AND status = 'placed'
),

allowed AS (
  SELECT
    steps.*,
    FIRST_VALUE(IF(steps.step = 'order', steps.currency, NULL) IGNORE NULLS) OVER (
      PARTITION BY steps.session_id ORDER BY steps.occurred_at, steps.event_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS session_currency,
    MAX(IF(steps.step = 'order', steps.occurred_at, NULL)) OVER (PARTITION BY steps.session_id) AS last_order_at,
    ROW_NUMBER() OVER (PARTITION BY steps.session_id ORDER BY steps.occurred_at, steps.event_id) AS place
  FROM steps
  LEFT JOIN consent_states
    ON steps.user_id = consent_states.user_id AND consent_states.purpose = 'analytics'
  WHERE
    steps.session_id IS NOT NULL
    AND steps.traffic IS NULL
    AND steps.occurred_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 1 DAY))
    AND steps.occurred_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND IF(steps.imported, steps.occurred_at, steps.received_at) < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND (steps.user_id IS NULL OR IFNULL(consent_states.granted, @allowed_otherwise))
),

cart_lines AS (
  SELECT session_id, product_id, SUM(quantity) AS quantity
  FROM allowed
  WHERE step IN ('cart_add', 'cart_remove') AND (last_order_at IS NULL OR occurred_at > last_order_at)
  GROUP BY session_id, product_id
  HAVING SUM(quantity) > 0
),

carts AS (
  SELECT
    session_id,
    ARRAY_AGG(STRUCT(product_id AS product_id, quantity AS quantity) ORDER BY product_id) AS cart
  FROM cart_lines
  GROUP BY session_id
),

counted AS (
  SELECT
    DATE(MIN(occurred_at)) AS day,
    session_id,
    MAX(user_id) AS user_id,
    MIN(occurred_at) AS started_at,
    MAX(occurred_at) AS ended_at,
    MIN_BY(step, place) AS entry_step,
    MAX_BY(step, place) AS exit_step,
    COUNTIF(step = 'search') AS searches,
    COUNTIF(step = 'view') AS views,
    COUNTIF(step = 'click') AS clicks,
    COUNTIF(step = 'cart_add') AS cart_adds,
    COUNTIF(step = 'order') AS orders,
    SUM(IF(currency = session_currency, total_amount, NULL)) AS revenue,
    MAX(session_currency) AS currency,
    ARRAY_AGG(STRUCT(occurred_at, step, product_id, query_id) ORDER BY place) AS steps
  FROM allowed
  GROUP BY session_id
  HAVING DATE(MIN(occurred_at)) >= @first_day
)

SELECT counted.*, carts.cart
FROM counted
LEFT JOIN carts ON counted.session_id = carts.session_id
