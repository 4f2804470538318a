-- One row is: a session, with its steps in order, how it began and ended, and whether it led to an order.
-- For: whoever designs the way through the shop.
-- Example: SELECT entry_step, exit_step, COUNT(*) AS sessions, COUNTIF(converted) AS converted FROM shopstream.session_journeys WHERE day >= DATE_SUB(CURRENT_DATE(), INTERVAL 7 DAY) GROUP BY entry_step, exit_step
SELECT
  day,
  session_id,
  user_id,
  started_at,
  ended_at,
  TIMESTAMP_DIFF(ended_at, started_at, SECOND) AS seconds,
  entry_step,
  exit_step,
  searches,
  views,
  clicks,
  cart_adds,
  orders,
  orders > 0 AS converted,
  cart_adds > 0 AND orders = 0 AS cart_abandoned,
  revenue,
  currency,
  steps
FROM `{dataset}_features.sessions`
