// Package sdktest stands in, in tests, for what an agent works with: an Uploader for the server, a Source for where
// jobs come from, a Scanner for the tool, a Sampler for the host, and a Recorder for who listens to its events.
//
// Each does its usual thing until it is told otherwise, keeps what it was asked, and has a method that waits for what
// the test is about, so that no test needs to sleep. Their zero values are ready for use, all methods may be called
// concurrently, and none starts a goroutine, so they work in a testing/synctest bubble too.
//
// To test against a real server use pkg/ingest/ingesttest, against a real scanner process pkg/scan/scantest.
package sdktest
