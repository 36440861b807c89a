# Systems whose secrets, and records whose sensitive fields, must appear nowhere.

headgate {
  state = "../state"
}

connector "hr" {
  type = "files"
  dir  = "../in"

  resource "people" {
    entity = entity.person
    glob   = "people*.csv"
    settle = "0s"

    csv {
    }
  }
  resource "stuck" {
    entity = entity.person
    glob   = "stuck.csv"
    settle = "0s"

    csv {
    }
  }
  resource "clients" {
    entity = entity.person
    glob   = "clients.csv"
    settle = "0s"

    csv {
    }
  }
  resource "cards" {
    entity = entity.card
    file   = "cards-%Y.jsonl"

    jsonl {
    }
  }
}

connector "erp" {
  type = "postgres"
  dsn  = env("ERP_DSN")

  retry {
    attempts = 2
    backoff  = "1ms"
  }

  resource "people" {
    entity = entity.person
    table  = "people"
  }
  resource "cards" {
    entity = entity.card
    table  = "cards"
  }
}

# It stops with an error that names what it was given.
connector "legacy" {
  type = "postgres"
  dsn  = env("ERP_DSN")

  retry {
    attempts = 2
    backoff  = "1ms"
  }

  resource "stuck" {
    entity = entity.person
    table  = "stuck"
  }
}

# It says back what it was told, who told it too, and breaks off.
connector "crm" {
  type    = "http"
  url     = "http://crm.invalid"
  timeout = "1s"

  auth {
    bearer = env("CRM_TOKEN")
  }
  retry {
    attempts = 9
    backoff  = "1ms"
  }

  resource "clients" {
    entity    = entity.person
    id        = "row.id"
    reference = "ref"

    create {
      path       = "/clients"
      query      = { code = "${pin}" }
      headers    = { X-Age = "${age}" }
      on_unknown = doubt
    }
  }
}

# Nobody listens there.
connector "down" {
  type     = "postgres"
  host     = "127.0.0.1"
  port     = 1
  user     = "headgate"
  database = "x"
  password = file("/run/secrets/password")

  retry {
    attempts = 2
    backoff  = "1ms"
  }

  resource "people" {
    entity = entity.person
    table  = "people"
  }
}

# It lets nobody in.
connector "denied" {
  type = "postgres"
  dsn  = credential("denied")

  resource "people" {
    entity = entity.person
    table  = "people"
  }
}

# That is no connection string.
connector "garbled" {
  type = "postgres"
  dsn  = env("GARBLED_DSN")

  resource "people" {
    entity = entity.person
    table  = "people"
  }
}

entity "person" {
  key   = [no]
  owner = connector.hr

  field "no" {
    type = string
  }
  field "pin" {
    type       = string
    max_length = 40
    sensitive  = true
  }
  field "age" {
    type      = int
    sensitive = true
  }

  rule "adult" {
    check   = "age >= 18"
    message = "${no} with ${pin} is ${age}"
  }
  rule "approved" {
    when    = "no startsWith 'hold'"
    check   = "pin == ''"
    message = "${pin} waits"
    on_fail = hold
    release = ["root"]
  }
  rule "evaluated" {
    when  = "no == 'number'"
    check = "decimal(pin) > 1"
  }
}

# Its key is sensitive itself.
entity "card" {
  key   = [number]
  owner = connector.erp

  field "number" {
    type      = string
    sensitive = true
  }
  field "credit" {
    type = int
  }

  rule "covered" {
    check   = "credit >= 0"
    message = "${number} owes ${credit}"
  }
}

flow "people" {
  from  = connector.hr.people
  to    = connector.erp.people
  mode  = live
  every = "1s"
  guard {
    rejects = "100%"
  }
}
flow "clients" {
  from   = connector.hr.clients
  to     = connector.crm.clients
  mode   = live
  every  = "1s"
  update = false
  guard {
    rejects = "100%"
  }
}
flow "stuck" {
  from  = connector.hr.stuck
  to    = connector.legacy.stuck
  mode  = live
  every = "1s"
}
flow "cards" {
  from  = connector.erp.cards
  to    = connector.hr.cards
  mode  = live
  every = "1s"
  guard {
    rejects = "100%"
  }
}
flow "down" {
  from  = connector.hr.people
  to    = connector.down.people
  mode  = live
  every = "1s"
}
flow "denied" {
  from  = connector.hr.people
  to    = connector.denied.people
  mode  = live
  every = "1s"
}
flow "garbled" {
  from  = connector.hr.people
  to    = connector.garbled.people
  mode  = live
  every = "1s"
}

alert "office" {
  on      = [rejected, held, failing]
  every   = "1s"
  webhook = env("HOOK")
}
alert "screen" {
  on      = [rejected, held, failing]
  every   = "1s"
  command = ["../tell"]
}
