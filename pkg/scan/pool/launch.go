package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/config"
	"github.com/rediverio/sdk/internal/proc"
)

// dialPause is between attempts to reach a server that does not listen yet.
const dialPause = 20 * time.Millisecond

// launcher starts servers.
type launcher struct {
	cfg     *Config
	contain *proc.Containment
}

// launch starts one and reaches it. The caller stops it. With an error there is nothing to stop, and at most words to hear.
func (l *launcher) launch(ctx context.Context) (link, error) {
	args, addr, remove, err := l.place()
	if err != nil {
		return link{said: &lastWords{}}, err
	}
	child, err := proc.Start(proc.Spec{
		Path: args[0], Args: args[1:], Dir: l.cfg.Dir, Env: l.cfg.Env, Marker: proc.MakeMarker("pool-" + l.cfg.Name), Contain: l.contain, Grace: l.cfg.Grace,
		MemoryBytes: config.OrOff(l.cfg.HardMemoryBytes),
	})
	if err != nil {
		remove()
		return link{said: &lastWords{}}, err
	}
	out := link{process: child, in: child.Stdout, out: child.Stdin, said: &lastWords{}, close: remove}
	out.said.follow(child.Stderr)
	if l.cfg.Network == "" {
		return out, nil
	}
	out.said.follow(child.Stdout)
	conn, err := l.dial(ctx, child, addr)
	if err != nil {
		child.Stop()
		remove()
		out.said.wg.Wait()
		return out, err
	}
	if l.cfg.Network == "http" {
		_ = conn.Close() // it has shown that the server listens
		bridge := newHTTPBridge(addr, l.cfg.MaxMessageBytes)
		out.in, out.out = bridge, bridge
		out.close = func() { _ = bridge.Close(); remove() }
		return out, nil
	}
	out.in, out.out = conn, conn
	out.close = func() { _ = conn.Close(); remove() }
	return out, nil
}

// place returns the command, where the server is to listen, and what removes that place.
func (l *launcher) place() (args []string, addr string, remove func(), err error) {
	remove = func() {}
	switch l.cfg.Network {
	case "unix":
		dir, err := os.MkdirTemp("", "rediver-pool-*") // with mode 0700
		if err != nil {
			return nil, "", nil, err
		}
		addr, remove = filepath.Join(dir, "s"), func() { _ = os.RemoveAll(dir) } // what stays is an empty directory for temporary files
	case "tcp", "http":
		probe, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, "", nil, err
		}
		addr = probe.Addr().String()
		if err := probe.Close(); err != nil {
			return nil, "", nil, err
		}
	}
	for _, arg := range l.cfg.Command {
		args = append(args, strings.ReplaceAll(arg, addrPlaceholder, addr))
	}
	return args, addr, remove, nil
}

// dial reaches a server once it listens.
func (l *launcher) dial(ctx context.Context, child process, addr string) (net.Conn, error) {
	network := l.cfg.Network
	if network == "http" {
		network = "tcp"
	}
	for {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			return conn, nil
		}
		t := time.NewTimer(dialPause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, fmt.Errorf("it does not listen at %s: %w", addr, errors.Join(context.Cause(ctx), err))
		case <-child.Exited():
			t.Stop()
			return nil, errors.New("it ended before it listened")
		}
	}
}
