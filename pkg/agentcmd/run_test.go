package agentcmd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rediverio/sdk/internal/testkit"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan/scantest"
)

// dropJob gives a daemon a job as a user does: written under another name, and renamed.
func dropJob(t *testing.T, state, name, scanner, target string) {
	t.Helper()
	b, err := json.Marshal(map[string]string{"scanner": scanner, "target": target})
	if err != nil {
		t.Fatal(err)
	}
	dropFile(t, state, name, string(b))
}

func dropFile(t *testing.T, state, name, text string) {
	t.Helper()
	dir := filepath.Join(state, "jobs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name+".new"), text)
	if err := os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name+".json")); err != nil {
		t.Fatal(err)
	}
}

// status is status -o json, whatever its exit code.
func (p *process) status() *daemonStatus {
	p.h.t.Helper()
	var s daemonStatus
	p.h.run("status", "-o", "json").decode(&s)
	return &s
}

// jobFiles lists a directory below jobs.
func (h *home) jobFiles(dir string) []string {
	h.t.Helper()
	names, err := filepath.Glob(filepath.Join(h.state, "jobs", dir, "[a-z]*.*"))
	if err != nil {
		h.t.Fatal(err)
	}
	for i, n := range names {
		names[i] = filepath.Base(n)
	}
	return names
}

func TestDaemonWorksThroughJobFiles(t *testing.T) {
	t.Parallel()
	srv := ingesttest.New(t)
	h := newHome(t, scanners(t, fake(t, "good", scantest.Results(3)), fake(t, "bad", scantest.Exit(7), scantest.Stderr("no rules\n"))))
	dropJob(t, h.state, "early", "good", t.TempDir()) // before the daemon is there
	d := h.daemon(h.to(srv)...)
	dropJob(t, h.state, "one", "good", t.TempDir())
	testkit.Eventually(t, "two reports", func() bool { return srv.Stats("").Reports == 2 })
	testkit.Eventually(t, "job files gone", func() bool { return len(h.jobFiles("")) == 0 && len(h.jobFiles("active")) == 0 })
	if r := h.run("status").want(ExitOK, "well", "2 completed, 0 failed", "queue 0 reports"); strings.Count(r.out, "\n") != 1 {
		t.Errorf("more than a line when all is well: %q", r.out)
	}

	dropJob(t, h.state, "bad", "bad", t.TempDir())
	dropJob(t, h.state, "unknown", "no-such-scanner", t.TempDir())
	dropFile(t, h.state, "typo", `{"scaner":"good","target":"/"}`)
	dropFile(t, h.state, "rubbish", `{{{`)
	testkit.Eventually(t, "failed jobs", func() bool { return len(h.jobFiles("failed")) == 8 })
	for name, want := range map[string]string{"bad": "exit code 7 is not declared", "unknown": "no-such-scanner", "typo": "scaner", "rubbish": "invalid character"} {
		b, err := os.ReadFile(filepath.Join(h.state, "jobs", "failed", name+".reason"))
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s.reason: %q, %v; want %q", name, b, err, want)
		}
	}
	h.run("status").want(ExitRuntime, "NOT WELL", "job bad: job failed (", "exit code 7")
	if s := d.status(); s.Healthy || s.Agent.JobsCompleted != 2 || s.Agent.JobsFailed != 2 || s.Agent.Pipeline.PartsUploaded != 2 || s.Server != srv.URL {
		t.Errorf("%+v", s)
	}
	dropJob(t, h.state, "two", "good", t.TempDir())
	testkit.Eventually(t, "a job after those that failed", func() bool { return srv.Stats("").Reports == 3 })
	d.end()
	d.says("stopped: 3 jobs completed, 2 failed, 0 reports kept")
	h.run("status").want(ExitUnavailable, "no agent answers")
}

