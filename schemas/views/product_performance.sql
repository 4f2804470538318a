-- One row is: a product and a day (UTC): how often it was shown, clicked, carted, ordered, returned, and for how much.
-- For: whoever buys, prices and places products.
-- Example: SELECT product_id, SUM(orders) AS orders, SUM(clicks) / NULLIF(SUM(shown), 0) AS click_rate FROM shopstream.product_performance WHERE day >= DATE_SUB(CURRENT_DATE(), INTERVAL 28 DAY) GROUP BY product_id ORDER BY orders DESC LIMIT 20
SELECT
  *,
  SAFE_DIVIDE(clicks, shown) AS click_rate,
  SAFE_DIVIDE(orders, clicks) AS orders_per_click
FROM `{dataset}_aggregates.product_days`
