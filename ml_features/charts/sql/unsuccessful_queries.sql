-- The queries that left most users without results or without a choice, in the last window that ended in these days.
SELECT IFNULL(query, 'rarer ones together') AS query, IFNULL(intent, 'all') AS intent, users, without_results, abandoned
FROM `{dataset}.unsuccessful_searches`
WHERE as_of BETWEEN @first_day AND @last_day
QUALIFY as_of = MAX(as_of) OVER ()
ORDER BY without_results + abandoned DESC, query
LIMIT 10
