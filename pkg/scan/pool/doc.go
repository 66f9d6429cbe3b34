// Package pool keeps scanner servers: programs that take seconds to start and then answer many requests, as language
// servers do. They speak JSON-RPC 2.0 over their standard input and output, or a local port.
//
// A [Pool] holds up to Config.Max of them. [Pool.Get] hands one out, in order of arrival, to one caller at a time;
// [Pool.Call] is Get, one call, and Release. A server that crashes, does not answer, writes what is no message, floods, or
// takes too much memory is replaced, and the caller whose call that ends is told why by an [Error]. Starts that fail are tried
// again ever later, and after some failures callers are told at once.
//
// What a server starts is part of it: its whole process tree is measured and ended as that of a scan.
package pool
