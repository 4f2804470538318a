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
    (UNIX_MICROS(TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))) - UNIX_MICROS(ordered_at)) / 86400000000.0 AS age_days
  FROM bought
),

spaced AS (
  SELECT
    user_id,
    product_id,
    category,
    ordered_at,
    age_days,
    LAG(age_days) OVER (PARTITION BY user_id, product_id ORDER BY age_days DESC) - age_days AS gap_days
  FROM aged
),

category_orders AS (
  -- Also of lines without a category, for baskets are counted from here.
  SELECT user_id, category, order_id, MIN(age_days) AS age_days, COUNT(*) AS items
  FROM aged
  GROUP BY user_id, category, order_id
),

baskets AS (
  SELECT user_id, order_id, MIN(age_days) AS age_days, SUM(items) AS items
  FROM category_orders
  GROUP BY user_id, order_id
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
    SUM(POW(2, -age_days / 45.0)) AS decayed_45,
    SUM(POW(2, -age_days / 21.0)) AS recent_purchases,
    SUM(POW(2, -age_days / 10.0)) AS recent_10,
    SUM(gap_days * gap_days) AS squared_gaps
  FROM spaced
  GROUP BY user_id, product_id
),

again AS (
  -- Of the products a user bought more than once, how many were bought in the last 30 days.
  SELECT
    user_id,
    COUNT(*) AS products,
    SUM(purchases) AS bought_lines,
    COUNTIF(purchases > 1) AS regular,
    COUNTIF(purchases > 1 AND days_since_last < 30) AS regular_lately
  FROM pairs
  GROUP BY user_id
),

users AS (
  SELECT
    user_id,
    COUNT(*) AS orders,
    AVG(items) AS items,
    MIN(age_days) AS days_since_last,
    (MAX(age_days) - MIN(age_days)) / GREATEST(COUNT(*) - 1, 1) AS mean_gap_days,
    SUM(POW(2, -age_days / 90.0)) AS decayed_baskets,
    SUM(POW(2, -age_days / 21.0)) AS recent_baskets
  FROM baskets
  GROUP BY user_id
),

products AS (
  SELECT
    product_id,
    COUNT(*) AS buyers,
    COUNTIF(purchases > 1) AS repeaters,
    COUNTIF(purchases > 1 AND days_since_last < 30) AS repeaters_lately,
    (SUM(purchases - 1) + 0.5) / (SUM(days_since_first) + 60) AS again_a_day,
    -- Purchases a day by everyone, lately (half-life of 10 days) beside longer ago (90 days).
    (SUM(recent_10) / 10.0 + 0.05) / (SUM(decayed_purchases) / 90.0 + 0.05) AS trend
  FROM pairs
  GROUP BY product_id
),

categories AS (
  SELECT
    user_id,
    category,
    MIN(age_days) AS days_since_last,
    (MAX(age_days) - MIN(age_days)) / GREATEST(COUNT(*) - 1, 1) AS mean_gap_days,
    COUNT(*) AS orders,
    SUM(POW(2, -age_days / 90.0)) AS decayed_orders
  FROM category_orders
  WHERE category IS NOT NULL
  GROUP BY user_id, category
),

average AS (
  SELECT
    (SUM(repeaters) + 1) / (SUM(buyers) + 10) AS repeat_rate,
    (SUM(repeaters_lately) + 1) / (SUM(repeaters) + 2) AS lately_rate
  FROM products
),

