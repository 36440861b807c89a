headgate {
  state   = "../state"
  ballast = "1MiB"
}

connector "shop" {
  type = "files"
  dir  = "../in"

  resource "stock" {
    entity = entity.item
    glob   = "*.csv"
    settle = "0s"

    csv {
    }
  }
}

connector "out" {
  type = "files"
  dir  = "../out"

  retry {
    attempts = 1
  }

  resource "list" {
    entity = entity.item
    file   = "list-%Y%m%dT%H%M%S.csv"

    csv {
    }
  }
}

entity "item" {
  key   = [sku]
  owner = connector.shop

  field "sku" {
    type = string
  }
  field "qty" {
    type = int
  }
}

flow "list" {
  from = connector.shop.stock
  to   = connector.out.list
  mode = live

  every = "1s"

  guard {
    rejects = "100%"
  }
}
