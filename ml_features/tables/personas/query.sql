-- What kind of shopper each user of profiles is, over 30 and over 180 days. One row per user and window.
-- Look-back: 365 days of purchases up to the end of as_of (UTC), and of that only what was known by then; the personas
-- of the latest date computed in the seven days before, from which nobody is moved for a small difference.
-- Left out: users who do not allow personalization.
WITH bought AS (
  SELECT
    purchases.user_id,
    product_id,
    order_id,
    MIN(IF(status = 'placed', ordered_at, NULL)) AS ordered_at,
    MAX(currency) AS currency,
    MAX(IF(status = 'placed', CAST(unit_price AS FLOAT64), NULL)) AS price
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

usual_prices AS (
  SELECT product_id, currency, AVG(LN(price)) AS log_price
  FROM bought
  WHERE price > 0
  GROUP BY product_id, currency
),

lines AS (
  SELECT
    user_id,
    order_id,
    ordered_at,
    ROW_NUMBER() OVER (PARTITION BY user_id, bought.product_id ORDER BY ordered_at, order_id) = 1 AS is_new,
    IFNULL(price < 0.95 * EXP(log_price), FALSE) AS is_deal
  FROM bought
  LEFT JOIN usual_prices ON bought.product_id = usual_prices.product_id AND bought.currency = usual_prices.currency
),

spans AS (
  SELECT window_days, TIMESTAMP_SUB(TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY)), INTERVAL window_days DAY) AS begins_at
  FROM UNNEST([30, 180]) AS window_days
),

figures AS (
  SELECT
    window_days,
    user_id,
    COUNT(DISTINCT order_id) AS orders,
    COUNT(*) / COUNT(DISTINCT order_id) AS products_per_order,
    COUNTIF(is_new) / COUNT(*) AS new_share,
    COUNTIF(is_deal) / COUNT(*) AS deal_share
  FROM lines
  INNER JOIN spans ON lines.ordered_at >= spans.begins_at
  GROUP BY window_days, user_id
),

ranks AS (
  SELECT
    *,
    COUNT(*) OVER (PARTITION BY window_days) AS buyers,
    PERCENT_RANK() OVER (PARTITION BY window_days ORDER BY new_share) AS explorer,
    PERCENT_RANK() OVER (PARTITION BY window_days ORDER BY deal_share) AS deal_seeker,
    PERCENT_RANK() OVER (PARTITION BY window_days ORDER BY products_per_order) AS size_rank,
    PERCENT_RANK() OVER (PARTITION BY window_days ORDER BY orders) AS orders_rank
  FROM figures
),

scores AS (
  -- Ranked both ways, for users alike in size and number of orders are ahead of nobody in either.
  SELECT
    *,
    PERCENT_RANK() OVER (PARTITION BY window_days ORDER BY size_rank - orders_rank) AS stock_up,
    PERCENT_RANK() OVER (PARTITION BY window_days ORDER BY orders_rank - size_rank) AS top_up
  FROM ranks
),

before AS (
  SELECT user_id, window_days, persona, since, previous_persona
  FROM personas
  WHERE as_of BETWEEN DATE_SUB(@as_of, INTERVAL 7 DAY) AND DATE_SUB(@as_of, INTERVAL 1 DAY)
  QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id, window_days ORDER BY as_of DESC) = 1
),

considered AS (
  SELECT
    profiles.user_id,
    spans.window_days,
    scores.orders,
    scores.products_per_order,
    scores.new_share,
    scores.deal_share,
    scores.buyers,
    scores.stock_up,
    scores.top_up,
    scores.explorer,
    scores.deal_seeker,
    GREATEST(scores.stock_up, scores.top_up, scores.explorer, scores.deal_seeker) AS greatest_score,
    CASE before.persona
      WHEN 'stock_up' THEN scores.stock_up
      WHEN 'top_up' THEN scores.top_up
      WHEN 'explorer' THEN scores.explorer
      WHEN 'deal_seeker' THEN scores.deal_seeker
    END AS score_before,
    CASE
      WHEN profiles.orders = 0 THEN 'browser'
      WHEN scores.orders IS NULL THEN 'lapsing'
      WHEN profiles.first_order_at >= spans.begins_at AND scores.orders < 3 THEN 'newcomer'
    END AS by_rule,
    before.persona AS persona_before,
    before.since AS since_before,
    before.previous_persona AS persona_before_that
  FROM profiles
  CROSS JOIN spans
  LEFT JOIN scores ON profiles.user_id = scores.user_id AND spans.window_days = scores.window_days
  LEFT JOIN before ON profiles.user_id = before.user_id AND spans.window_days = before.window_days
  WHERE profiles.as_of = @as_of
),

assigned AS (
  SELECT
    *,
    CASE
      WHEN by_rule IS NOT NULL THEN by_rule
      WHEN buyers < 20 THEN 'steady'
      WHEN score_before >= 0.65 AND score_before >= greatest_score - 0.1 THEN persona_before
      WHEN greatest_score < 0.75 THEN 'steady'
      WHEN explorer = greatest_score THEN 'explorer'
      WHEN deal_seeker = greatest_score THEN 'deal_seeker'
      WHEN stock_up = greatest_score THEN 'stock_up'
      ELSE 'top_up'
    END AS persona
  FROM considered
)

SELECT
  @as_of AS as_of,
  user_id,
  window_days,
  persona,
  CASE persona
    WHEN 'stock_up' THEN stock_up
    WHEN 'top_up' THEN top_up
    WHEN 'explorer' THEN explorer
    WHEN 'deal_seeker' THEN deal_seeker
  END AS score,
  IF(persona = persona_before, since_before, @as_of) AS since,
  IF(persona = persona_before, persona_before_that, persona_before) AS previous_persona,
  IFNULL(orders, 0) AS orders,
  products_per_order,
  new_share,
  deal_share
FROM assigned
