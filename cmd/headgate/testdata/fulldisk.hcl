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

  resource "list" {
    entity = entity.item
    file   = "list-%Y%m%dT%H%M%S.csv"

    csv {
    }
  }
}

connector "elsewhere" {
  type = "files"
  dir  = "../elsewhere"

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

flow "stock" {
  from  = connector.shop.stock
  to    = connector.out.list
  mode  = live
  every = "1s"

  batch {
    size = 1000
  }
  guard {
    rejects = "100%"
  }
}

flow "copy" {
  from  = connector.shop.stock
  to    = connector.elsewhere.list
  mode  = live
  every = "1s"

  batch {
    size = 1000
  }
  guard {
    rejects = "100%"
  }
}
