connector "erp" {
  type = "sqlite"
  path = "../erp.db"

  resource "lines" {
    entity = entity.line
    table  = "lines"
    append = true

    write = {
      quantity = "quantity"
      price    = "price"
      amount   = "quantity * price"
    }
  }
}
