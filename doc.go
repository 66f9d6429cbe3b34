// Package sdk is the front page of a module for security-scanning daemons that never hurt their host, never lose
// a report they accepted, never wait for the network, and can prove what they did. It holds no code.
//
// Read the packages in this order, which is the way of a report.
//
// Words, which everything else is said in:
//
//   - pkg/event: Event and Sink, one vocabulary for what happened.
//   - pkg/job: Job, a lease on a piece of work.
//   - pkg/report: Report, Finding, Asset and Dependency; the Splitter that cuts a report into Parts.
//     pkg/report/sarif reads SARIF 2.1.0 into them.
//
// The host:
//
//   - pkg/resource: Controller, which admits a job only while CPU and memory allow.
//   - pkg/limits: the limits an operator sets, and what enforces each.
//   - pkg/scan: a scanner as a supervised child process.
//   - pkg/scan/pool: scanner servers that stay and are replaced when they misbehave.
//   - pkg/watch: processes and directories that the agent did not make.
//
// The path:
//
//   - pkg/pipeline: Pipeline, whose Submit returns at once and whose workers upload.
//   - pkg/chunk: Manager, the durable spool behind it, one SQLite file.
//   - pkg/ingest: the HTTP protocol, both the client that uploads and a server to run and test against.
//   - pkg/audit: Logger, a Sink that writes JSON lines.
//
// All together:
//
//   - pkg/agent: Agent, which takes jobs from a source and carries each to the end.
//   - pkg/agentcmd: the command line of an agent; cmd/example-agent is one that adds nothing but its name.
//
// For the tests of an agent: pkg/sdktest has an uploader, a source, a scanner and a host that do as they are told;
// pkg/ingest/ingesttest a server with faults; pkg/scan/scantest scanners that misbehave.
//
// Who may import whom is a table in layout_test.go.
package sdk
