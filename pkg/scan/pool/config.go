package pool

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/pkg/event"
)

// Config says what a pool runs. Command must be set; everything else has a default.
type Config struct {
	// Name is the server's in events and errors. Empty: the last element of the path of the command.
	Name string
	// Command is the executable with its arguments. With Network, "{addr}" in an argument is where the server is to listen.
	Command []string
	Dir     string   // working directory; empty: the caller's
	Env     []string // the whole environment as K=V; nil: PATH and HOME of this process

	// Framing says where a message ends. Empty: Lines.
	Framing Framing
	// Network is how the server is reached: empty for its standard input and output; unix for a socket in a private directory
	// that only this user may enter; tcp for a loopback port, which any user of the host may connect to; http for requests to
	// such a port, where the method of a Request is a path, or a verb and a path ("GET /healthz"), and its parameters are the body.
	Network string

	Max         int           // instances, starting ones included; default 3
	MinIdle     int           // instances that are kept started and free, as far as Max allows; default 0
	IdleTimeout time.Duration // after which a free instance over MinIdle is stopped; default 5m; -1: never
	MaxCalls    int           // after which an instance is replaced; 0: any number

	// MemoryBytes is what the process tree of an instance may take: over it, it is replaced once its call is over. Default
	// 512 MiB; -1: no limit. Linux only.
	MemoryBytes int64
	// HardMemoryBytes is what it may take at no time: over it, it is killed in the middle of a call. Default twice MemoryBytes;
	// -1: no limit. Linux only.
	HardMemoryBytes int64

	StartTimeout time.Duration // of a start, Initialize included; default 30s
	CallTimeout  time.Duration // of a call; default 1m; -1: only that of its context
	WaitTimeout  time.Duration // of Get for a free instance; default 30s; -1: only that of its context
	MaxWaiting   int           // callers that wait for one; the next is refused; default 100
	Grace        time.Duration // for a server that was asked to end, and again between TERM and KILL; default 2s

	MaxMessageBytes int // of a message in either direction; default 16 MiB
	// MaxUnsolicited is how many notifications and requests a server may send between two answers; default 10000.
	MaxUnsolicited int

	// Health is a request that an instance that was free for HealthInterval has to answer within HealthTimeout; an answer that
	// is an error counts. Without a method, none is sent.
	Health         Request
	HealthInterval time.Duration // default 30s
	HealthTimeout  time.Duration // default 5s

	// MaxFailures is how many failed starts and crashes in a row make callers fail at once, while no instance runs; default 5.
	// Between them there are pauses from Backoff, doubled each time, to MaxBackoff; default 100ms and 30s.
	MaxFailures int
	Backoff     time.Duration
	MaxBackoff  time.Duration

	// Initialize is called for each new instance before anybody gets it: the place for a handshake. Nil: none.
	Initialize func(ctx context.Context, s *Server) error
	// Shutdown are sent to a server before its input is closed: requests first, whose answers are awaited, then notifications,
	// which have Notify set. Empty: closing its input is all.
	Shutdown []Request
	// Handle is called for what a server sends of its own accord; its result answers a request, and is dropped for a
	// notification. It may be called concurrently, must return soon, and a panic is an error. Nil: notifications are
	// dropped, requests answered with "method not found".
	Handle func(method string, params json.RawMessage) (result any, err error)

	// Sink hears of instance_started and instance_stopped. Nil: nobody does.
	Sink event.Sink
}

// Request is a request, or a notification, that is part of a configuration.
type Request struct {
	Method string
	Params any  // nil: none
	Notify bool // it gets no answer
}

// The defaults of Config.
const (
	DefaultMax             = 3
	DefaultIdleTimeout     = 5 * time.Minute
	DefaultMemoryBytes     = 512 << 20
	DefaultStartTimeout    = 30 * time.Second
	DefaultCallTimeout     = time.Minute
	DefaultWaitTimeout     = 30 * time.Second
	DefaultMaxWaiting      = 100
	DefaultGrace           = 2 * time.Second
	DefaultMaxMessageBytes = 16 << 20
	DefaultMaxUnsolicited  = 10_000
	DefaultHealthInterval  = 30 * time.Second
	DefaultHealthTimeout   = 5 * time.Second
	DefaultMaxFailures     = 5
	DefaultBackoff         = 100 * time.Millisecond
	DefaultMaxBackoff      = 30 * time.Second
)

// MaxInstances is the most that Config.Max may be.
const MaxInstances = 1000

const addrPlaceholder = "{addr}"

