package main

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// sale is one line of an invoice, as the shop writes it.
type sale struct {
	invoice, code, description string
	quantity                   int
	at, price, customer        string
}

const salesHeader = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID"

func (s sale) csv() string {
	description := s.description
	if strings.ContainsAny(description, `",`) {
		description = `"` + strings.ReplaceAll(description, `"`, `""`) + `"`
	}
	return fmt.Sprintf("%s,%s,%s,%d,%s,%s,%s", s.invoice, s.code, description, s.quantity, s.at, s.price, s.customer)
}

var (
	codes        = []string{"85123A", "71053", "84406B", "84029G", "22752", "21730", "22633", "POST", "M", "BANK CHARGES", "C2", "D"}
	descriptions = []string{"WHITE HANGING HEART T-LIGHT HOLDER", `RECORD FRAME 7" SINGLE SIZE`, "SET 7 BABUSHKA NESTING BOXES", "", "PACK OF 3, RED", "  POSTAGE "}
	prices       = []string{"2.55", "3.39", "0.85", "2.1", "16.95", "0.42", "0.0", "1062.99"}
)

// manySales makes lines as dirty as a shop's are: cancellations, lines without a customer,
// codes that are no items, free articles, exact duplicates.
func manySales(dice *rand.Rand, n int) []sale {
	all := make([]sale, 0, n)
	for len(all) < n {
		if len(all) > 0 && dice.IntN(20) == 0 {
			all = append(all, all[len(all)-1-dice.IntN(min(len(all), 300))])
			continue
		}
		i := len(all)
		s := sale{
			invoice: fmt.Sprint(536365 + i/7), code: codes[dice.IntN(len(codes))], description: descriptions[dice.IntN(len(descriptions))],
			quantity: 1 + dice.IntN(48), at: fmt.Sprintf("2010-12-%02d %02d:%02d:00", 1+i*27/n, 8+i%9, dice.IntN(60)),
			price: prices[dice.IntN(len(prices))], customer: fmt.Sprintf("%d.0", 12000+dice.IntN(6000)),
		}
		switch dice.IntN(12) {
		case 0:
			s.invoice, s.quantity = "C"+s.invoice, -s.quantity
		case 1, 2:
			s.customer = ""
		case 3:
			s.quantity = -s.quantity
		}
		all = append(all, s)
	}
	return all
}

// writeSales writes lines into so many files.
func writeSales(dir string, all []sale, files int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for f := range files {
		var text strings.Builder
		text.WriteString(salesHeader + "\n")
		for _, s := range all[len(all)*f/files : len(all)*(f+1)/files] {
			text.WriteString(s.csv() + "\n")
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.csv", f)), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

var itemCode = regexp.MustCompile(`^[0-9]{5}[A-Za-z]*$`)

// accounted counts, without headgate, what becomes of the lines: the ones a
// destination must hold, and how many different ones each rule stops first.
func accounted(all []sale) (accepted []string, stopped map[string]int) {
	stopped = make(map[string]int)
	seen := make(map[sale]bool)
	for _, s := range all {
		if seen[s] {
			continue
		}
		seen[s] = true
		switch {
		case s.customer == "":
			stopped["customer_present"]++
		case strings.HasPrefix(s.invoice, "C"):
			stopped["not_a_cancellation"]++
		case s.quantity <= 0:
			stopped["quantity_positive"]++
		case number(s.price).Sign() <= 0:
			stopped["price_positive"]++
		case !itemCode.MatchString(s.code):
			stopped["code_of_an_item"]++
		default:
			amount := new(big.Rat).Mul(number(s.price), big.NewRat(int64(s.quantity), 1))
			accepted = append(accepted, soldText(s.invoice, s.code, s.description, fmt.Sprint(s.quantity), s.at, s.price, s.customer, amount.FloatString(4)))
		}
	}
	return accepted, stopped
}

func number(text string) *big.Rat {
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("not a number: " + text)
	}
	return n
}

// soldText writes a line of any destination in one form: numbers by their value,
// moments without their punctuation.
func soldText(invoice, code, description, quantity, at, price, customer, amount string) string {
	at = strings.TrimSuffix(strings.Replace(at, "T", " ", 1), "Z")
	return strings.Join([]string{invoice, code, description, quantity, at, number(price).RatString(), customer, number(amount).RatString()}, "|")
}