weighable AS (
  SELECT
    pairs.*,
    IF(purchases > 1, (days_since_first - pairs.days_since_last) / (purchases - 1), NULL) AS mean_gap_days,
    decayed_baskets,
    recent_baskets,
    users.items,
    users.days_since_last AS user_since_last,
    IF(users.orders > 1, users.mean_gap_days, 30.0) AS user_gap_days,
    (bought_lines - again.products + 1) / (bought_lines + 4) AS user_repeat_rate,
    (regular_lately + 5 * lately_rate) / (regular + 5) AS user_again_rate,
    (repeaters + 10 * repeat_rate) / (buyers + 10) AS product_repeat_rate,
    (repeaters_lately + 5 * lately_rate) / (repeaters + 5) AS product_again_rate,
    again_a_day,
    trend,
    categories.decayed_orders,
    IF(categories.orders > 1, categories.days_since_last / GREATEST(categories.mean_gap_days, 1), NULL)
      AS category_overdue_gaps
  FROM pairs
  INNER JOIN users USING (user_id)
  INNER JOIN again USING (user_id)
  INNER JOIN products USING (product_id)
  LEFT JOIN categories ON pairs.user_id = categories.user_id AND pairs.category = categories.category
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
    LN(trend) AS trend_log,
    LN(1 + days_since_last) AS since_last_log,
    IF(purchases > 1, GREATEST(LN((1 + days_since_last / GREATEST(mean_gap_days, 1)) / 2), 0.0), 0.0) AS overdue_beyond,
    IF(purchases > 1, LN(1 + mean_gap_days), 0.0) AS gap_log,
    IF(
      purchases > 2,
      SQRT(GREATEST(squared_gaps / (purchases - 1) - mean_gap_days * mean_gap_days, 0)) / GREATEST(mean_gap_days, 0.5),
      0.0
    ) AS gap_variation,
    LN(recent_10 + 0.01) AS recent_10_log,
    LN(decayed_45 + 0.01) AS decayed_45_log,
    LN(1 + user_since_last) AS user_since_last_log,
    LN(1 + user_since_last / GREATEST(user_gap_days, 1)) AS user_overdue,
    LN(decayed_baskets + 0.1) AS user_decayed_log,
    LN(items) AS basket_size_log,
    LN(user_repeat_rate / (1 - user_repeat_rate)) AS user_repeat_logit,
    LN(user_again_rate / (1 - user_again_rate)) AS user_again_logit,
    LN(product_again_rate / (1 - product_again_rate)) AS product_again_logit,
    LN(again_a_day) AS product_rate_log,
    IFNULL(LN((decayed_purchases + 0.02) / (decayed_orders + 0.02)), 0.0) AS category_share_log,
    IFNULL(LN(1 + category_overdue_gaps), 0.0) AS category_overdue
  FROM weighable
),

weights AS (
  SELECT
    IFNULL(horizon_days, 30) AS horizon,
    SUM(IF(feature = 'intercept', weight, NULL)) AS intercept,
    SUM(IF(feature = 'purchases_log', weight, 0)) AS purchases_log,
    SUM(IF(feature = 'decayed_log', weight, 0)) AS decayed_log,
    SUM(IF(feature = 'recent_log', weight, 0)) AS recent_log,
    SUM(IF(feature = 'overdue', weight, 0)) AS overdue,
    SUM(IF(feature = 'bought_once', weight, 0)) AS bought_once,
    SUM(IF(feature = 'basket_share_log', weight, 0)) AS basket_share_log,
    SUM(IF(feature = 'activity_log', weight, 0)) AS activity_log,
    SUM(IF(feature = 'repeat_rate_logit', weight, 0)) AS repeat_rate_logit,
    SUM(IF(feature = 'rate_log', weight, 0)) AS rate_log,
    SUM(IF(feature = 'trend_log', weight, 0)) AS trend_log,
    SUM(IF(feature = 'since_last_log', weight, 0)) AS since_last_log,
    SUM(IF(feature = 'overdue_beyond', weight, 0)) AS overdue_beyond,
    SUM(IF(feature = 'gap_log', weight, 0)) AS gap_log,
    SUM(IF(feature = 'gap_variation', weight, 0)) AS gap_variation,
    SUM(IF(feature = 'recent_10_log', weight, 0)) AS recent_10_log,
    SUM(IF(feature = 'decayed_45_log', weight, 0)) AS decayed_45_log,
    SUM(IF(feature = 'user_since_last_log', weight, 0)) AS user_since_last_log,
    SUM(IF(feature = 'user_overdue', weight, 0)) AS user_overdue,
    SUM(IF(feature = 'user_decayed_log', weight, 0)) AS user_decayed_log,
    SUM(IF(feature = 'basket_size_log', weight, 0)) AS basket_size_log,
    SUM(IF(feature = 'user_repeat_logit', weight, 0)) AS user_repeat_logit,
    SUM(IF(feature = 'user_again_logit', weight, 0)) AS user_again_logit,
    SUM(IF(feature = 'product_again_logit', weight, 0)) AS product_again_logit,
    SUM(IF(feature = 'product_rate_log', weight, 0)) AS product_rate_log,
    SUM(IF(feature = 'category_share_log', weight, 0)) AS category_share_log,
    SUM(IF(feature = 'category_overdue', weight, 0)) AS category_overdue
  FROM reorder_weights
  WHERE as_of = (SELECT MAX(as_of) FROM reorder_weights WHERE as_of <= @as_of)
  GROUP BY horizon
),

