-- What each customer is like. One row per user who bought, searched or clicked; bots and tests are no customers.
-- Look-back: 730 days of purchases and 60 days of searches and clicks, up to the end of as_of (UTC),
-- and of that only what was known by then. Amounts count orders in the currency the user orders most in.
-- Churn risk and expected orders are those of customer_outlooks of the same date.
-- Left out: users who do not allow personalization.
WITH bought AS (
  SELECT
    purchases.user_id,
    order_id,
    product_id,
    MIN(IF(status = 'placed', ordered_at, NULL)) AS ordered_at,
    MAX(category) AS category,
    MAX(brand) AS brand,
    MAX(currency) AS currency,
    MAX(IF(status = 'placed', CAST(unit_price AS FLOAT64), NULL)) AS price,
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

gaps AS (
  SELECT
    user_id,
    TIMESTAMP_DIFF(ordered_at, LAG(ordered_at) OVER (PARTITION BY user_id ORDER BY ordered_at, order_id), MICROSECOND)
    / 86400000000.0 AS gap_days
  FROM baskets
),

rhythms AS (
  SELECT user_id, IF(COUNT(gap_days) > 1, STDDEV_POP(gap_days) / AVG(gap_days), NULL) AS gap_variation
  FROM gaps
  GROUP BY user_id
  HAVING AVG(gap_days) > 0
),

usual AS (
  -- The gap of who ordered once is not known; that of all others stands for it.
  SELECT
    IFNULL(
      AVG(TIMESTAMP_DIFF(last_order_at, first_order_at, MICROSECOND) / 86400000000.0 / (orders - 1)), 30.0
    ) AS gap_days
  FROM buyers
  WHERE orders > 1
),

overdue AS (
  SELECT
    user_id,
    TIMESTAMP_DIFF(TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY)), last_order_at, MICROSECOND) / 86400000000.0
    / GREATEST(
      IF(
        orders > 1,
        TIMESTAMP_DIFF(last_order_at, first_order_at, MICROSECOND) / 86400000000.0 / GREATEST(orders - 1, 1),
        usual.gap_days
      ),
      7
    ) AS gaps
  FROM buyers
  CROSS JOIN usual
),

prices AS (
  SELECT user_id, product_id, category, currency, LN(price) AS log_price FROM bought WHERE price > 0
),

product_prices AS (
  SELECT product_id, currency, AVG(log_price) AS usual, VAR_POP(log_price) AS variance
  FROM prices
  GROUP BY product_id, currency
),

category_prices AS (
  SELECT category, currency, AVG(log_price) AS usual FROM prices WHERE category IS NOT NULL GROUP BY category, currency
),

price_choices AS (
  SELECT
    prices.user_id,
    EXP(AVG(prices.log_price - category_prices.usual)) AS price_level,
    IF(
      COUNTIF(product_prices.variance > 1e-6) >= 5,
      SUM(prices.log_price - product_prices.usual) / (SUM(product_prices.variance) + 0.05),
      NULL
    ) AS price_elasticity
  FROM prices
  INNER JOIN product_prices
    ON prices.product_id = product_prices.product_id AND prices.currency = product_prices.currency
  LEFT JOIN category_prices
    ON prices.category = category_prices.category AND prices.currency = category_prices.currency
  GROUP BY prices.user_id
),

weekdays AS (
  -- Counted from Monday 1970-01-05, so that it does not depend on any week convention.
  SELECT
    user_id,
    MOD(DATE_DIFF(DATE(ordered_at), DATE '1970-01-05', DAY), 7) + 1 AS weekday,
    COUNT(*) AS orders
  FROM baskets
  GROUP BY user_id, weekday
  QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY COUNT(*) DESC, MAX(ordered_at) DESC) = 1
),

hours AS (
  SELECT user_id, DIV(MOD(UNIX_SECONDS(ordered_at), 86400), 3600) AS hour_of_day, COUNT(*) AS orders
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

brands AS (
  SELECT
    user_id,
    brand,
    ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY COUNT(*) DESC, MAX(ordered_at) DESC, brand) AS place
  FROM bought
  WHERE brand IS NOT NULL
  GROUP BY user_id, brand
),

favourite_brands AS (
  SELECT user_id, ARRAY_AGG(brand ORDER BY place) AS favourite_brands FROM brands WHERE place <= 5 GROUP BY user_id
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

clicked_queries AS (
  SELECT user_id, query_id
  FROM interactions
  WHERE
    received_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 60 DAY))
    AND action = 'click'
    AND query_id IS NOT NULL
    AND traffic IS NULL
    AND IF(imported, occurred_at, received_at) < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND occurred_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
  GROUP BY user_id, query_id
),

