# A shop that is logged in to by a refresh token which each answer replaces.

headgate {
  state = "../state"
}

connector "shop" {
  type    = "http"
  url     = "http://shop.invalid"
  timeout = "5s"

  auth {
    oauth2 {
      token_url     = "http://shop.invalid/token"
      client_id     = "headgate"
      client_secret = env("CLIENT_SECRET")
      refresh_token = env("FIRST_TOKEN")
    }
  }

  resource "orders" {
    entity = entity.order

    fetch {
      path    = "/orders"
      records = "items"
    }
  }
}

connector "disk" {
  type = "files"
  dir  = "../out"

  resource "orders" {
    entity = entity.order
    file   = "orders-%Y.csv"

    csv {
    }
  }
}

entity "order" {
  key = [no]

  field "no" {
    type = string
  }
  field "total" {
    type = decimal
  }
}

flow "orders" {
  from = connector.shop.orders
  to   = connector.disk.orders
  mode = live
}
