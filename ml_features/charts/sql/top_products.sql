-- The products ordered most often.
SELECT product_id, SUM(orders) AS orders, SUM(clicks) AS clicks, SUM(shown) AS shown
FROM `{dataset}.product_performance`
WHERE day BETWEEN @first_day AND @last_day
GROUP BY product_id
ORDER BY orders DESC, product_id
LIMIT 10
