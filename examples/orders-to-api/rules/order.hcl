entity "order" {
  key   = [order_no]
  owner = connector.shop

  field "order_no" {
    type    = string
    pattern = "^A-[0-9]{4}$"
  }
  field "customer" {
    type      = string
    sensitive = true
  }
  field "total" {
    type  = decimal
    scale = 2
    min   = 0
  }
}
