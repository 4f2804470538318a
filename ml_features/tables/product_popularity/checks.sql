-- fail: a product appears twice, or a row has none
SELECT product_id FROM candidate GROUP BY product_id HAVING COUNT(*) > 1 OR product_id IS NULL;

-- fail: a row is of another date than the partition, or knows of a listing after it
SELECT * FROM candidate
WHERE as_of IS NULL OR as_of != @as_of OR listed_at >= TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY));

-- fail: the shares of what sells do not add up to 1
SELECT SUM(share) AS whole FROM candidate HAVING SUM(share) > 0 AND ABS(SUM(share) - 1) > 1e-6;

-- fail: what is not available has a rank
SELECT * FROM candidate WHERE NOT available AND (`rank` IS NOT NULL OR category_rank IS NOT NULL);

-- warn: nothing sells
SELECT COUNT(*) AS row_count FROM candidate HAVING COUNT(`rank`) = 0;
