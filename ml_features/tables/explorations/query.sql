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

aged AS (
  SELECT
    *,
    (UNIX_MICROS(TIMESTAMP(DATE_ADD(@as_of, INTERVAL 1 DAY))) - UNIX_MICROS(ordered_at)) / 86400000000.0 AS age_days
  FROM bought
),

own AS (
  SELECT
    user_id,
    product_id,
    MAX(category) AS category,
    COUNT(*) AS purchases,
    SUM(POW(2, -age_days / 21.0)) AS recent,
    MAX(age_days) AS first_age_days
  FROM aged
  GROUP BY user_id, product_id
),

habits AS (
  -- How many products new to the user were added in the last 90 days, those of the first order left out.
  SELECT
    user_id,
    COUNTIF(first_age_days <= 90 AND first_age_days < known_days) AS new_products,
    LEAST(MAX(known_days), 90) AS days
  FROM (SELECT user_id, first_age_days, MAX(first_age_days) OVER (PARTITION BY user_id) AS known_days FROM own)
  GROUP BY user_id
),

usual AS (
  SELECT IFNULL(SUM(new_products) / SUM(days), 0.0) AS new_products_a_day FROM habits
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
  QUALIFY ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY SUM(amount) DESC, category) <= 10
),

users AS (
  -- The habit of who has been known for a short time is drawn to that of everyone, by thirty days of it.
  SELECT
    profiles.user_id,
    IFNULL(products, 0) AS products,
    30 * (IFNULL(new_products, 0) + 30 * new_products_a_day) / (IFNULL(days, 0) + 30) AS expected_new_products
  FROM profiles
  LEFT JOIN (SELECT DISTINCT user_id, products FROM held) AS counted ON profiles.user_id = counted.user_id
  LEFT JOIN habits ON profiles.user_id = habits.user_id
  CROSS JOIN usual
  WHERE profiles.as_of = @as_of
),

calibration AS (
  -- Most of what is new to a user is named by nobody's score. How much was bought of what was named thirty days ago says
  -- how much; a tenth where nothing was named.
  SELECT
    LEAST((IFNULL(SUM(IF(own.first_age_days < 30, 1, 0)), 0) + 10) / (IFNULL(SUM(1 - EXP(-rate)), 0) + 100), 0.99)
      AS caught
  FROM explorations
  LEFT JOIN own ON explorations.user_id = own.user_id AND explorations.product_id = own.product_id
  WHERE explorations.as_of = DATE_SUB(@as_of, INTERVAL 30 DAY)
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
    IF(
      goes_with > 0, 0.15 * goes_with / SUM(goes_with) OVER (PARTITION BY considered.user_id), 0.0
    ) AS goes_with,
    IF(
      same_buyers > 0, 0.5 * same_buyers / SUM(same_buyers) OVER (PARTITION BY considered.user_id), 0.0
    ) AS same_buyers,
    IFNULL(interests.share * shelf.category_share, 0.0) / (1 + users.products) AS in_category,
    reasons.because_product_id,
    reasons.orders AS together_orders,
    reasons.users AS together_users,
    users.products,
    users.expected_new_products
  FROM considered
  INNER JOIN users ON considered.user_id = users.user_id
  INNER JOIN shelf ON considered.product_id = shelf.product_id
  LEFT JOIN own ON considered.user_id = own.user_id AND considered.product_id = own.product_id
  LEFT JOIN pulled ON considered.user_id = pulled.user_id AND considered.product_id = pulled.product_id
  LEFT JOIN reasons ON considered.user_id = reasons.user_id AND considered.product_id = reasons.product_id
  LEFT JOIN interests ON considered.user_id = interests.user_id AND shelf.category = interests.category
  WHERE own.product_id IS NULL
),

scored AS (
  SELECT
    *,
    popular + goes_with + same_buyers + in_category AS score,
    GREATEST(popular, goes_with, same_buyers, in_category) AS greatest_part,
    -- What all products' scores add up to: what is popular 1, the parts of the user's products what they are.
    1 + SUM(goes_with) OVER (PARTITION BY user_id) + SUM(same_buyers) OVER (PARTITION BY user_id) + 1 / (1 + products)
      AS whole
  FROM parts
),

placed AS (
  SELECT
    *,
    expected_new_products * score / whole AS rate,
    ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY score DESC, product_id) AS place
  FROM scored
)

SELECT
  @as_of AS as_of,
  user_id,
  product_id,
  category,
  place AS `rank`,
  score,
  rate,
  caught * (1 - EXP(-rate)) AS probability,
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
CROSS JOIN calibration
WHERE place <= 30
