-- fail: a product appears twice for a query
SELECT product_id, query FROM candidate GROUP BY product_id, query HAVING COUNT(*) > 1;

-- fail: a row is of another date than the partition
SELECT * FROM candidate WHERE as_of IS NULL OR as_of != @as_of;
