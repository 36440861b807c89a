package expression

import (
	"errors"
	"strings"
	"testing"
	"time"

	"headgate/engine/record"
)

func testScope() *Scope {
	line := record.NewSchema("line", []record.Field{
		{Name: "sku", Kind: record.String}, {Name: "qty", Kind: record.Decimal}, {Name: "price", Kind: record.Decimal},
	}, nil)
	fields := record.NewSchema("order", []record.Field{
		{Name: "order_no", Kind: record.String},
		{Name: "total", Kind: record.Decimal},
		{Name: "qty", Kind: record.Int},
		{Name: "price", Kind: record.Decimal},
		{Name: "status", Kind: record.String},
		{Name: "email", Kind: record.String, Optional: true},
		{Name: "discount", Kind: record.Decimal, Optional: true},
		{Name: "ordered_on", Kind: record.Date},
		{Name: "updated_at", Kind: record.Time},
		{Name: "paid", Kind: record.Bool},
		{Name: "lines", Kind: record.List, Lines: line},
	}, []int{0})
	customer := record.NewSchema("customer", []record.Field{{Name: "customer_no", Kind: record.String}, {Name: "credit", Kind: record.Decimal}, {Name: "note", Kind: record.String, Optional: true}}, []int{0})
	return &Scope{
		Fields: fields, Current: fields, Row: &Columns{}, Parent: &Columns{},
		Names:   []Name{{Name: "rows", Kind: record.Int}},
		Groups:  []Group{{Name: "tail", Members: []Name{{Name: "count"}, {Name: "amount"}}}},
		Lookups: []Lookup{{Name: "customers", Key: []record.Field{customer.Fields[0]}, Schema: customer}},
		Locale:  record.Locale{Zone: time.UTC},
	}
}

func num(s string) record.Value { return must(record.Parse(record.Decimal, s, record.Locale{})) }
func must(v record.Value, err error) record.Value {
	if err != nil {
		panic(err)
	}
	return v
}

type oneCustomer struct{ lacking bool }

func (f oneCustomer) Lookup(_ string, key []record.Value) (record.Record, record.Value, bool, error) {
	if f.lacking {
		return nil, record.Value{}, false, ErrLacking
	}
	if key[0].Str() != "C-7" {
		return nil, record.Value{}, false, nil
	}
	return record.Record{record.StringValue("C-7"), num("100.5"), record.NullValue()}, record.IntValue(77), true, nil
}

func testInput(s *Scope) *Input {
	lines := &record.Lines{Rows: [][]record.Value{
		{record.StringValue("A"), num("2"), num("1.10")},
		{record.StringValue("B"), num("1"), num("0.10")},
	}}
	in := &Input{
		Record: record.Record{
			record.StringValue("A-1"), num("2.30"), record.IntValue(3), num("0.10"), record.StringValue("open"),
			record.NullValue(), record.NullValue(), must(record.ParseDate("2026-11-02")), must(record.ParseTime("2026-11-02T09:00:00Z", nil)),
			record.BoolValue(true), record.ListValue(lines),
		},
		Names:  []record.Value{record.IntValue(2)},
		Groups: [][]record.Value{{record.StringValue("2"), record.StringValue("2.30")}},
		Now:    time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC),
		Facts:  oneCustomer{},
	}
	for _, name := range s.Row.Names {
		v := map[string]record.Value{"Order No": record.StringValue(" A-1 "), "x": record.StringValue("open"), "n": record.StringValue("12.5"), "Date": record.StringValue("24.11.2026"), "meta.erp_no": record.StringValue("E1")}[name]
		in.Row = append(in.Row, v)
	}
	return in
}