// The first signal lets a job end, the second gives it back, the third exits.
func TestDaemonSignals(t *testing.T) {
	hang := []scantest.Behaviour{scantest.Results(3), scantest.Hang()}
	begin := func(t *testing.T, b ...scantest.Behaviour) (*home, *process) {
		h := newHome(t, "scan: {grace: 100ms}", scanners(t, fake(t, "slow", b...)))
		d := h.daemon()
		dropJob(t, h.state, "slow", "slow", t.TempDir())
		d.h = h
		testkit.Eventually(t, "a scanner that runs", func() bool { s := d.status(); return len(s.Agent.Jobs) == 1 && s.Agent.Jobs[0].Phase == "scanning" })
		return h, d
	}
	t.Run("one", func(t *testing.T) {
		t.Parallel()
		h, d := begin(t, append(hang, scantest.IgnoreTerm())...)
		d.signal(syscall.SIGTERM)
		d.says("taking no more jobs")
		dropJob(t, h.state, "late", "slow", t.TempDir())
		h.run("status").want(ExitRuntime, "draining since", "job slow")
		if got := h.jobFiles("active"); len(got) != 1 {
			t.Errorf("active: %v", got)
		}
		d.signal(syscall.SIGTERM)
		d.wait()
		if got := h.jobFiles(""); len(got) != 2 {
			t.Errorf("jobs left: %v", got)
		}
	})
	t.Run("two", func(t *testing.T) {
		t.Parallel()
		h, d := begin(t, hang...)
		d.signal(syscall.SIGTERM)
		d.says("taking no more jobs")
		d.signal(os.Interrupt.(syscall.Signal))
		d.says("stopping scanners")
		if code := d.wait(); code != ExitOK {
			t.Errorf("exit %d\n%s", code, d.err.String())
		}
		if back := h.jobFiles(""); len(back) != 1 || back[0] != "slow.json" || len(h.jobFiles("active"))+len(h.jobFiles("failed")) != 0 {
			t.Errorf("the job was not returned to its source: %v, active %v, failed %v", back, h.jobFiles("active"), h.jobFiles("failed"))
		}
	})
	t.Run("three", func(t *testing.T) {
		t.Parallel()
		deaf := newScript(t, "slow", "trap '' TERM", "while :; do sleep 1; done")
		h := newHome(t, "scan: {grace: 30s}", scanners(t, deaf.def))
		d := h.daemon()
		dropJob(t, h.state, "slow", "slow", t.TempDir())
		deaf.ready()
		d.signal(syscall.SIGTERM)
		d.says("taking no more jobs")
		d.signal(syscall.SIGTERM)
		d.says("stopping scanners")
		d.signal(syscall.SIGTERM)
		d.says("terminated: exit")
		if code := d.wait(); code != ExitRuntime {
			t.Errorf("exit %d", code)
		}
		// The next daemon ends what the last one could not, and finds the job.
		write(t, h.config, plainConfig+scanners(t, fake(t, "slow", scantest.Results(3))))
		next := h.daemon()
		testkit.Eventually(t, "the job done", func() bool { return next.status().Agent.JobsCompleted == 1 })
		next.end()
	})
}

