package versus

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/rediverio/sdk/bench/internal/queue"
)

// Print writes a table for each cell and the durability that each queue offers.
func Print(w io.Writer, results []Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	said := map[string]bool{}
	var cell Cell
	for _, r := range results {
		if r.Cell != cell {
			cell = r.Cell
			fmt.Fprintf(t, "\n%d KB payload, %d producers, %d consumers, median of %d rounds\n", cell.PayloadBytes>>10, cell.Producers, Consumers, r.Rounds)
			fmt.Fprintln(t, "queue\tfsync\tput/s\tours is\tack/s\tours is\tput p50 ms\tp99 ms\tCPU µs/put\t/ack\twritten B/B\tfiles B/B\t")
		}
		fmt.Fprintf(t, "%s\t%s\t%.0f\t%s\t%.0f\t%s\t%.2f\t%.2f\t%.0f\t%.0f\t%.2f\t%.2f\t\n", r.Queue, yesNo(r.Synced), r.PutPerSecond, times(r, r.OursPut),
			r.AckPerSecond, times(r, r.OursAck), r.P50Millis, r.P99Millis, r.CPUMicrosPerPut, r.CPUMicrosPerAck, r.WrittenPerPayloadByte, r.FilesPerPayloadByte)
		said[r.Queue] = true
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nWhen put returns, the payload is:")
	for _, k := range queue.Kinds() {
		if said[k.Name] {
			fmt.Fprintf(w, "  %-12s %s\n", k.Name, k.Durable)
		}
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "NO"
}

func times(r Result, ratio float64) string {
	if r.Queue == queue.Ours || ratio == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2fx", ratio)
}
