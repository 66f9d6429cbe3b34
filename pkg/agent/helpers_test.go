package agent_test

import (
	"context"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/resource"
	"github.com/rediverio/sdk/pkg/scan/scantest"
	"github.com/rediverio/sdk/pkg/sdktest"
)

func TestMain(m *testing.M) {
	scantest.Main()
	os.Exit(m.Run())
}

// bed is an agent between fakes.
type bed struct {
	source   sdktest.Source
	scanner  sdktest.Scanner
	uploader sdktest.Uploader
	host     sdktest.Sampler
	events   sdktest.Recorder

	agent  *agent.Agent
	cancel context.CancelFunc // ends the context of Run
	err    error              // result of Run
	done   chan struct{}      // closed when Run has returned
}

// config returns the configuration of an agent with two slots.
func (b *bed) config() agent.Config {
	return agent.Config{
		Source: &b.source, Scanner: &b.scanner, Uploader: &b.uploader, Sink: &b.events,
		Resource: resource.ControllerConfig{MaxConcurrentJobs: 2, Sampler: &b.host},
		Pipeline: pipeline.PipelineConfig{RetryDelay: 10 * time.Millisecond, Sink: &b.events},
	}
}

// start runs the agent until the end of the test.
func (b *bed) start(t testing.TB, edit ...func(*agent.Config)) {
	t.Helper()
	cfg := b.config()
	for _, f := range edit {
		f(&cfg)
	}
	a, err := agent.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.agent, b.done = a, make(chan struct{})
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(b.done)
		b.err = a.Run(ctx)
	}()
	t.Cleanup(func() {
		b.cancel()
		a.Abort()
		<-b.done
	})
}

// end waits until Run has returned, and returns its error.
func (b *bed) end(t testing.TB) error {
	t.Helper()
	select {
	case <-b.done:
	case <-limit(t).Done():
		t.Fatalf("Run does not return, Status() = %+v\n%s", b.agent.Status(), stacks())
	}
	return b.err
}

// limit returns a context that bounds a wait. It only ends tests that would never end. In a synctest bubble, whose clock
// starts in 2000, waiting takes no time.
func limit(t testing.TB) context.Context {
	d := 2 * time.Minute
	if time.Now().Year() < 2020 {
		d = 100 * time.Hour
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// verbs joins the names of the methods that were called.
func verbs(calls []sdktest.Call) string {
	var names []string
	for _, c := range calls {
		names = append(names, c.Verb)
	}
	return strings.Join(names, " ")
}

func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}
