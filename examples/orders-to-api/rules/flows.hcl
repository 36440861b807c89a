flow "orders" {
  from   = connector.shop.orders
  to     = connector.erp.orders
  mode   = live
  update = false
}

flow "parcels" {
  from   = connector.shop.orders
  to     = connector.carrier.parcels
  mode   = live
  update = false
}
