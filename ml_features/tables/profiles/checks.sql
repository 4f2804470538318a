-- fail: a user appears twice, or a row has none
SELECT user_id FROM candidate GROUP BY user_id HAVING COUNT(*) > 1 OR user_id IS NULL;

-- fail: a row is of another date than the partition, or knows of an order after it
SELECT * FROM candidate
WHERE as_of IS NULL OR as_of != @as_of OR last_order_at >= TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY));

-- fail: a count or a share is out of its range
SELECT * FROM candidate
WHERE orders < 0 OR searches < 0 OR clicks < 0 OR search_order_share < 0 OR search_order_share > 1;

-- fail: who has orders has no first order, no last order or no currency
SELECT * FROM candidate
WHERE orders > 0 AND (first_order_at IS NULL OR last_order_at IS NULL OR currency IS NULL);

-- warn: there is not one row
SELECT COUNT(*) AS row_count FROM candidate HAVING COUNT(*) = 0;
