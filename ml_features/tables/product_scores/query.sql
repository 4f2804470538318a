-- How well products stand in their categories. One row per product that may be recommended and has a category.
-- Look-back: product_popularity of as_of, and 28 days of product_days up to it. What a score means: docs/models.md.
WITH recent AS (
  SELECT
    product_id,
    SUM(views + clicks) AS views,
    SUM(cart_adds) AS cart_adds,
    SUM(orders) AS orders
  FROM product_days
  WHERE day BETWEEN DATE_SUB(@as_of, INTERVAL 27 DAY) AND @as_of
  GROUP BY product_id
),

compared AS (
  SELECT
    product_popularity.product_id,
    product_popularity.name,
    product_popularity.category,
    product_popularity.price,
    product_popularity.currency,
    product_popularity.rating,
    IF(product_popularity.rating IS NULL, 0, IFNULL(product_popularity.rating_count, 0)) AS rating_count,
    IFNULL(recent.views, 0) AS views,
    IFNULL(recent.cart_adds, 0) AS cart_adds,
    IFNULL(recent.orders, 0) AS orders
  FROM product_popularity
  LEFT JOIN recent ON product_popularity.product_id = recent.product_id
  WHERE product_popularity.as_of = @as_of AND product_popularity.available AND product_popularity.category IS NOT NULL
),

beside AS (
  SELECT
    compared.*,
    COUNT(*) OVER in_category AS category_products,
    COUNT(price) OVER (PARTITION BY category, currency) AS priced,
    PERCENTILE_CONT(price, 0.5) OVER (PARTITION BY category, currency) AS middle,
    -- Ratings count as often as they were given; a category nobody counts has a plain mean.
    IFNULL(
      SAFE_DIVIDE(SUM(rating * rating_count) OVER in_category, SUM(rating_count) OVER in_category),
      AVG(rating) OVER in_category
    ) AS usual_rating,
    SUM(views + cart_adds + orders) OVER in_category AS moved,
    (
      PERCENT_RANK() OVER (PARTITION BY category ORDER BY views)
      + PERCENT_RANK() OVER (PARTITION BY category ORDER BY cart_adds)
      + PERCENT_RANK() OVER (PARTITION BY category ORDER BY orders)
    ) / 3.0 AS standing
  FROM compared
  WINDOW in_category AS (PARTITION BY category)
),

scored AS (
  SELECT
    beside.*,
    IF(
      priced > 1 AND middle > 0 AND price IS NOT NULL AND currency IS NOT NULL,
      100 * IF(price <= middle, price / middle, GREATEST(0, 1 - 2 * (price - middle) / middle)),
      NULL
    ) AS price_score,
    IF(
      usual_rating IS NULL,
      NULL,
      20.0 * (10 * usual_rating + rating_count * IFNULL(rating, 0)) / (10 + rating_count)
    ) AS rating_score,
    IF(moved > 0 AND category_products > 1, 100.0 * standing, NULL) AS popularity_score
  FROM beside
),

counted AS (
  SELECT
    *,
    IF(price_score IS NULL, 0, 1) + IF(rating_score IS NULL, 0, 1) + IF(popularity_score IS NULL, 0, 1) AS known
  FROM scored
),

together AS (
  SELECT
    *,
    IF(
      known > 1,
      (IFNULL(price_score, 0) + IFNULL(rating_score, 0) + IFNULL(popularity_score, 0)) / known,
      NULL
    ) AS score
  FROM counted
)

SELECT
  @as_of AS as_of,
  product_id,
  name,
  category,
  category_products,
  price,
  currency,
  IF(priced > 1 AND currency IS NOT NULL, CAST(middle AS NUMERIC), NULL) AS median_price,
  CAST(price_score AS FLOAT64) AS price_score,
  rating,
  rating_count,
  rating_score,
  views,
  cart_adds,
  orders,
  popularity_score,
  score,
  IF(
    score IS NULL,
    NULL,
    ROW_NUMBER() OVER (PARTITION BY category ORDER BY score DESC NULLS LAST, product_id)
  ) AS category_rank
FROM together
