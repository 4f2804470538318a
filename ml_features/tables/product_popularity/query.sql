-- What sells, and what the catalogue says of it. One row per product in the catalogue or bought in the look-back.
-- Look-back: 60 days of purchases and 90 of the catalogue's events, up to the end of as_of (UTC), and of that only what
-- was known by then; what the catalogue said longer ago is taken over from the latest date computed in the seven days
-- before, for a product that left is not to come back when the event that said so expires.
-- Left out: purchases of users who do not allow personalization.
WITH bought AS (
  SELECT
    purchases.user_id,
    product_id,
    order_id,
    MIN(IF(status = 'placed', ordered_at, NULL)) AS ordered_at,
    MAX(category) AS category,
    MAX(brand) AS brand
  FROM purchases
  LEFT JOIN consent_states
    ON purchases.user_id = consent_states.user_id AND consent_states.purpose = 'personalization'
  WHERE
    known_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND ordered_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND ordered_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 59 DAY))
    AND purchases.received_on >= DATE_SUB(@as_of, INTERVAL 60 DAY) -- reads fewer partitions; clocks may be a day ahead
    AND IFNULL(consent_states.granted, @allowed_otherwise)
  GROUP BY purchases.user_id, product_id, order_id
  HAVING SUM(IF(status = 'placed', quantity, -quantity)) > 0
),

aged AS (
  SELECT
    *,
    (UNIX_MICROS(TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))) - UNIX_MICROS(ordered_at)) / 86400000000.0 AS age_days
  FROM bought
),

sold AS (
  SELECT
    product_id,
    MAX_BY(category, IF(category IS NULL, NULL, ordered_at)) AS category,
    MAX_BY(brand, IF(brand IS NULL, NULL, ordered_at)) AS brand,
    COUNT(DISTINCT IF(age_days <= 28, user_id, NULL)) AS buyers,
    COUNT(DISTINCT IF(age_days <= 28, order_id, NULL)) AS orders,
    SUM(POW(2, -age_days / 10.0)) AS recent
  FROM aged
  GROUP BY product_id
),

said AS (
  SELECT
    product_id,
    name,
    category[SAFE_OFFSET(ARRAY_LENGTH(category) - 1)] AS category,
    brand,
    price,
    currency,
    rating,
    rating_count,
    availability,
    occurred_at AS listed_at
  FROM products
  WHERE
    received_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 90 DAY))
    AND IF(imported, occurred_at, received_at) < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND occurred_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
  UNION ALL
  SELECT product_id, name, category, brand, price, currency, rating, rating_count, availability, listed_at
  FROM product_popularity
  WHERE
    as_of BETWEEN DATE_SUB(@as_of, INTERVAL 7 DAY) AND DATE_SUB(@as_of, INTERVAL 1 DAY)
    AND listed_at IS NOT NULL
),

listed AS (
  SELECT *
  FROM said
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY product_id ORDER BY listed_at DESC, availability, name, price) = 1
),

known AS (
  SELECT
    IFNULL(listed.product_id, sold.product_id) AS product_id,
    listed.name,
    IFNULL(sold.category, listed.category) AS category,
    IFNULL(listed.brand, sold.brand) AS brand,
    listed.price,
    listed.currency,
    listed.rating,
    listed.rating_count,
    listed.availability,
    listed.listed_at,
    IFNULL(listed.availability NOT IN ('out_of_stock', 'discontinued'), TRUE) AS available,
    IFNULL(sold.buyers, 0) AS buyers,
    IFNULL(sold.orders, 0) AS orders,
    IFNULL(sold.recent, 0) AS recent
  FROM listed
  FULL OUTER JOIN sold ON listed.product_id = sold.product_id
),

shares AS (
  SELECT
    *,
    IF(recent > 0, recent / SUM(recent) OVER (), 0) AS share,
    IF(recent > 0 AND category IS NOT NULL, recent / SUM(recent) OVER (PARTITION BY category), 0) AS category_share,
    available AND recent > 0 AS ranked
  FROM known
)

SELECT
  @as_of AS as_of,
  product_id,
  name,
  category,
  brand,
  price,
  currency,
  rating,
  rating_count,
  availability,
  listed_at,
  available,
  buyers,
  orders,
  share,
  category_share,
  IF(ranked, ROW_NUMBER() OVER (PARTITION BY ranked ORDER BY share DESC, product_id), NULL) AS `rank`,
  IF(
    ranked AND category IS NOT NULL,
    ROW_NUMBER() OVER (PARTITION BY ranked, category ORDER BY share DESC, product_id),
    NULL
  ) AS category_rank
FROM shares
