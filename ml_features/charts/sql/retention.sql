-- Share of the users whose first session was in a week that came back so many weeks later.
SELECT cohort_week, weeks_later, users / cohort_users AS retention
FROM `{dataset}.cohort_retention`
WHERE cohort_week BETWEEN @first_day AND @last_day AND weeks_later > 0
ORDER BY cohort_week, weeks_later
