-- fail: a row has no user, no product, no order or no time
SELECT * FROM candidate
WHERE user_id IS NULL OR product_id IS NULL OR order_id IS NULL OR ordered_at IS NULL OR known_at IS NULL;

-- fail: a row is of another day than those computed
SELECT * FROM candidate WHERE received_on IS NULL OR received_on < @first_day OR received_on > @as_of;

-- fail: a quantity is not positive or a price is negative
SELECT * FROM candidate WHERE NOT (quantity > 0 AND unit_price >= 0);

-- warn: an order was placed by two users
SELECT order_id FROM candidate WHERE status = 'placed' GROUP BY order_id HAVING COUNT(DISTINCT user_id) > 1;
