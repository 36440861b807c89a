# What moves where, in how small a batch, and when it stops by itself.

flow "orders" {
  from  = connector.shop.orders
  to    = connector.erp.orders
  mode  = live
  every = "100ms"

  batch {
    size  = 5
    pause = "5ms"
  }
  guard {
    rejects = "100%"
    creates = 1000000
  }
}

# The other way: the ERP's number and status go back to the shop.
flow "feedback" {
  from  = connector.erp.orders
  to    = connector.shop.feedback
  mode  = live
  every = "100ms"
}
