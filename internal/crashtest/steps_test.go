package crashtest

import (
	"context"
	"database/sql/driver"
	"os"
	"strings"
	"sync/atomic"

	"modernc.org/sqlite"

	"github.com/rediverio/sdk/pkg/event"
)

// Steps are moments to die at, by name: within an SQL transaction where there is text, elsewhere where the code calls
// reached. before commit is the end of a transaction that is not on disk.
var (
	victimSteps = map[string]string{
		"report row":    "AFTER INSERT ON main.reports",
		"report change": "AFTER UPDATE ON main.reports",
		"report gone":   "AFTER DELETE ON main.reports",
		"part row":      "AFTER INSERT ON main.parts",
		"part change":   "AFTER UPDATE ON main.parts",
		"part gone":     "AFTER DELETE ON main.parts",
		"part data":     "AFTER INSERT ON main.blobs",
		"data change":   "AFTER UPDATE ON main.blobs",
		"data gone":     "AFTER DELETE ON main.blobs",
		beforeCommit:    "",

		"accepted, not told":               "",
		"most of a report":                 "",
		"parts on disk, report not whole":  "",
		"upload begins":                    "",
		"upload answered":                  "",
		"stop begins":                      "",
		"stopped, not closed":              "",
		string(event.ChunkCreated):         "",
		string(event.ChunkUploaded):        "",
		string(event.ChunkFailed):          "",
		string(event.ChunkCleanup):         "",
		string(event.UploadRetry):          "",
		string(event.UploadCompleted):      "",
		string(event.UploadFailed):         "",
		"operator's word done, not told":   "",
		"operator's word given, not asked": "",
	}
	serverSteps = map[string]string{
		"report row":    "AFTER INSERT ON main.report",
		"report change": "AFTER UPDATE ON main.report",
		"part row":      "AFTER INSERT ON main.part",
		"part change":   "AFTER UPDATE ON main.part",
		"content":       "AFTER INSERT ON main.content",
		"finding":       "AFTER INSERT ON main.finding",
		"item":          "AFTER INSERT ON main.item",
		"numbers":       "AFTER UPDATE ON main.tenant",
		beforeCommit:    "",
	}
)

const beforeCommit = "before commit"

// fate is the step at which this process dies, once it was reached left times.
type fate struct {
	step string
	left atomic.Int64
}

func newFate(step string, nth int) *fate {
	f := &fate{step: step}
	f.left.Store(int64(nth))
	return f
}

// reached dies when this is the step and the time.
func (f *fate) reached(step string) {
	if f.step == step && f.left.Add(-1) == 0 {
		die()
	}
}

func die() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill() // SIGKILL, or what comes nearest
	}
	if err != nil {
		panic(err)
	}
	select {} // the signal is on its way
}

// watch makes the steps within transactions of the database at path known to f, from the next connection on.
func (f *fate) watch(path, trigger string) {
	sqlite.MustRegisterScalarFunction("step_reached", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		f.reached(f.step)
		return nil, nil
	})
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		if !strings.Contains(dsn, path) || strings.Contains(dsn, "query_only") {
			return nil
		}
		if f.step == beforeCommit {
			conn.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 { f.reached(beforeCommit); return 0 })
		}
		if trigger == "" {
			return nil
		}
		_, err := conn.ExecContext(context.Background(), "CREATE TEMP TRIGGER fate "+trigger+" BEGIN SELECT step_reached(); END", nil)
		return err
	})
}
