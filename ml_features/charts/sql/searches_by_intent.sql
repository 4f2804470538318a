-- Searches a day, by what they were taken to be about.
SELECT day, IFNULL(intent, 'none') AS intent, searches
FROM `{dataset}.search_funnel`
WHERE day BETWEEN @first_day AND @last_day
ORDER BY day, intent
