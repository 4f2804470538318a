-- fail: a weight is missing or not a finite number
SELECT * FROM candidate WHERE weight IS NULL OR IS_NAN(weight) OR IS_INF(weight);

-- fail: a feature has two weights of one horizon
SELECT feature FROM candidate GROUP BY feature, horizon_days HAVING COUNT(*) > 1;

-- fail: there are not 27 weights of each horizon, 7 and 30 days: the 26 inputs and the intercept
SELECT horizon_days FROM candidate GROUP BY horizon_days HAVING COUNT(*) != 27 OR horizon_days NOT IN (7, 30);

-- fail: the fit saw what happened after the partition's date
SELECT * FROM candidate WHERE as_of IS NULL OR as_of != @as_of OR fitted_to > @as_of;

-- warn: these are the default weights: reorders of 30 to 60 days before are missing or too few
SELECT * FROM candidate WHERE fitted_pairs = 0;
