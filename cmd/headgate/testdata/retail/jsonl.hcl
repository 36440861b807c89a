connector "erp" {
  type = "files"
  dir  = "../out"

  resource "lines" {
    entity = entity.line
    file   = "lines-%Y%m%dT%H%M%S.jsonl"

    jsonl {
    }

    write = {
      quantity = "quantity"
      price    = "price"
      amount   = "quantity * price"
    }
  }
}
