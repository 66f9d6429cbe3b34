package proc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// endPoll is how often End looks whether it shall go on.
const endPoll = 50 * time.Millisecond

// End stops exactly this process, whoever started it: TERM, and KILL when it has not ended within grace or ctx is done.
// What it started is left alone. A handle is taken first and the start compared then, so that a pid that was
// used again is left alone; still is asked after that, before each signal, with what the process is now: it may have become
// another program. It returns ErrGone when there is nothing to do any more, and an error when the
// process may not be signalled or does not end.
func (p Process) End(ctx context.Context, grace time.Duration, still func(now Process) bool) (killed bool, err error) {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EINVAL) {
		return false, ErrGone
	}
	if err != nil { // an old kernel, or a sandbox: what cannot be held is not signalled
		return false, fmt.Errorf("pidfd of %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	if now, ok := p.now(); !ok || !still(now) {
		return false, ErrGone
	}
	if gone, err := p.signal(ctx, fd, unix.SIGTERM, grace); gone || err != nil {
		return false, err
	}
	now, ok := p.now()
	if !ok {
		return false, nil // just now
	}
	if !still(now) {
		return false, ErrGone
	}
	gone, err := p.signal(context.WithoutCancel(ctx), fd, unix.SIGKILL, killWait)
	if err == nil && !gone {
		err = fmt.Errorf("process %d does not end %v after KILL", p.PID, killWait)
	}
	return true, err
}

// now returns what the process is now; ok is false when it has ended.
func (p Process) now() (now Process, ok bool) {
	up, err := uptime()
	if err != nil {
		return Process{}, false
	}
	now, ok = readProcess(p.PID, up)
	return now, ok && now.Start == p.Start && !now.Zombie
}

// signal sends sig and waits at most d for the end of the process.
func (p Process) signal(ctx context.Context, fd int, sig unix.Signal, d time.Duration) (gone bool, err error) {
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return true, nil
		}
		return false, fmt.Errorf("signal %d: %w", p.PID, err)
	}
	for deadline := time.Now().Add(d); ; {
		left := min(time.Until(deadline), endPoll)
		if left <= 0 || ctx.Err() != nil {
			return false, nil
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} // readable once it has ended
		if n, err := unix.Poll(fds, int(left.Milliseconds())+1); err == nil && n > 0 {
			return true, nil
		}
	}
}
