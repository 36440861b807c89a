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
  resource "teams" {
    entity = entity.team
    glob   = "teams.jsonl"
    settle = "0s"

    jsonl {
    }
    list "members" {
      path = "members"
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

# It says back whatever it is asked, and by whom.
connector "club" {
  type    = "http"
  url     = "http://crm.invalid"
  timeout = "1s"

  auth {
    basic {
      user     = "headgate"
      password = file("/run/secrets/password")
    }
  }
  retry {
    attempts = 2
    backoff  = "1ms"
  }

  resource "members" {
    entity = entity.card

    find {
      path  = "/members"
      query = { code = "${number}" }
    }
    create {
      path = "/members"
    }
  }
}
connector "lodge" {
  type = "http"
  url  = "http://crm.invalid"

  retry {
    attempts = 2
    backoff  = "1ms"
  }

  resource "badges" {
    entity = entity.badge

    find {
      path  = "/badges"
      query = { code = "${pin}" }
    }
  }
}
connector "league" {
  type = "http"
  url  = "http://crm.invalid"

  resource "teams" {
    entity = entity.team

    create {
      path       = "/teams"
      on_unknown = doubt
    }
    list "members" {
      path  = "players"
      write = { code = "pin + '/' + seat", seat = "seat" }
    }
  }
  resource "cards" {
    entity    = entity.card
    reference = "ext"

    create {
      path       = "/cards"
      on_unknown = doubt
    }
    write = {
      ext    = "'C-' + number"
      credit = "credit"
    }
  }
}
connector "echo" {
  type = "http"
  url  = "http://crm.invalid"

  retry {
    attempts = 2
    backoff  = "1ms"
  }

  resource "twice" {
    entity    = entity.card
    reference = "ext"

    create {
      path       = "/cards"
      on_unknown = retry
    }
    write = {
      ext    = "'C-' + number"
      credit = "credit"
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

entity "badge" {
  key   = [pin]
  owner = connector.lodge

  field "pin" {
    type      = string
    sensitive = true
  }
}

entity "team" {
  key   = [no]
  owner = connector.hr

  field "no" {
    type = string
  }
  list "members" {
    key = [seat]

    field "seat" {
      type = string
    }
    field "pin" {
      type      = string
      sensitive = true
    }
  }
}

lookup "badges" {
  from = connector.lodge.badges
  key  = [pin]
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
flow "vault" {
  from   = connector.erp.cards
  to     = connector.league.cards
  mode   = live
  every  = "1s"
  update = false
  guard {
    rejects = "100%"
  }
}
flow "twice" {
  from   = connector.erp.cards
  to     = connector.echo.twice
  mode   = live
  every  = "1s"
  update = false
  guard {
    rejects = "100%"
  }
}
flow "teams" {
  from   = connector.hr.teams
  to     = connector.league.teams
  mode   = live
  every  = "1s"
  update = false
  guard {
    rejects = "100%"
  }
}
flow "members" {
  from  = connector.erp.cards
  to    = connector.club.members
  mode  = live
  every = "1s"
}
flow "badged" {
  from  = connector.hr.people
  to    = connector.legacy.stuck
  mode  = observe
  every = "1s"

  rule "known" {
    check   = "badges(pin) != nil"
    message = "no badge"
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
