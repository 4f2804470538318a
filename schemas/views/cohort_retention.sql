-- One row is: the users whose first session was in a week (from a Monday, UTC), and how many came back and ordered so many weeks later.
-- For: whoever asks whether shoppers stay. Sessions are kept 400 days; a user who came before them is not new.
-- Example: SELECT cohort_week, weeks_later, users / cohort_users AS retention FROM shopstream.cohort_retention WHERE weeks_later <= 8 ORDER BY cohort_week, weeks_later
WITH weekly AS (
  -- Counted from a Monday, so that it does not depend on any week convention.
  SELECT
    user_id,
    DATE_SUB(day, INTERVAL MOD(DATE_DIFF(day, DATE '1970-01-05', DAY), 7) DAY) AS week,
    SUM(orders) AS orders
  FROM `{dataset}_features.sessions`
  WHERE user_id IS NOT NULL
  GROUP BY user_id, week
),

cohorts AS (
  SELECT user_id, MIN(week) AS cohort_week FROM weekly GROUP BY user_id
),

counted AS (
  SELECT
    cohorts.cohort_week,
    DIV(DATE_DIFF(weekly.week, cohorts.cohort_week, DAY), 7) AS weeks_later,
    COUNT(*) AS users,
    COUNTIF(weekly.orders > 0) AS buyers
  FROM cohorts
  INNER JOIN weekly ON cohorts.user_id = weekly.user_id
  GROUP BY cohorts.cohort_week, weeks_later
)

SELECT
  cohort_week,
  weeks_later,
  FIRST_VALUE(users) OVER (PARTITION BY cohort_week ORDER BY weeks_later) AS cohort_users,
  users,
  buyers
FROM counted
