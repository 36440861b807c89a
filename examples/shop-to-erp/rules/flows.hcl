# What moves where, in how small a batch, and when it stops by itself.

flow "orders" {
  from = connector.shop.orders
  to   = connector.erp.orders
  mode = live

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
}
