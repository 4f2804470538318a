-- fail: a probability is missing or not between 0 and 1 (no weights? run reorder_weights first)
SELECT * FROM candidate WHERE probability IS NULL OR NOT (probability >= 0 AND probability <= 1);

-- fail: a row has no user or no product
SELECT * FROM candidate WHERE user_id IS NULL OR product_id IS NULL;

-- fail: a user and product appear twice
SELECT user_id, product_id FROM candidate GROUP BY user_id, product_id HAVING COUNT(*) > 1;

-- fail: a row is of another date than the partition, or knows of a purchase after it
SELECT * FROM candidate
WHERE as_of IS NULL OR as_of != @as_of OR last_purchased_at >= TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY));

-- fail: the ranks of a user are not 1, 2, 3 and so on
SELECT user_id FROM candidate GROUP BY user_id HAVING MAX(`rank`) != COUNT(*) OR MIN(`rank`) != 1;

-- warn: there is not one row
SELECT COUNT(*) AS row_count FROM candidate HAVING COUNT(*) = 0;
