package versus

import (
	"github.com/rediverio/sdk/bench/internal/meter"
	"github.com/rediverio/sdk/bench/internal/queue"
)

// Measures has the figures of one queue in one cell.
type Measures struct {
	PutPerSecond          float64 `json:"put_per_second"`
	AckPerSecond          float64 `json:"ack_per_second"` // taken and acknowledged
	P50Millis             float64 `json:"put_p50_ms"`
	P99Millis             float64 `json:"put_p99_ms"`
	CPUMicrosPerPut       float64 `json:"cpu_us_per_put"` // CPU time of the whole process
	CPUMicrosPerAck       float64 `json:"cpu_us_per_ack"`
	WrittenPerPayloadByte float64 `json:"written_per_payload_byte"` // write_bytes of /proc/self/io while putting
	FilesPerPayloadByte   float64 `json:"files_per_payload_byte"`   // growth of the files, in blocks, while putting

	stored int64
}

// Result is the median of the rounds. The ratios are medians, too, of ours divided by this queue's in the same round;
// 0 where ours was not measured.
type Result struct {
	Cell
	Queue    string  `json:"queue"`
	Durable  string  `json:"durable"`
	Synced   bool    `json:"synced"`
	Rounds   int     `json:"rounds"`
	Measures         // medians
	OursPut  float64 `json:"ours_put_ratio"`
	OursAck  float64 `json:"ours_ack_ratio"`
}

// summarize makes one result of the rounds of each queue in each cell.
func summarize(cells []Cell, samples map[key][]Measures) (results []Result) {
	for _, c := range cells {
		ours := samples[key{c, queue.Ours}]
		for _, k := range queue.Kinds() {
			rounds := samples[key{c, k.Name}]
			if len(rounds) == 0 {
				continue
			}
			results = append(results, Result{
				Cell: c, Queue: k.Name, Durable: k.Durable, Synced: k.Synced, Rounds: len(rounds), Measures: medians(rounds),
				OursPut: ratio(ours, rounds, func(m Measures) float64 { return m.PutPerSecond }),
				OursAck: ratio(ours, rounds, func(m Measures) float64 { return m.AckPerSecond }),
			})
		}
	}
	return results
}

func medians(rounds []Measures) Measures {
	of := func(get func(Measures) float64) float64 {
		var v []float64
		for _, m := range rounds {
			v = append(v, get(m))
		}
		return meter.Median(v)
	}
	return Measures{
		PutPerSecond:          of(func(m Measures) float64 { return m.PutPerSecond }),
		AckPerSecond:          of(func(m Measures) float64 { return m.AckPerSecond }),
		P50Millis:             of(func(m Measures) float64 { return m.P50Millis }),
		P99Millis:             of(func(m Measures) float64 { return m.P99Millis }),
		CPUMicrosPerPut:       of(func(m Measures) float64 { return m.CPUMicrosPerPut }),
		CPUMicrosPerAck:       of(func(m Measures) float64 { return m.CPUMicrosPerAck }),
		WrittenPerPayloadByte: of(func(m Measures) float64 { return m.WrittenPerPayloadByte }),
		FilesPerPayloadByte:   of(func(m Measures) float64 { return m.FilesPerPayloadByte }),
	}
}

// ratio returns the median of ours divided by theirs, paired by round.
func ratio(ours, theirs []Measures, get func(Measures) float64) float64 {
	var v []float64
	for i := range min(len(ours), len(theirs)) {
		if d := get(theirs[i]); d > 0 {
			v = append(v, get(ours[i])/d)
		}
	}
	return meter.Median(v)
}
