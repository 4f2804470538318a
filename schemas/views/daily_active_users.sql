-- One row is: a day (UTC): how many users were active, how many sessions there were, and how many of them led to an order.
-- For: everybody.
-- Example: SELECT * FROM shopstream.daily_active_users WHERE day >= DATE_SUB(CURRENT_DATE(), INTERVAL 28 DAY) ORDER BY day
SELECT
  day,
  COUNT(DISTINCT user_id) AS users,
  COUNT(DISTINCT IF(orders > 0, user_id, NULL)) AS buyers,
  COUNT(*) AS sessions,
  COUNTIF(user_id IS NULL) AS anonymous_sessions,
  COUNTIF(orders > 0) AS converted_sessions,
  SUM(orders) AS orders
FROM `{dataset}_features.sessions`
GROUP BY day
