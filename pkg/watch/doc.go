// Package watch looks after what the agent did not start: processes of the host that match a rule, zombies, scanners that
// a dead agent left behind, and directories that grow.
//
// A [Watcher] takes a look at an interval. A [Rule] has soft and hard limits: over a soft one the process is reported,
// over a hard one it is ended: TERM, a wait, KILL. A [Dir] is kept under a size: what was not used for longest
// goes first. Everything is an event, and nothing is ended or removed unless [Config].Enforce says so: without it, a
// look says what it would do.
//
// Some processes are never ended, whatever the rules say: this one, its parents and its children, pid 1, the kernel's
// threads, what runs for users that the rule does not allow, and what a living agent looks after itself, which is told
// by the marker that package scan gives to its children.
//
// It works on Linux. On other systems [New] returns [errors.ErrUnsupported] when there is something to watch.
package watch
