connector "erp" {
  type = "postgres"
  dsn  = env("KILL_TEST_DSN")

  resource "lines" {
    entity    = entity.line
    table     = "lines"
    append    = true
    reference = "ref"

    write = {
      quantity = "quantity"
      price    = "price"
      amount   = "quantity * price"
    }
  }
}
