-- How everyone buys a product again. One row per product someone bought in the 365 days up to as_of.
-- Look-back: the reorders of as_of, which hold it as inputs; the stream scores what is bought since with these rows.
WITH pairs AS (
  -- Not COUNTIF further down: with it the emulator loses columns that are records.
  SELECT
    product_id,
    IF(purchases > 1, 1, 0) AS repeated,
    IF(purchases > 1 AND days_since_last < 30, 1, 0) AS repeated_lately,
    reorders.inputs.repeat_rate_logit,
    reorders.inputs.product_again_logit,
    reorders.inputs.product_rate_log,
    reorders.inputs.trend_log
  FROM reorders
  WHERE as_of = @as_of
),

average AS (
  SELECT
    (SUM(repeated) + 1) / (COUNT(*) + 10) AS repeat_rate,
    (SUM(repeated_lately) + 1) / (SUM(repeated) + 2) AS again_rate
  FROM pairs
)

SELECT
  @as_of AS as_of,
  product_id,
  COUNT(*) AS buyers,
  SUM(repeated) AS repeat_buyers,
  1 / (1 + EXP(-MAX(repeat_rate_logit))) AS repeat_rate,
  1 / (1 + EXP(-MAX(product_again_logit))) AS again_rate,
  EXP(MAX(product_rate_log)) AS again_a_day,
  EXP(MAX(trend_log)) AS trend,
  MAX(average.repeat_rate) AS average_repeat_rate,
  MAX(average.again_rate) AS average_again_rate
FROM pairs
CROSS JOIN average
GROUP BY product_id
