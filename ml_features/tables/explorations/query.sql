-- What each user of profiles may try, the best first: at most 30 available products the user has not bought.
-- Look-back: 365 days of purchases and 60 of views, clicks, favourites and cart adds, up to the end of as_of (UTC),
-- and of that only what was known by then. Affinities and popularity are those of the date.
-- Left out: users who do not allow personalization.
WITH bought AS (
  SELECT
    purchases.user_id,
    product_id,
    order_id,
    MIN(IF(status = 'placed', ordered_at, NULL)) AS ordered_at,
    MAX(category) AS category
  FROM purchases
  LEFT JOIN consent_states
    ON purchases.user_id = consent_states.user_id AND consent_states.purpose = 'personalization'
  WHERE
    known_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND ordered_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND ordered_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 364 DAY))
    AND purchases.received_on >= DATE_SUB(@as_of, INTERVAL 365 DAY) -- reads fewer partitions; clocks may be a day ahead
    AND IFNULL(consent_states.granted, @allowed_otherwise)
  GROUP BY purchases.user_id, product_id, order_id
  HAVING SUM(IF(status = 'placed', quantity, -quantity)) > 0
),

own AS (
  SELECT
    user_id,
    product_id,
    MAX(category) AS category,
    COUNT(*) AS purchases,
    SUM(POW(2, -(UNIX_MICROS(TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))) - UNIX_MICROS(ordered_at)) / 86400000000.0 / 21.0)) AS recent
  FROM bought
  GROUP BY user_id, product_id
),

held AS (
  SELECT
    *,
    COUNT(*) OVER (PARTITION BY user_id) AS products,
    ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY recent DESC, product_id) AS place
  FROM own
),

pulls AS (
  SELECT
    held.user_id,
    other_product_id AS product_id,
    held.product_id AS because_product_id,
    orders,
    users,
    recent * order_affinity AS goes_with,
    recent * buyer_affinity AS same_buyers
  FROM held
  INNER JOIN (SELECT * FROM product_affinities WHERE as_of = @as_of) AS affinities
    ON held.product_id = affinities.product_id
  WHERE place <= 30
),

pulled AS (
  SELECT user_id, product_id, SUM(goes_with) AS goes_with, SUM(same_buyers) AS same_buyers
  FROM pulls
  GROUP BY user_id, product_id
),

reasons AS (
  SELECT user_id, product_id, because_product_id, orders, users
  FROM pulls
  WHERE TRUE
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY user_id, product_id ORDER BY goes_with + same_buyers DESC, because_product_id
    ) = 1
),

shelf AS (
  SELECT product_id, category, buyers, share, category_share, `rank` AS place, category_rank
  FROM product_popularity
  WHERE as_of = @as_of AND available
),

looked AS (
  SELECT interactions.user_id, shelf.category, COUNT(*) AS looks
  FROM interactions
  INNER JOIN shelf ON interactions.product_id = shelf.product_id
  LEFT JOIN consent_states
    ON interactions.user_id = consent_states.user_id AND consent_states.purpose = 'personalization'
  WHERE
    interactions.received_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 60 DAY))
    AND interactions.action IN ('view', 'click', 'favourite', 'cart_add')
    AND interactions.traffic IS NULL
    AND interactions.user_id IS NOT NULL
    AND shelf.category IS NOT NULL
    AND IF(interactions.imported, interactions.occurred_at, interactions.received_at)
    < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND interactions.occurred_at < TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))
    AND interactions.occurred_at >= TIMESTAMP(DATE_SUB(@as_of, INTERVAL 59 DAY))
    AND IFNULL(consent_states.granted, @allowed_otherwise)
  GROUP BY interactions.user_id, shelf.category
),

interests AS (
  SELECT user_id, category, SUM(amount) / SUM(SUM(amount)) OVER (PARTITION BY user_id) AS share
  FROM (
    SELECT user_id, category, purchases AS amount FROM own WHERE category IS NOT NULL
    UNION ALL
    SELECT user_id, category, looks AS amount FROM looked
  )
  GROUP BY user_id, category
),

users AS (
  SELECT profiles.user_id, IFNULL(MAX(held.products), 0) AS products
  FROM profiles
  LEFT JOIN held ON profiles.user_id = held.user_id
  WHERE profiles.as_of = @as_of
  GROUP BY profiles.user_id
),

considered AS (
  SELECT user_id, product_id FROM pulled
  UNION DISTINCT
  SELECT interests.user_id, shelf.product_id
  FROM interests
  INNER JOIN shelf ON interests.category = shelf.category
  WHERE shelf.category_rank <= 20
  UNION DISTINCT
  SELECT users.user_id, shelf.product_id FROM users CROSS JOIN shelf WHERE shelf.place <= 50
),

parts AS (
  SELECT
    considered.user_id,
    considered.product_id,
    shelf.category,
    shelf.buyers,
    shelf.share AS popular,
    IFNULL(0.5 * goes_with / SUM(goes_with) OVER (PARTITION BY considered.user_id), 0.0) AS goes_with,
    IFNULL(0.5 * same_buyers / SUM(same_buyers) OVER (PARTITION BY considered.user_id), 0.0) AS same_buyers,
    IFNULL(interests.share * shelf.category_share, 0.0) / (1 + users.products) AS in_category,
    reasons.because_product_id,
    reasons.orders AS together_orders,
    reasons.users AS together_users
  FROM considered
  INNER JOIN users ON considered.user_id = users.user_id
  INNER JOIN shelf ON considered.product_id = shelf.product_id
  LEFT JOIN own ON considered.user_id = own.user_id AND considered.product_id = own.product_id
  LEFT JOIN pulled ON considered.user_id = pulled.user_id AND considered.product_id = pulled.product_id
  LEFT JOIN reasons ON considered.user_id = reasons.user_id AND considered.product_id = reasons.product_id
  LEFT JOIN interests ON considered.user_id = interests.user_id AND shelf.category = interests.category
  WHERE own.product_id IS NULL
),

placed AS (
  SELECT
    *,
    popular + goes_with + same_buyers + in_category AS score,
    ROW_NUMBER() OVER (
      PARTITION BY user_id ORDER BY popular + goes_with + same_buyers + in_category DESC, product_id
    ) AS place,
    GREATEST(popular, goes_with, same_buyers, in_category) AS greatest_part
  FROM parts
)

SELECT
  @as_of AS as_of,
  user_id,
  product_id,
  category,
  place AS `rank`,
  score,
  popular,
  goes_with,
  same_buyers,
  in_category,
  CASE greatest_part
    WHEN in_category THEN 'in_category'
    WHEN same_buyers THEN 'same_buyers'
    WHEN goes_with THEN 'goes_with'
    ELSE 'popular'
  END AS source,
  because_product_id,
  together_orders,
  together_users,
  buyers
FROM placed
WHERE place <= 30
