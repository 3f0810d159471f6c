-- name: latest_order
-- The order that a customer placed last.
SELECT product, status, placed_at, expected_on
FROM orders
WHERE customer_id = $1
ORDER BY placed_at DESC, id DESC
LIMIT 1;

-- name: put_demo_order
-- Add or refresh one order of the demo business under a fixed id, its times relative to now.
INSERT INTO orders (id, customer_id, product, status, placed_at, expected_on)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET
    product = excluded.product, status = excluded.status,
    placed_at = excluded.placed_at, expected_on = excluded.expected_on;
