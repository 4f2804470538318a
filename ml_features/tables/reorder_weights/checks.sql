-- fail: a weight is missing or not a finite number
SELECT * FROM candidate WHERE weight IS NULL OR IS_NAN(weight) OR IS_INF(weight);

-- fail: a feature has two weights
SELECT feature FROM candidate GROUP BY feature HAVING COUNT(*) > 1;

-- fail: there are not eleven weights: the ten inputs and the intercept
SELECT COUNT(*) AS row_count FROM candidate HAVING COUNT(*) != 11;

-- fail: the fit saw what happened after the partition's date
SELECT * FROM candidate WHERE as_of IS NULL OR as_of != @as_of OR fitted_to > @as_of;

-- warn: these are the default weights: reorders of 30 to 60 days before are missing or too few
SELECT * FROM candidate WHERE fitted_pairs = 0;
