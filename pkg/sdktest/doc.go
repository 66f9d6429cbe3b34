// Package sdktest provides fakes for tests of an agent: an Uploader in place of the server, a Source of jobs, a Scanner in
// place of a tool, a Sampler in place of the host, and a Recorder of events.
//
// Each fake succeeds until it is set to fail, records the calls it gets, and has methods that wait for what the test is
// about, so that no test needs to sleep. The zero values are ready to use and all methods may be called concurrently. No
// fake starts a goroutine, so they also work in a testing/synctest bubble.
//
// To test with a real server use pkg/ingest/ingesttest, and with a real scanner process pkg/scan/scantest.
package sdktest
