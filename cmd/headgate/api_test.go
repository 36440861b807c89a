package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"headgate/connectors/http/shopapi"
)

// apiToken is who may use the order API.
const apiToken = "t0ken"

// serveAPI is the order API as a process of its own: a command of the tests beside
// headgate. It tells its address, and serves until it is killed.
func serveAPI() {
	path := flag.String("path", "", "the file of the orders")
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	seed := flag.Uint64("seed", 0, "of the faults")
	share := flag.Float64("share", 0, "of requests that fail")
	window := flag.Duration("window", 0, "how long it knows an idempotency key")
	lag := flag.Duration("lag", 0, "how long an order is not found")
	flag.Parse()
	shop, err := shopapi.Open(shopapi.Config{
		Path: *path, Token: apiToken, Fault: shopapi.Seeded(*seed, *share, shopapi.All()...),
		Stall: 2 * time.Second, RetryAfter: time.Second, Grace: 200 * time.Millisecond, Idempotency: *window, Lag: *lag,
	})
	if err == nil {
		var l net.Listener
		if l, err = net.Listen("tcp", *address); err == nil {
			fmt.Println(l.Addr())
			err = http.Serve(l, shop)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// api is an order API that runs beside a test.
type api struct {
	*operator
	args    []string
	address string
	running *exec.Cmd
}

// startAPI starts an order API, which is killed at the latest when the test ends.
func (o *operator) startAPI(args ...string) *api {
	o.Helper()
	a := &api{operator: o, address: "127.0.0.1:0", args: append([]string{"-path", o.path("api.jsonl")}, args...)}
	a.start()
	o.Cleanup(a.kill)
	return a
}

// start starts it where it was before.
func (a *api) start() {
	a.Helper()
	self, err := os.Executable()
	a.must(err)
	a.running = &exec.Cmd{Path: self, Args: append([]string{"order-api", "-address", a.address}, a.args...), Stderr: os.Stderr}
	out, err := a.running.StdoutPipe()
	a.must(err)
	a.must(a.running.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	a.must(err)
	a.address = strings.TrimSpace(line)
}

// kill ends it as a power cut would.
func (a *api) kill() {
	_ = a.running.Process.Kill()
	_ = a.running.Wait()
}

// stats are what it counted since it was started.
func (a *api) stats() (s shopapi.Stats) {
	a.Helper()
	response, err := http.Get("http://" + a.address + "/stats")
	a.must(err)
	defer func() { _ = response.Body.Close() }()
	a.must(json.NewDecoder(response.Body).Decode(&s))
	return s
}

// stored are the totals of each order it has, by number. It must be killed before.
func (a *api) stored() map[string][]string {
	a.Helper()
	shop, err := shopapi.Open(shopapi.Config{Path: a.path("api.jsonl")})
	a.must(err)
	all := make(map[string][]string)
	for _, o := range shop.Orders() {
		all[o.Text("number")] = append(all[o.Text("number")], o.Text("total"))
	}
	a.must(shop.Close())
	return all
}

// orderFile writes a file with so many more orders, and with new totals of a third of
// the sixty before them.
func (o *operator) orderFile(first, orders int) {
	o.Helper()
	text := []byte("number,total\n")
	for i := max(0, first-60); i < first+orders; i++ {
		if number := fmt.Sprintf("A-%05d", i); i >= first || (i+first/20)%3 == 0 {
			o.totals[number] = fmt.Sprintf("%d.50", i+first)
			text = fmt.Appendf(text, "%s,%s\n", number, o.totals[number])
		}
	}
	o.write(fmt.Sprintf("in/%05d.csv", first), text)
}

// ruleAPI lays the ruleset that settles unknown answers in one of the ways.
func (o *operator) ruleAPI(way, address string) {
	o.Helper()
	o.copy("testdata/api/orders.hcl", "testdata/api/"+way+".hcl")
	text, err := os.ReadFile(o.path("rules/" + way + ".hcl"))
	o.must(err)
	o.write("rules/"+way+".hcl", bytes.Replace(text, []byte("api.invalid"), []byte(address), 1))
	o.env = append(o.env, "API_TOKEN="+apiToken)
	o.totals = make(map[string]string)
}
