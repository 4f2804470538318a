-- fail: a product appears twice on a day, or has no product_id
SELECT day, product_id FROM candidate GROUP BY day, product_id HAVING COUNT(*) > 1 OR product_id IS NULL;

-- fail: a row is of another day than those computed
SELECT * FROM candidate WHERE day IS NULL OR day < @first_day OR day > @as_of;

-- fail: there are orders without units, or revenue without a currency
SELECT * FROM candidate WHERE (orders > 0 AND NOT units > 0) OR (revenue IS NOT NULL AND currency IS NULL);
