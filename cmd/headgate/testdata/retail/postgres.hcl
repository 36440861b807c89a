connector "erp" {
  type = "postgres"
  dsn  = env("KILL_TEST_DSN")

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