// Validate returns every field that is out of range, in one error.
func (c Config) Validate() error {
	v := config.New("")
	if len(c.Command) == 0 || c.Command[0] == "" {
		v.Addf("command", "is empty")
		c.Command = []string{"none"}
	}
	hasAddr := strings.Contains(strings.Join(c.Command, " "), addrPlaceholder)
	switch {
	case c.Network == "" && hasAddr:
		v.Addf("network", "is empty, yet the command has %s", addrPlaceholder)
	case c.Network != "" && !hasAddr:
		v.Addf("command", "has no %s for the server to listen at", addrPlaceholder)
	}
	v.OneOf("network", c.Network, "", "unix", "tcp", "http")
	c = c.withDefaults()
	v.OneOf("framing", string(c.Framing), string(Lines), string(ContentLength))
	config.Range(v, "max", c.Max, 1, MaxInstances)
	config.Range(v, "min_idle", c.MinIdle, 0, max(c.Max, 0))
	config.Range(v, "max_calls", c.MaxCalls, 0, 1<<31-1)
	config.RangeOrOff(v, "memory_bytes", c.MemoryBytes, 1<<20, 1<<50)
	config.RangeOrOff(v, "hard_memory_bytes", c.HardMemoryBytes, max(1<<20, c.MemoryBytes), 1<<50)
	config.Range(v, "max_waiting", c.MaxWaiting, 1, 1<<20)
	config.Range(v, "max_message_bytes", c.MaxMessageBytes, 1<<10, 1<<30)
	config.Range(v, "max_unsolicited", c.MaxUnsolicited, 1, 1<<31-1)
	config.Range(v, "max_failures", c.MaxFailures, 1, 1000)
	config.RangeOrOff(v, "idle_timeout", c.IdleTimeout, time.Millisecond, 365*24*time.Hour)
	config.Range(v, "start_timeout", c.StartTimeout, time.Millisecond, time.Hour)
	config.RangeOrOff(v, "call_timeout", c.CallTimeout, time.Millisecond, 30*24*time.Hour)
	config.RangeOrOff(v, "wait_timeout", c.WaitTimeout, time.Millisecond, 24*time.Hour)
	config.Range(v, "grace", c.Grace, time.Millisecond, time.Hour)
	config.Range(v, "health_interval", c.HealthInterval, time.Millisecond, 24*time.Hour)
	config.Range(v, "health_timeout", c.HealthTimeout, time.Millisecond, time.Hour)
	config.Range(v, "backoff", c.Backoff, time.Millisecond, time.Hour)
	config.Range(v, "max_backoff", c.MaxBackoff, time.Millisecond, 24*time.Hour)
	return v.Err()
}

// withDefaults returns c with every default in place.
func (c Config) withDefaults() Config {
	c.Command, c.Env, c.Shutdown = slices.Clone(c.Command), slices.Clone(c.Env), slices.Clone(c.Shutdown)
	config.Default(&c.Name, filepath.Base(c.Command[0]))
	if c.Env == nil {
		for _, name := range []string{"PATH", "HOME"} {
			if v, ok := os.LookupEnv(name); ok {
				c.Env = append(c.Env, name+"="+v)
			}
		}
	}
	config.Default(&c.Framing, Lines)
	config.Default(&c.Max, DefaultMax)
	config.Default(&c.IdleTimeout, DefaultIdleTimeout)
	config.Default(&c.MemoryBytes, DefaultMemoryBytes)
	if c.MemoryBytes > 0 {
		config.Default(&c.HardMemoryBytes, 2*c.MemoryBytes)
	} else {
		config.Default(&c.HardMemoryBytes, -1)
	}
	config.Default(&c.StartTimeout, DefaultStartTimeout)
	config.Default(&c.CallTimeout, DefaultCallTimeout)
	config.Default(&c.WaitTimeout, DefaultWaitTimeout)
	config.Default(&c.MaxWaiting, DefaultMaxWaiting)
	config.Default(&c.Grace, DefaultGrace)
	config.Default(&c.MaxMessageBytes, DefaultMaxMessageBytes)
	config.Default(&c.MaxUnsolicited, DefaultMaxUnsolicited)
	config.Default(&c.HealthInterval, DefaultHealthInterval)
	config.Default(&c.HealthTimeout, DefaultHealthTimeout)
	config.Default(&c.MaxFailures, DefaultMaxFailures)
	config.Default(&c.Backoff, DefaultBackoff)
	config.Default(&c.MaxBackoff, max(DefaultMaxBackoff, c.Backoff))
	return c
}