// While the daemon holds the store, the queue verbs go through its socket.
func TestQueueOfARunningDaemon(t *testing.T) {
	t.Parallel()
	srv := ingesttest.New(t)
	srv.Fail(ingesttest.Fault{Status: 413})
	key := filepath.Join(t.TempDir(), "key")
	write(t, key, base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n")
	h := newHome(t, scanners(t, fake(t, "good", scantest.Results(3))))
	h.env = append(h.env, "REDIVER_CHUNK_KEY_FILE="+key)
	d := h.daemon(h.to(srv)...)
	if q := h.queue(); len(q) != 0 {
		t.Errorf("queue: %v", q)
	}
	dropJob(t, h.state, "one", "good", t.TempDir())
	testkit.Eventually(t, "a dead letter", func() bool { q := h.queue(); return len(q) == 1 && q[0]["state"] == "failed" })
	h.run("queue", "show", "one").want(ExitOK, "dead", "413")
	h.run("queue", "show", "two").want(ExitRuntime, "report two")
	h.run("status").want(ExitRuntime, "1 dead letter: example-agent queue list")
	var exported report.Report
	if h.run("queue", "export", "one").want(ExitOK).decode(&exported); exported.Metadata.ID != "one" || len(exported.Findings) != 3 {
		t.Errorf("exported: %+v", exported)
	}
	h.run("queue", "export", "two").want(ExitRuntime, "report two")
	h.run("queue", "rekey").want(ExitOK, "0 parts")
	h.run("queue", "retry", "one").want(ExitOK, "one: 1 part due again")
	testkit.Eventually(t, "the report", func() bool { return srv.Stats("").Reports == 1 && len(h.queue()) == 0 })
	d.end()
}

func TestDaemonOnATCPPort(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.env = []string{"REDIVER_AGENT_STATUS_ADDR=127.0.0.1:0"} // a port that was free a moment ago may not be now
	d := h.start("run")
	d.says("status on 127.0.0.1:")
	_, addr, _ := strings.Cut(d.err.String(), "status on ")
	addr, _, _ = strings.Cut(addr, "\n")
	h.env = []string{"REDIVER_AGENT_STATUS_ADDR=" + addr}
	h.run("status").want(ExitOK, "well")
	h.run("status", "--addr", addr).want(ExitOK, "well")
	d.end()
	h.env = []string{"REDIVER_AGENT_STATUS_ADDR=0.0.0.0:0"}
	h.run("run").want(ExitRuntime, "agent.status_addr", "loopback")
}

// The daemon takes its jobs from the server's commands.
func TestDaemonWithServerCommands(t *testing.T) {
	t.Parallel()
	srv := ingesttest.New(t)
	h := newHome(t, scanners(t, fake(t, "good", scantest.Results(3)), fake(t, "bad", scantest.Exit(7))))
	h.env = []string{"REDIVER_AGENT_JOB_SOURCE=server"}
	command := func(id, kind, payload string) {
		if _, err := srv.Store.Tenant(ingesttest.Tenant).AddCommand(ingest.Command{ID: id, Type: kind, Payload: json.RawMessage(payload)}); err != nil {
			t.Fatal(err)
		}
	}
	target, err := json.Marshal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	command("cmd-good", "scan", `{"scanner":"good","target":`+string(target)+`}`)
	command("cmd-bad", "scan", `{"scanner":"bad","target":`+string(target)+`}`)
	command("cmd-other", "reboot", `{}`)
	d := h.daemon(h.to(srv)...)
	ended := func(id, verb string) func() bool {
		return func() bool {
			for _, r := range srv.Requests() {
				if strings.Contains(r.Path, id) && strings.HasSuffix(r.Path, verb) && r.Status == 200 {
					return true
				}
			}
			return false
		}
	}
	testkit.Eventually(t, "the good command complete", ended("cmd-good", "/complete"))
	testkit.Eventually(t, "the bad command failed", ended("cmd-bad", "/fail"))
	testkit.Eventually(t, "the unknown command failed", ended("cmd-other", "/fail"))
	if st := srv.Stats(""); st.Reports != 1 || st.Findings != 3 {
		t.Errorf("server: %+v", st)
	}
	pending, err := srv.Store.Tenant(ingesttest.Tenant).Commands(context.Background(), 10)
	if err != nil || len(pending) != 0 {
		t.Errorf("pending: %v, %v", pending, err)
	}
	d.end()
}

// A daemon reports its status to the server, which lists it.
func TestDaemonHeartbeat(t *testing.T) {
	t.Parallel()
	srv, h := ingesttest.New(t), newHome(t)
	h.env = []string{"REDIVER_AGENT_HEARTBEAT_INTERVAL=1s"}
	d := h.daemon(h.to(srv)...)
	testkit.Eventually(t, "a heartbeat", func() bool {
		agents := testkit.Must(srv.Client().Agents(t.Context()))
		return len(agents) == 1 && agents[0].Heartbeat.Status == "idle"
	})
	d.end()
}
