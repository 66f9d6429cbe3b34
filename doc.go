// Package sdk documents a module for security-scanning daemons. An agent built with it does not harm its host, loses no
// report that it accepted, does not wait for the network, and keeps evidence of its actions. The package contains no code.
//
// The packages are listed here in the order in which a report passes through them.
//
// The data model:
//
//   - pkg/event: Event and Sink, the common vocabulary of all packages.
//   - pkg/job: Job, a lease on a piece of work, and its sources.
//   - pkg/report: Report, Finding, Asset and Dependency. pkg/report/sarif reads and writes SARIF 2.1.0.
//   - pkg/part: Part, the unit of storage and upload, and the Splitter that makes parts of a report.
//
// The host:
//
//   - pkg/resource: Controller, which admits a job only if CPU and memory allow it.
//   - pkg/limits: the limits that an operator sets, and their enforcement.
//   - pkg/scan: Runner, which runs a scanner as a supervised child process.
//   - pkg/scan/pool: scanner servers that are shared by scans and replaced when they fail.
//   - pkg/watch: processes and directories that the agent did not create.
//
// Storage and upload:
//
//   - pkg/pipeline: Pipeline, whose Submit returns at once and whose workers upload.
//   - pkg/chunk: Manager, the durable spool of a pipeline in one SQLite file.
//   - pkg/ingest: the client of the HTTP protocol. pkg/ingest/server is the other side, for tests and small installations.
//   - pkg/audit: Logger, a Sink that writes JSON lines.
//
// The agent:
//
//   - pkg/agent: Agent, which takes jobs from a source, and scans, stores and uploads.
//   - pkg/agentcmd: the command line of an agent. cmd/example-agent adds only its name to it.
//
// For tests of an agent, pkg/sdktest has an uploader, a job source, a scanner and a host under the control of the test,
// pkg/ingest/ingesttest has a server with faults, and pkg/scan/scantest has scanners that misbehave.
//
// The table in layout_test.go defines which package may import which.
package sdk
