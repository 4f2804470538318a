-- One row is: a query of a window that left users without results or without a choice; rarer ones by intent together.
-- For: whoever keeps synonyms, redirects and the assortment. Users are counted, rounded: docs/privacy.md.
-- Example: SELECT query, without_results, abandoned FROM shopstream.unsuccessful_searches WHERE as_of >= DATE_SUB(CURRENT_DATE(), INTERVAL 60 DAY) ORDER BY as_of DESC, without_results DESC LIMIT 50
SELECT
  as_of,
  window_days,
  query,
  intent,
  users,
  without_results,
  abandoned,
  SAFE_DIVIDE(without_results, users) AS without_results_rate,
  SAFE_DIVIDE(abandoned, users) AS abandoned_rate
FROM `{dataset}_aggregates.queries`
WHERE without_results > 0 OR abandoned > 0
