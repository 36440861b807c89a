# Orders of a shop, to an API that stores one twice when it is sent twice. How an
# unknown answer is settled is a file beside this one.

headgate {
  state = "../state"
}

connector "shop" {
  type = "files"
  dir  = "../in"

  resource "orders" {
    entity = entity.order
    glob   = "*.csv"
    settle = "0s"

    csv {
    }
  }
}

entity "order" {
  key   = [number]
  owner = connector.shop

  field "number" {
    type = string
  }
  field "total" {
    type  = decimal
    scale = 2
  }
}

flow "orders" {
  from  = connector.shop.orders
  to    = connector.api.orders
  mode  = live
  every = "1s"

  batch {
    size      = 10
    in_flight = 4
  }
}
