-- fail: a product appears twice, or a row has none
SELECT product_id FROM candidate GROUP BY product_id HAVING COUNT(*) > 1 OR product_id IS NULL;

-- fail: a row is of another date than the partition
SELECT * FROM candidate WHERE as_of IS NULL OR as_of != @as_of;

-- fail: a rate is none
SELECT * FROM candidate
WHERE
  NOT (
    repeat_rate BETWEEN 0 AND 1
    AND again_rate BETWEEN 0 AND 1
    AND average_repeat_rate BETWEEN 0 AND 1
    AND average_again_rate BETWEEN 0 AND 1
  )
  OR again_a_day <= 0
  OR trend <= 0;

-- warn: reorders has no rows of the date: run it first
SELECT 1 AS nothing FROM (SELECT COUNT(*) AS products FROM candidate) AS counted WHERE products = 0;
