-- Active users and sessions a day.
SELECT day, users, buyers, sessions
FROM `{dataset}.daily_active_users`
WHERE day BETWEEN @first_day AND @last_day
ORDER BY day
