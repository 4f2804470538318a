-- fail: a pair appears twice, lacks a product, or is of one product
SELECT product_id, other_product_id FROM candidate
GROUP BY product_id, other_product_id
HAVING COUNT(*) > 1 OR product_id IS NULL OR other_product_id IS NULL OR product_id = other_product_id;

-- fail: a row is of another date than the partition
SELECT * FROM candidate WHERE as_of IS NULL OR as_of != @as_of;

-- fail: a pair is told that fewer than three users bought
SELECT * FROM candidate WHERE users IS NULL OR users < 3;

-- fail: an affinity is not between 0 and 1
SELECT * FROM candidate
WHERE NOT COALESCE(order_affinity BETWEEN 0 AND 1, FALSE) OR NOT COALESCE(buyer_affinity BETWEEN 0 AND 1, FALSE);

-- warn: nothing goes with anything
SELECT COUNT(*) AS row_count FROM candidate HAVING COUNT(*) = 0;
