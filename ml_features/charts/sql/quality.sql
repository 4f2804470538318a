-- What each quality rule found when it was looked at last.
SELECT rule, verdict, value, least, most
FROM `{dataset}.quality_results`
WHERE checked_at >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY)
QUALIFY ROW_NUMBER() OVER (PARTITION BY rule ORDER BY checked_at DESC) = 1
ORDER BY verdict, rule
