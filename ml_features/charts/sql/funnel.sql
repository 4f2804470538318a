-- How far searches got, all days together.
SELECT stage, searches
FROM (
  SELECT 1 AS place, 'searched' AS stage, SUM(searches) AS searches
  FROM `{dataset}.search_funnel` WHERE day BETWEEN @first_day AND @last_day
  UNION ALL
  SELECT 2, 'answered', SUM(answered) FROM `{dataset}.search_funnel` WHERE day BETWEEN @first_day AND @last_day
  UNION ALL
  SELECT 3, 'clicked', SUM(clicked) FROM `{dataset}.search_funnel` WHERE day BETWEEN @first_day AND @last_day
  UNION ALL
  SELECT 4, 'carted', SUM(carted) FROM `{dataset}.search_funnel` WHERE day BETWEEN @first_day AND @last_day
  UNION ALL
  SELECT 5, 'ordered', SUM(ordered) FROM `{dataset}.search_funnel` WHERE day BETWEEN @first_day AND @last_day
)
ORDER BY place
