-- What each user may buy again, the most probable first. One row per user and product bought.
-- Look-back: 365 days up to the end of as_of (UTC), and of that only what was known by then.
-- Left out: users who do not allow personalization.
-- Weights: the latest of reorder_weights up to as_of; without any the probability is null, which a check refuses.
WITH bought AS (
  -- A line counts once an order, unless as much of it was cancelled or returned as was placed.
  SELECT
    purchases.user_id,
    product_id,
    order_id,
    MIN(IF(status = 'placed', ordered_at, NULL)) AS ordered_at,
    MAX(category) AS category
  FROM purchases
  LEFT JOIN consent_states
    ON purchases.user_id = consent_states.user_id AND consent_states.purpose = 'personalization'
  WHERE
    known_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND ordered_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND ordered_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 364 DAY))
    AND purchases.received_on >= DATE_SUB(@as_of, INTERVAL 365 DAY) -- reads fewer partitions; clocks may be a day ahead
    AND IFNULL(consent_states.granted, @allowed_otherwise)
  GROUP BY purchases.user_id, product_id, order_id
  HAVING SUM(IF(status = 'placed', quantity, -quantity)) > 0
),

aged AS (
  SELECT
    *,
    TIMESTAMP_DIFF(TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY)), ordered_at, MICROSECOND) / 86400000000.0 AS age_days
  FROM bought
),

baskets AS (
  SELECT user_id, order_id, MIN(age_days) AS age_days FROM aged GROUP BY user_id, order_id
),

users AS (
  SELECT
    user_id,
    SUM(POW(2, -age_days / 90.0)) AS decayed_baskets,
    SUM(POW(2, -age_days / 21.0)) AS recent_baskets
  FROM baskets
  GROUP BY user_id
),

pairs AS (
  SELECT
    user_id,
    product_id,
    MAX_BY(category, IF(category IS NULL, NULL, ordered_at)) AS category,
    COUNT(*) AS purchases,
    MAX(ordered_at) AS last_purchased_at,
    MIN(age_days) AS days_since_last,
    MAX(age_days) AS days_since_first,
    -- schemas/decay.py: half-life of 90 days; a test holds the two equal.
    SUM(POW(2, -age_days / 90.0)) AS decayed_purchases,
    SUM(POW(2, -age_days / 21.0)) AS recent_purchases
  FROM aged
  GROUP BY user_id, product_id
),

products AS (
  SELECT product_id, COUNT(*) AS buyers, COUNTIF(purchases > 1) AS repeaters FROM pairs GROUP BY product_id
),

trends AS (
  -- Purchases a day by everyone, lately (half-life of 10 days) beside longer ago (90 days).
  SELECT
    product_id,
    (SUM(POW(2, -age_days / 10.0)) / 10.0 + 0.05) / (SUM(POW(2, -age_days / 90.0)) / 90.0 + 0.05) AS trend
  FROM aged
  GROUP BY product_id
),

average AS (
  SELECT (SUM(repeaters) + 1) / (SUM(buyers) + 10) AS repeat_rate FROM products
),

weighable AS (
  SELECT
    pairs.*,
    IF(purchases > 1, (days_since_first - days_since_last) / (purchases - 1), NULL) AS mean_gap_days,
    decayed_baskets,
    recent_baskets,
    (repeaters + 10 * repeat_rate) / (buyers + 10) AS product_repeat_rate,
    trend
  FROM pairs
  INNER JOIN users USING (user_id)
  INNER JOIN products USING (product_id)
  INNER JOIN trends USING (product_id)
  CROSS JOIN average
),

inputs AS (
  SELECT
    *,
    LN(purchases) AS purchases_log,
    LN(decayed_purchases + 0.01) AS decayed_log,
    LN(recent_purchases + 0.01) AS recent_log,
    IF(purchases > 1, LN(1 + days_since_last / GREATEST(mean_gap_days, 1)), 0.0) AS overdue,
    IF(purchases > 1, 0.0, 1.0) AS bought_once,
    LN((decayed_purchases + 0.02) / (decayed_baskets + 1)) AS basket_share_log,
    LN(recent_baskets + 0.1) AS activity_log,
    LN(product_repeat_rate / (1 - product_repeat_rate)) AS repeat_rate_logit,
    LN(purchases / (days_since_first + 1)) AS rate_log,
    LN(trend) AS trend_log
  FROM weighable
),

weights AS (
  SELECT
    SUM(IF(feature = 'intercept', weight, NULL)) AS intercept,
    SUM(IF(feature = 'purchases_log', weight, NULL)) AS purchases_log,
    SUM(IF(feature = 'decayed_log', weight, NULL)) AS decayed_log,
    SUM(IF(feature = 'recent_log', weight, NULL)) AS recent_log,
    SUM(IF(feature = 'overdue', weight, NULL)) AS overdue,
    SUM(IF(feature = 'bought_once', weight, NULL)) AS bought_once,
    SUM(IF(feature = 'basket_share_log', weight, NULL)) AS basket_share_log,
    SUM(IF(feature = 'activity_log', weight, NULL)) AS activity_log,
    SUM(IF(feature = 'repeat_rate_logit', weight, NULL)) AS repeat_rate_logit,
    SUM(IF(feature = 'rate_log', weight, NULL)) AS rate_log,
    SUM(IF(feature = 'trend_log', weight, NULL)) AS trend_log
  FROM reorder_weights
  WHERE as_of = (SELECT MAX(as_of) FROM reorder_weights WHERE as_of <= @as_of)
),

scored AS (
  SELECT
    inputs.*,
    1 / (1 + EXP(-(
      weights.intercept
      + weights.purchases_log * inputs.purchases_log
      + weights.decayed_log * inputs.decayed_log
      + weights.recent_log * inputs.recent_log
      + weights.overdue * inputs.overdue
      + weights.bought_once * inputs.bought_once
      + weights.basket_share_log * inputs.basket_share_log
      + weights.activity_log * inputs.activity_log
      + weights.repeat_rate_logit * inputs.repeat_rate_logit
      + weights.rate_log * inputs.rate_log
      + weights.trend_log * inputs.trend_log
    ))) AS probability
  FROM inputs
  CROSS JOIN weights
)

SELECT
  @as_of AS as_of,
  user_id,
  product_id,
  category,
  -- A tie goes to what was bought last, then to the smaller product_id.
  ROW_NUMBER() OVER (
    PARTITION BY user_id ORDER BY probability DESC, last_purchased_at DESC, product_id
  ) AS `rank`,
  probability,
  purchases,
  last_purchased_at,
  days_since_last,
  mean_gap_days,
  decayed_purchases,
  STRUCT(
    purchases_log AS purchases_log,
    decayed_log AS decayed_log,
    recent_log AS recent_log,
    overdue AS overdue,
    bought_once AS bought_once,
    basket_share_log AS basket_share_log,
    activity_log AS activity_log,
    repeat_rate_logit AS repeat_rate_logit,
    rate_log AS rate_log,
    trend_log AS trend_log
  ) AS inputs
FROM scored
