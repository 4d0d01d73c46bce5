CREATE TABLE orders (id int PRIMARY KEY, status varchar(20) CHECK (status IN ('new', 'paid')), age int CHECK (age BETWEEN 0 AND 9 AND age IS NOT NULL));
CREATE INDEX orders_open ON orders (age) WHERE status IN ('new', 'paid');
CREATE VIEW open_orders AS SELECT * FROM orders WHERE status IN ('new', 'paid');
INSERT INTO orders VALUES (1, 'new', 3), (2, 'paid', 4);
