// Package ingest is the agent's side of the platform's HTTP protocol: a [Client] that uploads the parts of reports, a
// job [Source] over the commands of a server, and heartbeats. It links no database. The other side of the same protocol is
// package server below it.
//
// Every call of a Client fails with an [*Error], whose methods classify the failure for a retry loop. Every answer is
// bounded, redirects are not followed to another host, and the token leaves for no other place.
package ingest
