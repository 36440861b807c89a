# A shop that lays its orders down as files, and two systems beyond: both store an
# order twice when it is sent twice, and both fail as such systems do.

headgate {
  state = "../state"
}

connector "shop" {
  type = "files"
  dir  = "../shop"

  resource "orders" {
    entity = entity.order
    glob   = "orders-*.csv"
    settle = "0s"

    csv {
    }

    read = {
      order_no = "row.Order"
      customer = "row.Customer"
      total    = "row.Total"
    }
  }
}

# The ERP can be asked for an order by headgate's reference: no answer stays unknown.
connector "erp" {
  type    = "http"
  url     = "http://127.0.0.1:8471"
  timeout = "1s"

  auth {
    bearer = env("ERP_TOKEN")
  }
  retry {
    attempts = 5
    backoff  = "10ms"
  }

  resource "orders" {
    entity    = entity.order
    id        = "row.id"
    reference = "external_id"

    write = {
      number           = "order_no"
      "customer.email" = "customer"
      total            = "total"
    }

    find {
      path    = "/orders"
      query   = { external_id = "${reference}" }
      records = "data.items"
      lag     = "200ms"
    }
    create {
      path = "/orders"
      ok   = "status == 201 && body.id != nil"
    }
  }
}

# The carrier can be asked for nothing: what it did not answer, a person must find out.
connector "carrier" {
  type    = "http"
  url     = "http://127.0.0.1:8472"
  timeout = "1s"

  auth {
    bearer = env("CARRIER_TOKEN")
  }
  retry {
    attempts = 5
    backoff  = "10ms"
  }

  resource "parcels" {
    entity = entity.order
    id     = "row.id"

    write = {
      number    = "order_no"
      recipient = "customer"
      value     = "total"
    }

    create {
      path       = "/orders"
      ok         = "status == 201 && body.id != nil"
      on_unknown = doubt
    }
  }
}
