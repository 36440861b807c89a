# A table that is read through a bad network, into files.

headgate {
  state = "../state"
}

connector "erp" {
  type    = "postgres"
  dsn     = env("PROXY_TEST_DSN")
  timeout = "700ms"

  retry {
    attempts = 5
    backoff  = "1ms"
    max      = "20ms"
  }

  resource "items" {
    entity = entity.item
    table  = "items"
  }
}

connector "archive" {
  type = "files"
  dir  = "../out"

  resource "items" {
    entity = entity.item
    file   = "items-%Y%m%dT%H%M%S.jsonl"

    jsonl {
    }
  }
}

entity "item" {
  key   = [no]
  owner = connector.erp

  field "no" {
    type = int
  }
  field "text" {
    type = string
  }
}

flow "items" {
  from = connector.erp.items
  to   = connector.archive.items
  mode = live

  batch {
    size = 20
  }
}
