# What an order is, who owns what, and what must hold.

entity "customer" {
  key   = [customer_no]
  owner = connector.erp

  field "customer_no" {
    type = string
  }
}

entity "order" {
  key = [order_no]

  # The owner of every field that names no other.
  owner = connector.shop

  field "order_no" {
    type = string
  }
  field "erp_no" {
    type     = string
    owner    = connector.erp
    optional = true
  }
  field "ordered_on" {
    type = date
  }
  field "customer" {
    type = string
  }
  field "sku" {
    type    = string
    pattern = "^[0-9]{5}(-[A-Z]+)?$"
  }
  field "qty" {
    type = int
    min  = 1
  }
  field "price" {
    type  = decimal
    scale = 2
  }
  field "total" {
    type  = decimal
    scale = 2
  }
  field "status" {
    type   = string
    owner  = connector.erp
    one_of = ["open", "paid", "shipped", "cancelled"]
  }
  field "email" {
    type      = string
    optional  = true
    sensitive = true
  }

  rule "total_is_qty_times_price" {
    check   = "total == round(qty * price, 2)"
    message = "order ${order_no}: total ${total} is not ${qty} × ${price}"
  }

  rule "known_customer" {
    check   = "customers(customer) != nil"
    on_fail = hold
    within  = "2d"
    message = "customer ${customer} is not in the ERP yet"
  }

  rule "large_order" {
    check   = "total <= 10000"
    on_fail = hold
    release = ["sales"]
    message = "order ${order_no} over 10000 needs approval"
  }
}

lookup "customers" {
  from    = connector.erp.customers
  key     = [customer_no]
  refresh = "100ms"
}
