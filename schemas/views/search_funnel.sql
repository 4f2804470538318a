-- One row is: a day (UTC) and an intent, and how far its searches got: answered, clicked, carted, ordered.
-- For: whoever looks after search; by query it is `queries`, by position `search_funnel_by_position`.
-- Example: SELECT intent, SUM(searches) AS searches, SUM(ordered) / SUM(searches) AS rate FROM shopstream.search_funnel WHERE day >= DATE_SUB(CURRENT_DATE(), INTERVAL 28 DAY) GROUP BY intent
SELECT
  day,
  intent,
  COUNT(*) AS searches,
  COUNTIF(error IS NULL AND NOT without_results) AS answered,
  COUNTIF(clicked) AS clicked,
  COUNTIF(carted) AS carted,
  COUNTIF(ordered) AS ordered,
  COUNTIF(without_results) AS without_results,
  COUNTIF(abandoned) AS abandoned,
  COUNTIF(error IS NOT NULL) AS failed
FROM `{dataset}_features.search_outcomes`
GROUP BY day, intent
