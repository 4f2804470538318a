-- What each customer is like. One row per user who bought, searched or clicked; bots and tests are no customers.
-- Look-back: 730 days of purchases and 60 days of searches and clicks, up to the end of as_of (UTC),
-- and of that only what was known by then. Amounts count orders in the currency the user orders most in.
-- Left out: users who do not allow personalization.
WITH bought AS (
  SELECT
    purchases.user_id,
    order_id,
    product_id,
    MIN(IF(status = 'placed', ordered_at, NULL)) AS ordered_at,
    MAX(category) AS category,
    MAX(currency) AS currency,
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
),

baskets AS (
  SELECT
    user_id,
    order_id,
    MIN(ordered_at) AS ordered_at,
    MAX(currency) AS currency,
    COUNT(*) AS items,
    SUM(paid) AS paid
  FROM bought
  GROUP BY user_id, order_id
),

buyers AS (
  SELECT
    user_id,
    COUNT(*) AS orders,
    MIN(ordered_at) AS first_order_at,
    MAX(ordered_at) AS last_order_at,
    AVG(items) AS mean_basket_items
  FROM baskets
  GROUP BY user_id
),

spending AS (
  SELECT user_id, currency, SUM(paid) AS spend, ROUND(SUM(paid) / COUNT(*), 2) AS mean_basket_value
  FROM baskets
  GROUP BY user_id, currency
  QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY COUNT(*) DESC, currency) = 1
),

weekdays AS (
  -- Counted from Monday 1970-01-05, so that it does not depend on any week convention.
  SELECT user_id, MOD(DATE_DIFF(DATE(ordered_at), DATE '1970-01-05', DAY), 7) + 1 AS weekday
  FROM baskets
  GROUP BY user_id, weekday
  QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY COUNT(*) DESC, MAX(ordered_at) DESC) = 1
),

hours AS (
  SELECT user_id, DIV(MOD(UNIX_SECONDS(ordered_at), 86400), 3600) AS hour_of_day
  FROM baskets
  GROUP BY user_id, hour_of_day
  QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY COUNT(*) DESC, MAX(ordered_at) DESC) = 1
),

categories AS (
  SELECT
    user_id,
    category,
    ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY COUNT(*) DESC, MAX(ordered_at) DESC, category) AS place
  FROM bought
  WHERE category IS NOT NULL
  GROUP BY user_id, category
),

favourites AS (
  SELECT user_id, ARRAY_AGG(category ORDER BY place) AS favourite_categories
  FROM categories
  WHERE place <= 5
  GROUP BY user_id
),

ordered_queries AS (
  SELECT user_id, query_id
  FROM orders
  WHERE
    received_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 60 DAY))
    AND status = 'placed'
    AND query_id IS NOT NULL
    AND traffic IS NULL
    AND IF(imported, occurred_at, received_at) < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND occurred_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
  GROUP BY user_id, query_id
),

searchers AS (
  SELECT searches.user_id, COUNT(*) AS searches, COUNTIF(ordered_queries.query_id IS NOT NULL) AS ordered
  FROM searches
  LEFT JOIN ordered_queries
    ON searches.user_id = ordered_queries.user_id AND searches.query_id = ordered_queries.query_id
  LEFT JOIN consent_states
    ON searches.user_id = consent_states.user_id AND consent_states.purpose = 'personalization'
  WHERE
    searches.received_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 60 DAY))
    AND searches.user_id IS NOT NULL
    AND IFNULL(consent_states.granted, @allowed_otherwise)
    AND searches.traffic IS NULL
    AND IF(searches.imported, searches.occurred_at, searches.received_at)
    < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND searches.occurred_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND searches.occurred_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 59 DAY))
  GROUP BY searches.user_id
),

clickers AS (
  SELECT interactions.user_id, COUNT(*) AS clicks
  FROM interactions
  LEFT JOIN consent_states
    ON interactions.user_id = consent_states.user_id AND consent_states.purpose = 'personalization'
  WHERE
    interactions.received_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 60 DAY))
    AND interactions.action = 'click'
    AND interactions.user_id IS NOT NULL
    AND interactions.traffic IS NULL
    AND IF(interactions.imported, interactions.occurred_at, interactions.received_at)
    < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND interactions.occurred_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND interactions.occurred_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 59 DAY))
    AND IFNULL(consent_states.granted, @allowed_otherwise)
  GROUP BY interactions.user_id
),

users AS (
  SELECT user_id FROM buyers
  UNION DISTINCT
  SELECT user_id FROM searchers
  UNION DISTINCT
  SELECT user_id FROM clickers
)

SELECT
  @as_of AS as_of,
  users.user_id,
  IFNULL(buyers.orders, 0) AS orders,
  buyers.first_order_at,
  buyers.last_order_at,
  TIMESTAMP_DIFF(TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY)), buyers.last_order_at, MICROSECOND) / 86400000000.0
    AS days_since_last_order,
  spending.currency,
  spending.spend,
  spending.mean_basket_value,
  buyers.mean_basket_items,
  IF(
    buyers.orders > 1,
    TIMESTAMP_DIFF(buyers.last_order_at, buyers.first_order_at, MICROSECOND) / 86400000000.0 / (buyers.orders - 1),
    NULL
  ) AS mean_days_between_orders,
  favourites.favourite_categories,
  weekdays.weekday AS usual_weekday,
  hours.hour_of_day AS usual_hour,
  IFNULL(searchers.searches, 0) AS searches,
  IFNULL(clickers.clicks, 0) AS clicks,
  searchers.ordered / searchers.searches AS search_order_share
FROM users
LEFT JOIN buyers ON users.user_id = buyers.user_id
LEFT JOIN spending ON users.user_id = spending.user_id
LEFT JOIN weekdays ON users.user_id = weekdays.user_id
LEFT JOIN hours ON users.user_id = hours.user_id
LEFT JOIN favourites ON users.user_id = favourites.user_id
LEFT JOIN searchers ON users.user_id = searchers.user_id
LEFT JOIN clickers ON users.user_id = clickers.user_id
