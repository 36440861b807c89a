package main

import "context"

// daemonSteps are life beside the ERP: the daemon runs, rules change, people and
// other systems do what they do.
var daemonSteps = []step{
	{
		why: "From now on it runs beside the ERP.", line: "headgate --config rules run &",
		do: func(ctx context.Context, s *stage) error { return s.start(ctx) },
	},
	{why: "How is it?", args: []string{"status"}, until: `(?s)last success.*last success.*, \d+ unchanged`},
	{
		why: "The mended rule is right. Saving the file is the deployment,", line: "cp mended/order.hcl rules/order.hcl",
		do: func(_ context.Context, s *stage) error { return s.edit("rules/order.hcl", exactTotal, roundedTotal) },
	},
	{why: "and what waited for it goes through: 2 exceptions less.", args: []string{"status"}, until: "(?s)7 created.*7 created"},
	{
		why: "Somebody saves a mistake.", line: "sed -i 's/customers(customer)/customer(customers)/' rules/order.hcl",
		do: func(_ context.Context, s *stage) error {
			return s.edit("rules/order.hcl", "customers(customer) != nil", "customer(customers) != nil")
		},
	},
	{why: "It is refused, everyone can see why, and the old rules go on running.", args: []string{"status"}, until: "THE FILES ARE NOT"},
	{
		why: "Mended.", line: "sed -i 's/customer(customers)/customers(customer)/' rules/order.hcl",
		do: func(_ context.Context, s *stage) error {
			return s.edit("rules/order.hcl", "customer(customers) != nil", "customers(customer) != nil")
		},
	},
	{
		why: "The customer that order A-1010 waits for comes to the ERP,", line: `sqlite3 erp.db "INSERT INTO customers VALUES (504, 'C-99', 'Dora Dahl')"`,
		do: func(_ context.Context, s *stage) error {
			return s.sql("INSERT INTO customers VALUES (504, 'C-99', 'Dora Dahl')")
		},
	},
	{why: "and the order goes through at the next run.", args: []string{"trace", "order", "A-1010"}, until: "(?s)flow orders.*created.*flow feedback.*created"},
	{
		why: "A colleague changes an address in the ERP, which belongs to the shop.", line: `sqlite3 erp.db "UPDATE orders SET email = 'wrong@example.com' WHERE cust_ref = 'A-1002'"`,
		do: func(_ context.Context, s *stage) error {
			return s.sql("UPDATE orders SET email = 'wrong@example.com' WHERE cust_ref = 'A-1002'")
		},
	},
	{why: "The flow that reads the ERP sees it.", args: []string{"status"}, until: "may have been changed"},
	{why: "It would be set right at the next sweep. Now is better:", args: []string{"checkpoint", "rewind", "orders", "--why", "a foreign edit in the ERP", "--yes"}},
	{why: "The owner wins; what the ERP owns stays as it is.", args: []string{"trace", "order", "A-1002"}, until: "updated"},
	{
		why: "Stopped, it finishes what it is at; nothing is lost.", line: "kill %1; wait",
		do: func(_ context.Context, s *stage) error { return s.stop() },
	},
	{why: "What was read is what was settled.", args: []string{"verify"}},
}
