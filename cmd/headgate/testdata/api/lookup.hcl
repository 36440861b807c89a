connector "api" {
  type    = "http"
  url     = "http://api.invalid"
  timeout = "400ms"

  auth {
    bearer = env("API_TOKEN")
  }
  retry {
    attempts = 6
    backoff  = "1ms"
    max      = "50ms"
  }

  resource "orders" {
    entity    = entity.order
    id        = "row.id"
    reference = "external_id"

    find {
      path = "/orders/${id}"
    }
    find {
      path    = "/orders"
      query   = { external_id = "${reference}" }
      records = "data.items"
      lag     = "60ms"
    }
    create {
      path = "/orders"
      ok   = "status == 201 && body.id != nil"
    }
    update {
      path = "/orders/${id}"
    }
  }
}
