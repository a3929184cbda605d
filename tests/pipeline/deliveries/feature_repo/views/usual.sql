SELECT
  depot_id,
  add_months(date_trunc('MONTH', ordered_at), 1) AS known_at,
  percentile(distance_km, 0.5) AS median_km
FROM deliveries
GROUP BY depot_id, date_trunc('MONTH', ordered_at)
