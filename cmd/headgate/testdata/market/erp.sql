-- An ERP that numbers orders itself, refuses blocked articles, and would take an order twice.
PRAGMA journal_mode = wal;
CREATE TABLE customers (
  partner_id  INTEGER PRIMARY KEY,
  customer_no TEXT NOT NULL UNIQUE,
  name        TEXT NOT NULL
);
INSERT INTO customers VALUES (501, 'C-7', 'Anna Berg'), (502, 'C-8', 'Ben Cole'), (503, 'C-9', 'Jörg Weiß');

CREATE TABLE orders (
  doc_entry  INTEGER PRIMARY KEY,
  doc_no     TEXT,
  cust_ref   TEXT NOT NULL,
  ordered_on TEXT NOT NULL,
  customer   TEXT NOT NULL,
  partner_id INTEGER NOT NULL REFERENCES customers,
  sku        TEXT NOT NULL CHECK (sku <> '10500'),
  qty        INTEGER NOT NULL,
  price      NUMERIC NOT NULL,
  total      NUMERIC NOT NULL,
  email      TEXT,
  state      TEXT NOT NULL
);
CREATE TRIGGER number AFTER INSERT ON orders BEGIN
  UPDATE orders SET doc_no = 'SO-' || (24000 + NEW.doc_entry) WHERE doc_entry = NEW.doc_entry;
END;
CREATE INDEX by_cust_ref ON orders (cust_ref);
