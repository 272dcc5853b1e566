package htmlreport

import (
	"fmt"
	"slices"
	"strings"

	"chatd/bench/result"
)

// variants are servers that are others with a flag: they are not among the few figures.
var variants = []string{oursPlain, "floor-coalesce"}

// briefFlood is how many messages are outstanding in the flood that is shown, if there is
// one.
const briefFlood = 128

// Brief returns the few figures that tell most, in Markdown: medians, and what went wrong
// in any run.
func Brief(c *result.Comparison) string {
	all := floods(c)
	flood := widest(slices.DeleteFunc(slices.Clone(all), func(g group) bool { return g.Params.Outstanding != briefFlood }))
	if len(flood.Runs) == 0 {
		flood = widest(all)
	}
	stuck := widest(groups(c, "stuck"))
	columns := []figure{
		{Title: "Bytes a connection", Format: whole, from: widest(groups(c, "idle")), value: perConn},
		{Title: "CPU a delivery, µs", Format: short, from: fanout(c), value: deliveryCPU},
		{Title: "Deliveries/s in a flood", Format: short, from: flood, value: throughput},
		{Title: grouped(stuck.Params.StuckClients) + " stuck clients take", Format: mebibytes, from: stuck, value: stuckAdded},
	}
	header := []string{"Server"}
	for _, f := range columns {
		header = append(header, f.Title)
	}
	header = append(header, "Healthy clients")
	var rows [][]string
	for _, server := range names(c) {
		if slices.Contains(variants, server) {
			continue
		}
		row := []string{server}
		for _, f := range columns {
			median, _ := f.text(server)
			row = append(row, median)
		}
		sum, bad := faultsOf(server, c.Runs)
		harm := "heard everything"
		if bad > 0 {
			harm = faultText(sum)
		}
		rows = append(rows, append(row, harm))
	}
	return markdown(header, rows, 1) + "\n" + origin(c)
}

// stuckAdded is the memory that clients take who never read.
func stuckAdded(r result.Run) (float64, bool) {
	with, ok := rssWith(r)
	without, _ := rssWithout(r)
	return max(0, with-without), ok
}

// origin says where the figures are from, in a sentence.
func origin(c *result.Comparison) string {
	m := c.Machine
	return fmt.Sprintf("Medians of %d rounds on one machine: %s, %d cores, %s, Linux %s, Go %s, loopback; commit %s.\n",
		c.Rounds, m.CPU, m.Cores, binary(m.Memory), release(m.Kernel), strings.TrimPrefix(m.Go, "go"), m.Commit)
}

// release is the first two numbers of a kernel's version: the rest is its distributor's.
func release(kernel string) string {
	kernel = strings.TrimPrefix(kernel, "Linux ")
	if parts := strings.SplitN(kernel, ".", 3); len(parts) == 3 {
		return parts[0] + "." + parts[1]
	}
	return kernel
}
