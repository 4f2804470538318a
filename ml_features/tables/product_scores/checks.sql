-- fail: a product appears twice
SELECT product_id FROM candidate GROUP BY product_id HAVING COUNT(*) > 1;

-- fail: a row is of another date than the partition
SELECT * FROM candidate WHERE as_of IS NULL OR as_of != @as_of;

-- fail: a score is not between 0 and 100
SELECT * FROM candidate
WHERE LEAST(IFNULL(price_score, 0), IFNULL(rating_score, 0), IFNULL(popularity_score, 0), IFNULL(score, 0)) < 0
OR GREATEST(IFNULL(price_score, 0), IFNULL(rating_score, 0), IFNULL(popularity_score, 0), IFNULL(score, 0)) > 100;

-- warn: no product has a score
SELECT COUNT(*) AS row_count FROM candidate HAVING COUNT(score) = 0;
