-- fail: a probability is missing or not between 0 and 1 (no weights? run reorder_weights first)
SELECT * FROM candidate WHERE probability IS NULL OR NOT (probability >= 0 AND probability <= 1);

-- fail: the chance within 7 days is missing or not between 0 and 1 (no weights of 7 days? run reorder_weights first)
SELECT * FROM candidate WHERE probability_7_days IS NULL OR NOT (probability_7_days >= 0 AND probability_7_days <= 1);

-- fail: the next purchase is expected late before it is expected early, or before as_of
SELECT * FROM candidate
WHERE next_in_days_early < 0 OR next_in_days_early > next_in_days_middle OR next_in_days_middle > next_in_days_late;

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

-- warn: buying within 7 days is said to be likelier than within 30 for more than one row in a hundred
SELECT COUNT(*) AS row_count FROM candidate HAVING COUNTIF(probability_7_days > probability) > COUNT(*) / 100;