scored AS (
  SELECT
    inputs.*,
    (
      later.intercept
      + later.purchases_log * inputs.purchases_log
      + later.decayed_log * inputs.decayed_log
      + later.recent_log * inputs.recent_log
      + later.overdue * inputs.overdue
      + later.bought_once * inputs.bought_once
      + later.basket_share_log * inputs.basket_share_log
      + later.activity_log * inputs.activity_log
      + later.repeat_rate_logit * inputs.repeat_rate_logit
      + later.rate_log * inputs.rate_log
      + later.trend_log * inputs.trend_log
      + later.since_last_log * inputs.since_last_log
      + later.overdue_beyond * inputs.overdue_beyond
      + later.gap_log * inputs.gap_log
      + later.gap_variation * inputs.gap_variation
      + later.recent_10_log * inputs.recent_10_log
      + later.decayed_45_log * inputs.decayed_45_log
      + later.user_since_last_log * inputs.user_since_last_log
      + later.user_overdue * inputs.user_overdue
      + later.user_decayed_log * inputs.user_decayed_log
      + later.basket_size_log * inputs.basket_size_log
      + later.user_repeat_logit * inputs.user_repeat_logit
      + later.user_again_logit * inputs.user_again_logit
      + later.product_again_logit * inputs.product_again_logit
      + later.product_rate_log * inputs.product_rate_log
      + later.category_share_log * inputs.category_share_log
      + later.category_overdue * inputs.category_overdue
    ) AS log_odds,
    (
      soon.intercept
      + soon.purchases_log * inputs.purchases_log
      + soon.decayed_log * inputs.decayed_log
      + soon.recent_log * inputs.recent_log
      + soon.overdue * inputs.overdue
      + soon.bought_once * inputs.bought_once
      + soon.basket_share_log * inputs.basket_share_log
      + soon.activity_log * inputs.activity_log
      + soon.repeat_rate_logit * inputs.repeat_rate_logit
      + soon.rate_log * inputs.rate_log
      + soon.trend_log * inputs.trend_log
      + soon.since_last_log * inputs.since_last_log
      + soon.overdue_beyond * inputs.overdue_beyond
      + soon.gap_log * inputs.gap_log
      + soon.gap_variation * inputs.gap_variation
      + soon.recent_10_log * inputs.recent_10_log
      + soon.decayed_45_log * inputs.decayed_45_log
      + soon.user_since_last_log * inputs.user_since_last_log
      + soon.user_overdue * inputs.user_overdue
      + soon.user_decayed_log * inputs.user_decayed_log
      + soon.basket_size_log * inputs.basket_size_log
      + soon.user_repeat_logit * inputs.user_repeat_logit
      + soon.user_again_logit * inputs.user_again_logit
      + soon.product_again_logit * inputs.product_again_logit
      + soon.product_rate_log * inputs.product_rate_log
      + soon.category_share_log * inputs.category_share_log
      + soon.category_overdue * inputs.category_overdue
    ) AS log_odds_soon
  FROM inputs
  LEFT JOIN (SELECT * FROM weights WHERE horizon = 30) AS later ON TRUE
  LEFT JOIN (SELECT * FROM weights WHERE horizon = 7) AS soon ON TRUE
),

probable AS (
  SELECT
    *,
    1 / (1 + EXP(-log_odds)) AS probability,
    1 / (1 + EXP(-log_odds_soon)) AS probability_7_days,
    -- The chance of no purchase for t days is exp(-(t / scale) ^ shape), a Weibull distribution through the two
    -- probabilities: -ln(1 - probability) = ln(1 + exp(log_odds)) after 30 days, and the same after 7.
    LN(1 + EXP(log_odds)) AS hazard,
    LN(30.0 / 7.0)
    / LEAST(GREATEST(LN(LN(1 + EXP(log_odds)) / LN(1 + EXP(log_odds_soon))), 0.3), 4.5) AS inverse_shape
  FROM scored
),

timed AS (
  SELECT
    *,
    30 * POW(LN(1 / 0.9) / hazard, inverse_shape) AS early,
    30 * POW(LN(1 / 0.5) / hazard, inverse_shape) AS middle,
    30 * POW(LN(1 / 0.1) / hazard, inverse_shape) AS late
  FROM probable
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
  probability_7_days,
  IF(early <= 365, early, NULL) AS next_in_days_early,
  IF(middle <= 365, middle, NULL) AS next_in_days_middle,
  IF(late <= 365, late, NULL) AS next_in_days_late,
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
    trend_log AS trend_log,
    since_last_log AS since_last_log,
    overdue_beyond AS overdue_beyond,
    gap_log AS gap_log,
    gap_variation AS gap_variation,
    recent_10_log AS recent_10_log,
    decayed_45_log AS decayed_45_log,
    user_since_last_log AS user_since_last_log,
    user_overdue AS user_overdue,
    user_decayed_log AS user_decayed_log,
    basket_size_log AS basket_size_log,
    user_repeat_logit AS user_repeat_logit,
    user_again_logit AS user_again_logit,
    product_again_logit AS product_again_logit,
    product_rate_log AS product_rate_log,
    category_share_log AS category_share_log,
    category_overdue AS category_overdue
  ) AS inputs
FROM timed
