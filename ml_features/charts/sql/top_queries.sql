-- The queries most users searched for, in the last window that ended in these days. Counts are rounded.
SELECT query, intent, users, clicked, ordered
FROM `{dataset}.queries`
WHERE as_of BETWEEN @first_day AND @last_day AND query IS NOT NULL
QUALIFY as_of = MAX(as_of) OVER ()
ORDER BY users DESC, query
LIMIT 10
