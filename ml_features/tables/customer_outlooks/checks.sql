-- fail: a user appears twice, or a row has none
SELECT user_id FROM candidate GROUP BY user_id HAVING COUNT(*) > 1 OR user_id IS NULL;

-- fail: a row is of another date than the partition
SELECT * FROM candidate WHERE as_of IS NULL OR as_of != @as_of;

-- fail: a probability is none, or a count is negative
SELECT * FROM candidate
WHERE
  NOT (return_probability BETWEEN 0 AND 1 AND alive_probability BETWEEN 0 AND 1)
  OR expected_order_days < 0
  OR median_order_days < 0;

-- warn: nobody has an outlook: too few customers bought, or none of them again
SELECT 1 AS nobody FROM (SELECT COUNT(*) AS outlooks FROM candidate) AS counted WHERE outlooks = 0;
