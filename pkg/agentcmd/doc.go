// Package agentcmd is the command line of an agent as a library. An agent is a main function that calls Main with an
// App: a name, and whatever it has of its own – scanners, an uploader, a job source, settings, verbs. It then has the
// verbs run, scan, import, findings, queue, audit, status, scanners, doctor, watch, validate, ingest and version, a
// configuration file that is checked strictly, environment variables, an orderly stop on signals, a control socket, an
// audit log, and documented exit codes.
package agentcmd
