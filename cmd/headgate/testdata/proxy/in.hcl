# Lines of invoices into a table behind a bad network.

connector "erp" {
  type    = "postgres"
  dsn     = env("PROXY_TEST_DSN")
  timeout = "700ms"

  retry {
    attempts = 5
    backoff  = "1ms"
    max      = "20ms"
  }

  resource "lines" {
    entity = entity.line
    table  = "lines"

    write = {
      quantity = "quantity"
      price    = "price"
      amount   = "quantity * price"
    }
  }
}
