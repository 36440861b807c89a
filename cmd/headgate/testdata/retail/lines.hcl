# Lines of invoices, as dirty as a shop's are. Each destination is a file beside this one.

headgate {
  state = "../state"
}

connector "shop" {
  type = "files"
  dir  = "../in"

  resource "lines" {
    entity = entity.line
    glob   = "*.csv"
    settle = "0s"

    csv {
    }

    read = {
      invoice     = "row.InvoiceNo"
      stock_code  = "row.StockCode"
      description = "coalesce(row.Description, '')"
      quantity    = "row.Quantity"
      invoiced_at = "row.InvoiceDate"
      price       = "row.UnitPrice"
      customer    = "coalesce(row.CustomerID, '')"
    }
  }
}

entity "line" {
  # A line is the same line only if all its columns are.
  key   = [invoice, stock_code, description, quantity, invoiced_at, price, customer]
  owner = connector.shop

  field "invoice" {
    type = string
  }
  field "stock_code" {
    type = string
  }
  field "description" {
    type = string
  }
  field "quantity" {
    type = int
  }
  field "invoiced_at" {
    type = time
  }
  field "price" {
    type = decimal
  }
  field "customer" {
    type = string
  }

  rule "customer_present" {
    check = "customer != ''"
  }
  rule "not_a_cancellation" {
    check = "not (invoice startsWith 'C')"
  }
  rule "quantity_positive" {
    check = "quantity > 0"
  }
  rule "price_positive" {
    check = "price > 0"
  }
  rule "code_of_an_item" {
    check = "stock_code matches '^[0-9]{5}[A-Za-z]*$'"
  }
}

flow "lines" {
  from = connector.shop.lines
  to   = connector.erp.lines
  mode = live

  batch {
    size = 20
  }
  guard {
    rejects = "100%"
  }
}