searched AS (
  SELECT
    searches.user_id,
    searches.session_id,
    searches.channel,
    searches.intent.label AS intent,
    searches.normalised_query,
    IFNULL(ARRAY_LENGTH(searches.filters), 0) > 0 AS filtered,
    clicked_queries.query_id IS NOT NULL AS clicked,
    ordered_queries.query_id IS NOT NULL AS ordered
  FROM searches
  LEFT JOIN clicked_queries
    ON searches.user_id = clicked_queries.user_id AND searches.query_id = clicked_queries.query_id
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
),

searchers AS (
  SELECT
    user_id,
    COUNT(*) AS searches,
    COUNTIF(ordered) AS ordered,
    COUNTIF(clicked) / COUNT(*) AS clicked_share,
    AVG(ARRAY_LENGTH(SPLIT(normalised_query, ' '))) AS query_words,
    CASE
      WHEN COUNTIF(filtered) >= 0.3 * COUNT(*) THEN 'narrowing'
      WHEN COUNTIF(session_id IS NOT NULL) >= 3 * COUNT(DISTINCT session_id) AND COUNT(session_id) > 0 THEN 'exploring'
      WHEN COUNTIF(clicked) >= 0.5 * COUNT(*) THEN 'decided'
      ELSE 'hesitant'
    END AS search_style
  FROM searched
  GROUP BY user_id
),

intents AS (
  SELECT user_id, intent, ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY COUNT(*) DESC, intent) AS place
  FROM searched
  WHERE intent IS NOT NULL
  GROUP BY user_id, intent
),

favourite_intents AS (
  SELECT user_id, ARRAY_AGG(intent ORDER BY place) AS favourite_intents FROM intents WHERE place <= 5 GROUP BY user_id
),

by_channel AS (
  SELECT user_id, channel, COUNT(*) AS searches, COUNTIF(ordered) AS ordered
  FROM searched
  WHERE channel IS NOT NULL
  GROUP BY user_id, channel
),

channels AS (
  SELECT
    user_id,
    ARRAY_AGG(
      STRUCT(channel AS channel, searches AS searches, ordered AS ordered, ordered / searches AS conversion)
      ORDER BY searches DESC, channel
    ) AS channels
  FROM by_channel
  GROUP BY user_id
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

outlooks AS (
  SELECT user_id, return_probability, expected_order_days FROM customer_outlooks WHERE as_of = @as_of
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
  rhythms.gap_variation AS order_gap_variation,
  favourites.favourite_categories,
  favourite_brands.favourite_brands,
  price_choices.price_level,
  price_choices.price_elasticity,
  weekdays.weekday AS usual_weekday,
  hours.hour_of_day AS usual_hour,
  weekdays.orders / buyers.orders AS usual_weekday_share,
  hours.orders / buyers.orders AS usual_hour_share,
  CASE
    WHEN buyers.orders IS NULL THEN 'visitor'
    WHEN buyers.first_order_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 29 DAY)) THEN 'new'
    ELSE
      CASE
        WHEN overdue.gaps <= 2 THEN 'active'
        WHEN overdue.gaps <= 4 THEN 'slowing'
        WHEN overdue.gaps <= 8 THEN 'lapsing'
        ELSE 'lost'
      END
  END AS lifecycle_stage,
  1 - outlooks.return_probability AS churn_risk,
  outlooks.expected_order_days,
  IFNULL(searchers.searches, 0) AS searches,
  IFNULL(clickers.clicks, 0) AS clicks,
  searchers.ordered / searchers.searches AS search_order_share,
  searchers.search_style,
  searchers.query_words AS mean_query_words,
  searchers.clicked_share AS clicked_search_share,
  favourite_intents.favourite_intents,
  channels.channels
FROM users
LEFT JOIN buyers ON users.user_id = buyers.user_id
LEFT JOIN spending ON users.user_id = spending.user_id
LEFT JOIN weekdays ON users.user_id = weekdays.user_id
LEFT JOIN hours ON users.user_id = hours.user_id
LEFT JOIN favourites ON users.user_id = favourites.user_id
LEFT JOIN favourite_brands ON users.user_id = favourite_brands.user_id
LEFT JOIN favourite_intents ON users.user_id = favourite_intents.user_id
LEFT JOIN channels ON users.user_id = channels.user_id
LEFT JOIN rhythms ON users.user_id = rhythms.user_id
LEFT JOIN overdue ON users.user_id = overdue.user_id
LEFT JOIN price_choices ON users.user_id = price_choices.user_id
LEFT JOIN outlooks ON users.user_id = outlooks.user_id
LEFT JOIN searchers ON users.user_id = searchers.user_id
LEFT JOIN clickers ON users.user_id = clickers.user_id
