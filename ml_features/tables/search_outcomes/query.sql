-- What came of each search. One row per search, all its pages together, that a shopper made from first_day to as_of.
-- Look-back: events that occurred in those days and were known by the end of as_of (UTC); a click, cart or order
-- counts for the search it names. Left out: tests and bots, and users who do not allow analytics; who is not known stays.
WITH searched AS (
  SELECT
    searches.*,
    COUNT(*) OVER (PARTITION BY searches.query_id) AS pages
  FROM searches
  LEFT JOIN consent_states
    ON searches.user_id = consent_states.user_id AND consent_states.purpose = 'analytics'
  WHERE
    searches.received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 1 DAY))
    AND searches.occurred_at >= TIMESTAMP(@first_day)
    AND searches.occurred_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND IF(searches.imported, searches.occurred_at, searches.received_at)
    < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND searches.traffic IS NULL
    AND (searches.user_id IS NULL OR IFNULL(consent_states.granted, @allowed_otherwise))
  QUALIFY ROW_NUMBER() OVER (PARTITION BY searches.query_id ORDER BY searches.occurred_at, searches.event_id) = 1
),

touched AS (
  SELECT
    query_id,
    COUNTIF(action = 'click') AS clicks,
    COUNTIF(action = 'cart_add') AS cart_adds,
    MIN_BY(position, IF(action = 'click' AND position IS NOT NULL, occurred_at, NULL)) AS first_click_position
  FROM interactions
  WHERE
    received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 1 DAY))
    AND IF(imported, occurred_at, received_at) < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND query_id IS NOT NULL
    AND action IN ('click', 'cart_add')
    AND traffic IS NULL
  GROUP BY query_id
),

bought AS (
  SELECT query_id
  FROM orders
  WHERE
    received_at >= TIMESTAMP(DATE_SUB(@first_day, INTERVAL 1 DAY))
    AND IF(imported, occurred_at, received_at) < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND query_id IS NOT NULL
    AND status = 'placed'
    AND traffic IS NULL
  GROUP BY query_id
),

joined AS (
  SELECT
    searched.*,
    IFNULL(touched.clicks, 0) AS clicks,
    touched.first_click_position,
    IFNULL(touched.clicks, 0) > 0 AS clicked,
    IFNULL(touched.cart_adds, 0) > 0 AS carted,
    bought.query_id IS NOT NULL AS ordered,
    searched.error IS NULL
    AND IFNULL(searched.total_results, IFNULL(ARRAY_LENGTH(searched.results), 0)) = 0 AS without_results
  FROM searched
  LEFT JOIN touched ON searched.query_id = touched.query_id
  LEFT JOIN bought ON searched.query_id = bought.query_id
)

SELECT
  DATE(occurred_at) AS day,
  query_id,
  occurred_at,
  user_id,
  session_id,
  normalised_query,
  intent.label AS intent,
  channel,
  pages,
  without_results,
  error,
  clicks,
  first_click_position,
  clicked,
  carted,
  ordered,
  error IS NULL AND NOT without_results AND NOT clicked AND NOT carted AND NOT ordered AS abandoned
FROM joined
