package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// binary builds headgate, once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "headgate-bench-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	path := filepath.Join(dir, "headgate")
	out, err := exec.Command("go", "build", "-o", path, "headgate/cmd/headgate").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build headgate: %w: %s", err, out)
	}
	return path, err
})

var binaryDir string

func removeBinary() {
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir)
	}
}

// process is one run of the binary.
type process struct {
	wall time.Duration
	out  []byte
	anon []int // samples of RssAnon in KiB, in order; none where the system does not tell
}

// headgate runs the binary on a ruleset and waits for its end.
func headgate(b *testing.B, dir string, args ...string) process {
	b.Helper()
	path, err := binary()
	must(b, err)
	var out, errs bytes.Buffer
	cmd := exec.Command(path, append(args, "--config", dir, "--state", filepath.Join(dir, "state"))...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	must(b, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	p := process{}
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case err := <-ended:
			p.wall, p.out = time.Since(begin), out.Bytes()
			if err != nil {
				b.Fatalf("headgate %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errs)
			}
			return p
		case <-every.C:
			if kb, ok := rssAnon(cmd.Process.Pid); ok {
				p.anon = append(p.anon, kb)
			}
		}
	}
}

// rssAnon is the anonymous memory of a process in KiB: what the kernel cannot take
// back, as it can the pages of the mapped state.
func rssAnon(pid int) (kb int, ok bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	_, rest, found := strings.Cut(string(status), "RssAnon:")
	if !found {
		return 0, false
	}
	_, err = fmt.Sscan(rest, &kb)
	return kb, err == nil
}

// peak is the greatest sample between two shares of the run, in MiB.
func (p *process) peak(from, to float64) float64 {
	n, most := float64(len(p.anon)), 0
	for _, kb := range p.anon[int(from*n):int(to*n)] {
		most = max(most, kb)
	}
	return float64(most) / 1024
}

// perRow is what the run itself took, in ns a row.
func (p *process) perRow(b *testing.B, n int) float64 {
	var summary struct {
		Seconds float64
		Created int
	}
	must(b, json.Unmarshal(p.out, &summary))
	return summary.Seconds * 1e9 / float64(n)
}

// BenchmarkMillion runs the binary on 100,000 and on 1,000,000 rows: time a row and
// memory must not grow with them.
func BenchmarkMillion(b *testing.B) {
	for _, c := range []struct{ name, connector, resource string }{
		{"JSONL", jsonlConnector, jsonlResource},
		{"SQLite", sqliteConnector, tableResource},
	} {
		b.Run(c.name, func(b *testing.B) {
			small, _ := runRows(b, c.connector, c.resource, 100_000)
			large, p := runRows(b, c.connector, c.resource, 1_000_000)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(small, "ns/row-100k")
			b.ReportMetric(large, "ns/row-1M")
			judge("1,000,000 rows into "+c.name+", time a row", large/small, 1.15, "%.2f × that of 100,000", fmt.Sprintf("  (%.0f and %.0f ns)", large, small))
			if len(p.anon) == 0 {
				return
			}
			b.ReportMetric(p.peak(0, 1), "MiB-RssAnon")
			judge("its anonymous memory, peak", p.peak(0, 1), 96, "%.0f MiB", "")
			judge("last quarter against second", p.peak(0.75, 1)/p.peak(0.25, 0.5), 1.1, "%.2f ×", "")
		})
	}
}

// runRows runs rounds first runs over n rows and returns the best time a row, and the
// run that took the most memory.
func runRows(b *testing.B, connector, resource string, n int) (perRow float64, most process) {
	perRow = float64(time.Hour)
	for range rounds {
		in := install(b, layout{connector: connector, resource: resource})
		if connector == sqliteConnector {
			must(b, makeSQLite(b, filepath.Join(in.dir, "erp.db")).Close())
		}
		writeCSV(b, in.file("a.csv"), n)
		p := headgate(b, in.dir, "run", "--once", "--output", "jsonl")
		perRow = min(perRow, p.perRow(b, n))
		if p.peak(0, 1) >= most.peak(0, 1) {
			most = p
		}
		must(b, os.RemoveAll(in.dir))
	}
	return perRow, most
}

// BenchmarkCheck is the whole process of `check`, of 1,000 rules.
func BenchmarkCheck(b *testing.B) {
	var rules strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&rules, "  rule \"r%d\" {\n    check = \"total == qty * price or total + %d.50 > price * 2 and status != 'x%d'\"\n  }\n", i, i, i)
	}
	in := install(b, layout{connector: jsonlConnector, resource: jsonlResource})
	in.write(b, strings.Replace(in.text(b), "  rule \"status\"", rules.String()+"  rule \"status\"", 1))
	best := bestOf(func() process { return headgate(b, in.dir, "check") })
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(best.Seconds(), "s")
	judge("check of 1,000 rules, whole process", best.Seconds(), 1, "%.2f s", "")
}

// BenchmarkPlan is the whole process of `plan --limit 20`, of 50 entities.
func BenchmarkPlan(b *testing.B) {
	in := install(b, layout{connector: jsonlConnector, resource: jsonlResource})
	one := in.text(b)
	var all strings.Builder
	for i := range 50 {
		renamed := strings.NewReplacer("\"shop\"", fmt.Sprintf("%q", fmt.Sprint("shop", i)), "\"erp\"", fmt.Sprintf("%q", fmt.Sprint("erp", i)),
			"connector.shop", fmt.Sprint("connector.shop", i), "connector.erp", fmt.Sprint("connector.erp", i),
			"entity \"order\"", fmt.Sprintf("entity \"order%d\"", i), "entity.order", fmt.Sprint("entity.order", i),
			"flow \"orders\"", fmt.Sprintf("flow \"orders%d\"", i))
		all.WriteString(renamed.Replace(one))
	}
	in.write(b, all.String())
	writeCSV(b, in.file("a.csv"), 1000)
	best := bestOf(func() process { return headgate(b, in.dir, "plan", "orders7", "--limit", "20") })
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(best.Seconds(), "s")
	judge("plan --limit 20 of 50 entities, whole process", best.Seconds(), 0.3, "%.2f s", "")
}

func bestOf(f func() process) time.Duration {
	best := time.Hour
	for range rounds {
		best = min(best, f().wall)
	}
	return best
}

// text is the ruleset as it stands, and write makes it another one.
func (in *installation) text(b *testing.B) string {
	text, err := os.ReadFile(filepath.Join(in.dir, "bench.hcl"))
	must(b, err)
	return string(text)
}

func (in *installation) write(b *testing.B, text string) {
	must(b, os.WriteFile(filepath.Join(in.dir, "bench.hcl"), []byte(text), 0o644))
}
