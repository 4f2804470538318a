-- fail: a search appears twice, or has no query_id
SELECT query_id FROM candidate GROUP BY query_id HAVING COUNT(*) > 1 OR query_id IS NULL;

-- fail: a row is of another day than those computed
SELECT * FROM candidate WHERE day IS NULL OR day < @first_day OR day > @as_of OR day != DATE(occurred_at);

-- fail: a search without results was clicked, or was abandoned
SELECT * FROM candidate WHERE abandoned AND (without_results OR clicked OR carted OR ordered);

-- warn: something without results was clicked
SELECT * FROM candidate WHERE without_results AND clicked;