func TestResults(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"total", "2.30"},
		{"order_no", "A-1"},
		{"'open'", "open"},
		{"0.1 + 0.2 == 0.3", "true"},
		{"0.10", "0.10"},
		{"total == sum(lines, .qty * .price)", "true"},
		{"total == round(qty * price, 2) + 2", "true"},
		{"-total < 0", "true"},
		{"-2.5", "-2.5"},
		{"qty in [1, 2, 3]", "true"},
		{"qty in [1, 2]", "false"},
		{"status in ['open', 'paid']", "true"},
		{"email in ['a']", "false"},
		{"not (status in ['open', 'paid'])", "false"},
		{"round(total / 3, 3)", "0.767"},
		{"total / 2", "1.15"},
		{"email == nil", "true"},
		{"email == 'x'", "false"},
		{"email != 'x'", "true"},
		{"discount == nil or discount > 1", "true"},
		{"discount == 1", "false"},
		{"coalesce(discount, 0) == 0", "true"},
		{"coalesce(email, 'none')", "none"},
		{"(discount ?? 0) + total", "2.30"},
		{"total * (discount ?? 2)", "4.60"},
		{"sum(lines, .qty * (.price ?? 0))", "2.30"},
		{"(email ?? 'no') + 'ne'", "none"},
		{"(discount ?? 1) < 2 and (email ?? 'x') == 'x'", "true"},
		{"customers('C-7').note ?? 'nothing'", "nothing"},
		{"customers('C-8')?.customer_no ?? 'nobody'", "nobody"},
		{"(discount == nil ? 0 : discount) + 1", "1"},
		{"max(discount ?? 0, total)", "2.30"},
		{"status == 'open' and qty >= 3 and paid", "true"},
		{"len(lines) == 2", "true"},
		{"count(lines, .qty > 1) == 1", "true"},
		{"all(lines, .qty > 0)", "true"},
		{"lines[0].sku", "A"},
		{"trim(row['Order No'])", "A-1"},
		{"row.x == 'open'", "true"},
		{"row.meta.erp_no", "E1"},
		{"decimal(row.n) * 2", "25.0"},
		{"date(row.Date, '%d.%m.%Y')", "2026-11-24"},
		{"date('1.2.2026', '%d.%m.%Y')", "2026-02-01"},
		{"time('24.11.2026 9:05', '%d.%m.%Y %H:%M')", "2026-11-24T09:05:00Z"},
		{"date(row.Date, '%d.%m.%Y') > ordered_on", "true"},
		{"updated_at < now", "true"},
		{"tail.count == rows", "true"},
		{"tail.amount == total", "true"},
		{"tail.amount > 2", "true"},
		{"current == nil", "true"},
		{"current?.status == nil", "true"},
		{"customers('C-7') != nil", "true"},
		{"customers('C-8') == nil", "true"},
		{"customers('C-8')?.credit == nil", "true"},
		{"customers('C-7').credit > 100", "true"},
		{"customers('C-7').id == 77", "true"},
		{"customers('C-7').note == nil", "true"},
		{"customers(email) == nil", "true"},
		{"upper(status) + '-' + order_no", "OPEN-A-1"},
		{"split(order_no, '-')[1]", "1"},
		{"replace(order_no, 'A', 'B')", "B-1"},
		{"order_no startsWith 'A'", "true"},
		{"order_no matches '^[A-Z]-[0-9]+$'", "true"},
		{"paid ? 'yes' : 'no'", "yes"},
		{"gtin('4006381333931')", "true"},
		{"gtin('4006381333932')", "false"},
		{"iban('DE89 3704 0044 0532 0130 00')", "true"},
		{"iban('DE89 3704 0044 0532 0130 01')", "false"},
		{"vat('DE123456789')", "true"},
		{"luhn('79927398713')", "true"},
		{"max(total, 1, 9.5)", "9.5"},
		{"string(qty)", "3"},
		{"trim(email) == nil", "true"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			s := testScope()
			p, mistake := Compile(test.text, s, Want{Kind: record.Unknown, Null: true})
			if mistake != nil {
				t.Fatalf("mistake at %d..%d: %v", mistake.From, mistake.To, mistake)
			}
			v, err := NewMachine().Run(p, testInput(s))
			if err != nil || v.Text() != test.want {
				t.Errorf("got %q (%s), %v; want %q", v.Text(), v.Kind(), err, test.want)
			}
		})
	}
}

func TestRunErrors(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"discount > 1", "total / 3 == 1", "current.status == 'open'", "customers('C-8').credit > 1",
		"lines[5].sku == 'A'", "total / 0 == 1", "date('31.11.2026', '%d.%m.%Y') == ordered_on", "1e30 * 1e30 * total > 1", "decimal(row['Order No']) > 1",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			s := testScope()
			p, mistake := Compile(text, s, Want{Kind: record.Bool})
			if mistake != nil {
				t.Fatal(mistake)
			}
			ok, err := NewMachine().Check(p, testInput(s))
			if _, is := errors.AsType[*RunError](err); ok || !is {
				t.Errorf("got %v, %v", ok, err)
			}
			t.Log(err)
		})
	}
}

