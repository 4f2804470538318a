-- How sessions began and ended.
SELECT entry_step, exit_step, COUNT(*) AS sessions
FROM `{dataset}.session_journeys`
WHERE day BETWEEN @first_day AND @last_day
GROUP BY entry_step, exit_step
ORDER BY sessions DESC, entry_step, exit_step
