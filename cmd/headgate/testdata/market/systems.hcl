# The systems of examples/shop-to-erp, in a hurry: for the daemon that is killed.


headgate {
  state = "../state"
}

connector "shop" {
  type = "files"
  dir  = "../shop"
  zone = "Europe/Berlin"

  resource "orders" {
    entity = entity.order
    glob   = "orders-*.csv"
    settle = "0s"
    fields = [order_no, ordered_on, customer, sku, qty, price, total, status, email]

    csv {
      delimiter = ";"
      encoding  = "windows-1252"
      decimal   = ","
      tail      = ["kind", "count"]
    }

    # Entity field = expression over `row`, the record as the shop has it.
    read = {
      order_no   = "row['Order No']"
      ordered_on = "date(row.Date, '%d.%m.%Y')"
      customer   = "row['Customer No']"
      sku        = "row.SKU"
      qty        = "row.Qty"
      price      = "row.Price"
      total      = "row.Total"
      email      = "row['E-Mail']"
      status     = "'open'"
    }

    # An upload that broke off is not read at all.
    rule "all_rows_arrived" {
      check   = "tail.count == rows"
      message = "the trailer counts other rows than there are: the upload broke off"
    }
  }

  # What the shop is told: a feed it fetches.
  resource "feedback" {
    entity = entity.order
    file   = "feedback-%Y%m%dT%H%M%S.jsonl"
    fields = [order_no, erp_no, status]

    jsonl {
    }

    write = {
      "order.number" = "order_no"
      "order.erp_no" = "erp_no"
    }
  }
}

connector "erp" {
  type = "sqlite"
  path = "../erp.db"

  resource "orders" {
    entity = entity.order
    table  = "orders"

    # Made by the ERP, returned by the insert, kept.
    id = "row.doc_entry"

    read = {
      order_no = "row.cust_ref"
      erp_no   = "row.doc_no"
      status   = "lower(row.state)"
    }

    # The ERP's own name = expression over the entity's fields.
    write = {
      cust_ref   = "order_no"
      doc_no     = "erp_no"
      customer   = "customer"
      partner_id = "customers(customer).id"
      state      = "upper(status)"
    }
  }

  resource "customers" {
    entity = entity.customer
    table  = "customers"
    id     = "row.partner_id"
  }
}
