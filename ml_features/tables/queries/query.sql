-- What is searched for, anonymised. One row per query that at least minimum_users users searched for in the window,
-- one per intent for its rarer queries together, and one for what is left of all intents; groups of fewer users are
-- not there at all. Exact counts: they are rounded, and get noise, before they are stored (ml_features/anonymise.py).
-- Look-back: search_outcomes from window_start to as_of; window_start is null where no window ends on as_of, and
-- then there is no row. Searches of unknown users are left out, for they cannot be told apart.
WITH by_user AS (
  SELECT
    normalised_query AS query,
    user_id,
    LEAST(COUNT(*), 10) AS searches,
    LOGICAL_OR(clicked) AS clicked,
    LOGICAL_OR(carted) AS carted,
    LOGICAL_OR(ordered) AS ordered,
    LOGICAL_OR(without_results) AS without_results,
    LOGICAL_OR(abandoned) AS abandoned
  FROM search_outcomes
  WHERE day >= @window_start AND day <= @as_of AND user_id IS NOT NULL AND normalised_query IS NOT NULL
  GROUP BY query, user_id
),

labels AS (
  SELECT normalised_query AS query, IFNULL(intent, 'other') AS label
  FROM search_outcomes
  WHERE day >= @window_start AND day <= @as_of AND user_id IS NOT NULL AND normalised_query IS NOT NULL
  GROUP BY query, label
  QUALIFY ROW_NUMBER() OVER (PARTITION BY query ORDER BY COUNT(*) DESC, label) = 1
),

frequent AS (
  SELECT query FROM by_user GROUP BY query HAVING COUNT(*) >= @minimum_users
),

by_query AS (
  SELECT by_user.*, labels.label AS intent, IF(frequent.query IS NULL, NULL, by_user.query) AS told
  FROM by_user
  INNER JOIN labels ON by_user.query = labels.query
  LEFT JOIN frequent ON by_user.query = frequent.query
),

intents AS (
  SELECT intent
  FROM by_query
  WHERE told IS NULL
  GROUP BY intent
  HAVING COUNT(DISTINCT user_id) >= @minimum_users
),

grouped AS (
  SELECT
    by_query.*,
    IF(by_query.told IS NULL AND intents.intent IS NULL, NULL, by_query.intent) AS told_intent
  FROM by_query
  LEFT JOIN intents ON by_query.intent = intents.intent
),

-- A user counts once in a group, whatever number of rare queries put him there.
users AS (
  SELECT
    told,
    told_intent,
    user_id,
    LEAST(SUM(searches), 10) AS searches,
    LOGICAL_OR(clicked) AS clicked,
    LOGICAL_OR(carted) AS carted,
    LOGICAL_OR(ordered) AS ordered,
    LOGICAL_OR(without_results) AS without_results,
    LOGICAL_OR(abandoned) AS abandoned
  FROM grouped
  GROUP BY told, told_intent, user_id
)

SELECT
  @as_of AS as_of,
  @window_days AS window_days,
  told AS query,
  told_intent AS intent,
  COUNT(*) AS users,
  COUNTIF(clicked) AS clicked,
  COUNTIF(carted) AS carted,
  COUNTIF(ordered) AS ordered,
  COUNTIF(without_results) AS without_results,
  COUNTIF(abandoned) AS abandoned,
  SUM(searches) AS searches
FROM users
GROUP BY told, told_intent
HAVING COUNT(*) >= @minimum_users
