-- fail: a query appears twice, or the rest of an intent does
SELECT query, intent FROM candidate GROUP BY query, intent HAVING COUNT(*) > 1;

-- fail: a row is of another date than the partition
SELECT * FROM candidate WHERE as_of IS NULL OR as_of != @as_of;

-- fail: a query has no intent
SELECT * FROM candidate WHERE query IS NOT NULL AND intent IS NULL;
