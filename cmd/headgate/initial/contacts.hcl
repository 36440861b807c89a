# A small ruleset to start from: contacts from CSV drops in in/ go to JSON Lines in out/.

headgate {
  state = "state"
}

connector "crm" {
  type = "files"
  dir  = "in"

  resource "contacts" {
    entity = entity.contact
    glob   = "contacts-*.csv"

    csv {
      delimiter = ";"
    }

    # Entity field = expression over `row`. A field with no entry is read from the
    # column of its own name.
    read = {
      email = "lower(trim(row['E-Mail']))"
    }
  }
}

connector "warehouse" {
  type = "files"
  dir  = "out"

  resource "contacts" {
    entity = entity.contact
    file   = "contacts-%Y%m%dT%H%M%SZ.jsonl"

    jsonl {
    }
  }
}

entity "contact" {
  key   = [contact_no]
  owner = connector.crm

  field "contact_no" {
    type = string
  }
  field "name" {
    type = string
    trim = true
  }
  field "email" {
    type     = string
    optional = true
  }
  field "credit" {
    type  = decimal
    scale = 2
    min   = 0
  }

  rule "email_has_an_at" {
    when    = "email != nil"
    check   = "email contains '@'"
    message = "contact ${contact_no}: ${email} is not an e-mail address"
  }
}

flow "contacts" {
  from = connector.crm.contacts
  to   = connector.warehouse.contacts

  # observe, the default, judges everything and writes nothing.
  mode = live

  guard {
    rejects = "50%"
  }
}

test "an address without an at is rejected" {
  flow = flow.contacts

  row = {
    contact_no = "C-1"
    name       = "Ada"
    "E-Mail"   = "ada.example"
    credit     = "10.00"
  }

  expect {
    outcome = rejected
    rule    = email_has_an_at
  }
}