func TestLackingFact(t *testing.T) {
	t.Parallel()
	s := testScope()
	p, mistake := Compile("customers(order_no) != nil", s, Want{Kind: record.Bool})
	if mistake != nil {
		t.Fatal(mistake)
	}
	in := testInput(s)
	in.Facts = oneCustomer{lacking: true}
	if _, err := NewMachine().Check(p, in); !errors.Is(err, ErrLacking) {
		t.Errorf("got %v, want ErrLacking", err)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, at, want string }{
		{"totl > 1", "totl", "unknown name `totl`: did you mean `total`?"},
		{"status == 5", "status == 5", "compares"},
		{"status + 1 == 2", "status + 1", ""},
		{"total", "total", "true or false is wanted"},
		{"order_no matches '['", "'['", "bad regular expression"},
		{"sum(lines, .qtty) > 1", "qtty", "did you mean `qty`?"},
		{"customers(order_no).credt > 1", "", "credt"},
		{"customers() != nil", "", "takes customer_no (string)"},
		{"custmers('a') != nil", "custmers", "did you mean `customers`?"},
		{"foo('a')", "foo", "unknown function"},
		{"toJSON(status) == 'a'", "toJSON", "unknown function"},
		{"let x = 1; x == 1", "", ""},
		{"1..3", "", "not part of the language"},
		{"total > 0x", "", ""},
		{"", "", "empty"},
		{"row > 1", "row", "needs a column"},
		{"date(row.x, 'dd.mm') == ordered_on", "'dd.mm'", "strftime"},
		{"total >", "", ""},
		{strings.Repeat("(", 1_000_0) + "1" + strings.Repeat(")", 1_000_0), "", "longer than"},
		{strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100), "", "nested deeper"},
		{strings.Repeat("-", 1000) + "1", "", "in a row"},
		{strings.Repeat("not ", 900) + "true", "", "in a row"},
		{"all(lines, all(lines, all(lines, true)))", "", "nested deeper than 2"},
		{"1e99 > total", "1e99", "exactly"},
		{"tail.cnt == 1", "tail.cnt", "did you mean `count`?"},
		{"status.foo == 1", "", ""},
		{"rows.x", "", ""},
	}
	for _, test := range tests {
		t.Run(test.text[:min(40, len(test.text))], func(t *testing.T) {
			t.Parallel()
			_, mistake := Compile(test.text, testScope(), Want{Kind: record.Bool})
			if mistake == nil {
				t.Fatal("it compiles")
			}
			runes := []rune(test.text)
			got := string(runes[mistake.From:mistake.To])
			if test.at != "" && got != test.at {
				t.Errorf("place is %q, want %q", got, test.at)
			}
			if !strings.Contains(mistake.Error(), test.want) {
				t.Errorf("says %q, want %q", mistake.Error(), test.want)
			}
			t.Logf("%q: %s", got[:min(40, len(got))], mistake.Error())
		})
	}
}

func TestReadRefusesRawArithmetic(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"row.a + 1", "row.a < row.b", "-1 * row.a"} {
		s := &Scope{Row: &Columns{}, Read: true}
		if _, mistake := Compile(text, s, Want{Kind: record.Unknown}); mistake == nil || !strings.Contains(mistake.Error(), "decimal(row.") {
			t.Errorf("%s: %v", text, mistake)
		}
	}
}

func FuzzCompileRun(f *testing.F) {
	for _, seed := range []string{"total == sum(lines, .qty * .price)", "customers(order_no).credit > 1", "row.x == 'a' ? 1 : nil", "split(status, '')[9]", "date(row.x, '%d')", "((((", "-not!total"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := testScope()
		p, mistake := Compile(text, s, Want{Kind: record.Unknown, Null: true})
		if mistake != nil {
			if n := len([]rune(text)); mistake.From < 0 || mistake.To > n || mistake.From > mistake.To {
				t.Errorf("place %d..%d of %d", mistake.From, mistake.To, n)
			}
			return
		}
		_, _ = NewMachine().Run(p, testInput(s))
	})
}

func benchmarkCheck(b *testing.B, text string) {
	s := testScope()
	p, mistake := Compile(text, s, Want{Kind: record.Bool})
	if mistake != nil {
		b.Fatal(mistake)
	}
	m, in := NewMachine(), testInput(s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Check(p, in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkThreeClauses(b *testing.B) {
	benchmarkCheck(b, "status == 'open' and qty >= 1 and paid")
}
func BenchmarkExactProduct(b *testing.B) { benchmarkCheck(b, "2.30 == total and 0.30 == qty * price") }
func BenchmarkSumOfLines(b *testing.B)   { benchmarkCheck(b, "total == sum(lines, .qty * .price)") }
