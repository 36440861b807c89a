# The ruleset's own tests: headgate test.

test "a good order is created, with the ERP's own partner" {
  flow = flow.orders

  record = {
    order_no = "A-1"
    customer = "C-7"
    qty      = 2
    price    = "12.50"
    total    = "25.00"
  }

  lookups = {
    customers = [{ customer_no = "C-7" }]
  }

  expect {
    outcome = created
    write   = { total = "25.00" }
  }
}

test "a total that is not the product is rejected" {
  flow = flow.orders

  record = {
    order_no = "A-1"
    customer = "C-7"
    qty      = 2
    price    = "12.50"
    total    = "25.01"
  }

  lookups = {
    customers = [{ customer_no = "C-7" }]
  }

  expect {
    outcome = rejected
    rule    = total_is_qty_times_price
  }
}

test "an unknown customer is held" {
  flow = flow.orders

  row = {
    "Order No"    = "A-1"
    Date          = "02.11.2026"
    "Customer No" = "C-99"
    SKU           = "10100"
    Qty           = "1"
    Price         = "12,50"
    Total         = "12,50"
  }

  lookups = {
    customers = []
  }

  expect {
    outcome = held
    rule    = known_customer
  }
}
