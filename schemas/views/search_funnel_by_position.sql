-- One row is: a day (UTC), an intent and a place among results, and how often what stood there was taken.
-- For: whoever ranks results. A rate by position says as much of the shopper's eye as of the ranking.
-- Example: SELECT position, SUM(clicked) / SUM(shown) AS click_rate FROM shopstream.search_funnel_by_position WHERE day >= DATE_SUB(CURRENT_DATE(), INTERVAL 28 DAY) GROUP BY position ORDER BY position
SELECT
  day,
  intent,
  position,
  shown,
  clicked,
  carted,
  ordered,
  SAFE_DIVIDE(clicked, shown) AS click_rate
FROM `{dataset}_aggregates.search_positions`
