-- Units ordered and revenue a day, by currency.
SELECT day, currency, SUM(revenue) AS revenue, SUM(units) AS units
FROM `{dataset}.product_performance`
WHERE day BETWEEN @first_day AND @last_day AND revenue IS NOT NULL
GROUP BY day, currency
ORDER BY day, currency
