# What moves where, in how small a batch, and when it stops by itself.

flow "orders" {
  from = connector.shop.orders
  to   = connector.erp.orders
  mode = live

  # In life, "30s" or more; also whenever a file comes.
  every = "2s"

  # Once a day everything is read and compared again.
  sweep = "24h"

  batch {
    size = 10
  }
  guard {
    rejects = "70%"
    creates = 500
  }
}

# The other way: the ERP's number and status go back to the shop.
flow "feedback" {
  from = connector.erp.orders
  to   = connector.shop.feedback
  mode = live

  every = "2s"
}
