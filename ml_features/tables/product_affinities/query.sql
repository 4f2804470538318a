-- Which products go together, the best first. One row per product and other product, up to 50 a product.
-- Look-back: 180 days up to the end of as_of (UTC), and of that only what was known by then.
-- Left out: users who do not allow personalization; orders of more than 100 products; pairs of fewer than three users.
WITH bought AS (
  SELECT
    purchases.user_id,
    product_id,
    order_id,
    MIN(IF(status = 'placed', ordered_at, NULL)) AS ordered_at
  FROM purchases
  LEFT JOIN consent_states
    ON purchases.user_id = consent_states.user_id AND consent_states.purpose = 'personalization'
  WHERE
    known_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND ordered_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND ordered_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 179 DAY))
    AND purchases.received_on >= DATE_SUB(@as_of, INTERVAL 180 DAY) -- reads fewer partitions; clocks may be a day ahead
    AND IFNULL(consent_states.granted, @allowed_otherwise)
  GROUP BY purchases.user_id, product_id, order_id
  HAVING SUM(IF(status = 'placed', quantity, -quantity)) > 0
),

baskets AS (
  SELECT product_id, order_id, user_id
  FROM bought
  WHERE TRUE
  QUALIFY COUNT(*) OVER (PARTITION BY user_id, order_id) <= 100
),

held AS (
  SELECT user_id, product_id
  FROM bought
  GROUP BY user_id, product_id
  QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY COUNT(*) DESC, MAX(ordered_at) DESC, product_id) <= 60
),

order_counts AS (
  SELECT product_id, COUNT(*) AS orders FROM baskets GROUP BY product_id
),

user_counts AS (
  SELECT product_id, COUNT(*) AS users FROM held GROUP BY product_id
),

order_pairs AS (
  SELECT one.product_id, other.product_id AS other_product_id, COUNT(*) AS orders
  FROM baskets AS one
  INNER JOIN baskets AS other
    ON one.user_id = other.user_id AND one.order_id = other.order_id AND one.product_id < other.product_id
  GROUP BY one.product_id, other.product_id
),

user_pairs AS (
  SELECT one.product_id, other.product_id AS other_product_id, COUNT(*) AS users
  FROM held AS one
  INNER JOIN held AS other ON one.user_id = other.user_id AND one.product_id < other.product_id
  GROUP BY one.product_id, other.product_id
  HAVING COUNT(*) >= 3
),

pairs AS (
  SELECT
    user_pairs.product_id,
    user_pairs.other_product_id,
    IFNULL(order_pairs.orders, 0) AS orders,
    user_pairs.users,
    IFNULL(order_pairs.orders / SQRT((orders_one.orders + 3) * (orders_other.orders + 3)), 0.0) AS order_affinity,
    user_pairs.users / SQRT((users_one.users + 3) * (users_other.users + 3)) AS buyer_affinity
  FROM user_pairs
  LEFT JOIN order_pairs
    ON user_pairs.product_id = order_pairs.product_id AND user_pairs.other_product_id = order_pairs.other_product_id
  LEFT JOIN order_counts AS orders_one ON user_pairs.product_id = orders_one.product_id
  LEFT JOIN order_counts AS orders_other ON user_pairs.other_product_id = orders_other.product_id
  INNER JOIN user_counts AS users_one ON user_pairs.product_id = users_one.product_id
  INNER JOIN user_counts AS users_other ON user_pairs.other_product_id = users_other.product_id
),

both_ways AS (
  SELECT product_id, other_product_id, orders, users, order_affinity, buyer_affinity FROM pairs
  UNION ALL
  SELECT other_product_id, product_id, orders, users, order_affinity, buyer_affinity FROM pairs
),

placed AS (
  SELECT
    *,
    ROW_NUMBER() OVER (
      PARTITION BY product_id ORDER BY order_affinity + buyer_affinity DESC, other_product_id
    ) AS place
  FROM both_ways
)

SELECT
  @as_of AS as_of,
  product_id,
  other_product_id,
  place AS `rank`,
  orders,
  users,
  order_affinity,
  buyer_affinity
FROM placed
WHERE place <= 50
