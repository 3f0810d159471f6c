-- name: customers_of_number
-- The customers that a number is bound to, oldest first.
SELECT c.id, c.name, c.surname, c.gender, c.tier
FROM customer_numbers AS n
JOIN customers AS c ON c.id = n.customer_id
WHERE n.number = $1
ORDER BY c.id
LIMIT $2;

-- name: add_customer
-- Add a customer; its new id.
INSERT INTO customers (name, surname, gender, tier)
VALUES ($1, $2, $3, $4)
RETURNING id;

-- name: bind_number
-- Bind a number to a customer; nothing changes when it already is.
INSERT INTO customer_numbers (number, customer_id)
VALUES ($1, $2)
ON CONFLICT DO NOTHING;

-- name: put_demo_customer
-- Add or restore one customer of the demo business under a fixed id.
INSERT INTO customers (id, name, gender, tier)
VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, gender = excluded.gender, tier = excluded.tier;

-- name: names_to_greet
-- The customers who joined last: whom to be ready to greet by name.
SELECT name, surname, gender
FROM customers
WHERE gender <> ''
ORDER BY id DESC
LIMIT $1;
