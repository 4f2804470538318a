-- Share of what was shown at a place that was clicked.
SELECT position, SUM(clicked) / SUM(shown) AS click_rate
FROM `{dataset}.search_funnel_by_position`
WHERE day BETWEEN @first_day AND @last_day AND position <= 20
GROUP BY position
ORDER BY position
