-- fail: a user and product appear twice, or a row has none
SELECT user_id, product_id FROM candidate
GROUP BY user_id, product_id
HAVING COUNT(*) > 1 OR user_id IS NULL OR product_id IS NULL;

-- fail: a row is of another date than the partition
SELECT * FROM candidate WHERE as_of IS NULL OR as_of != @as_of;

-- fail: a probability is none, or that of 7 days is greater than that of 30
SELECT * FROM candidate
WHERE NOT (probability_7_days BETWEEN 0 AND 1 AND probability BETWEEN probability_7_days AND 1);

-- fail: ranks of a user are not 1, 2, 3 and so on
SELECT user_id FROM candidate GROUP BY user_id HAVING MIN(`rank`) != 1 OR MAX(`rank`) != COUNT(*);
