-- fail: a user and product appear twice, or a row lacks one
SELECT user_id, product_id FROM candidate
GROUP BY user_id, product_id
HAVING COUNT(*) > 1 OR user_id IS NULL OR product_id IS NULL;

-- fail: a row is of another date than the partition
SELECT * FROM candidate WHERE as_of IS NULL OR as_of != @as_of;

-- fail: the ranks of a user are not 1, 2, 3 and so on
SELECT user_id FROM candidate GROUP BY user_id HAVING MAX(`rank`) != COUNT(*) OR MIN(`rank`) != 1;

-- fail: a score is missing or not the sum of its parts
SELECT * FROM candidate
WHERE score IS NULL OR ABS(score - popular - goes_with - same_buyers - in_category) > 1e-9;

-- fail: who goes by another product's buyers has no such product
SELECT * FROM candidate WHERE source IN ('goes_with', 'same_buyers') AND because_product_id IS NULL;

-- warn: nobody has any (no profiles, product_popularity or product_affinities? run them first)
SELECT COUNT(*) AS row_count FROM candidate HAVING COUNT(*) = 0;
