// Package pipeline uploads reports in the background, so that a scan never waits for the network.
//
// Submit accepts a report and returns at once. Workers lease the parts of accepted reports from a Spool and pass them to
// an Uploader. A part that has to be retried goes back to the spool with a due time, so that it occupies no worker. The
// built-in spool is a bounded queue in memory; with a chunk.Manager as the Spool, a report is on disk before Submit
// returns.
//
// Every accepted report ends in exactly one call of OnCompleted or OnFailed, or is still in the spool, and the numbers of
// GetStats add up at every moment.
//
//	Submit ──► Spool ──► workers ──► Uploader
//	             ▲          │
//	             └─ retry ──┤ Settle: uploaded, retry at a time, dead, released
//	                        ▼
//	                OnCompleted, OnFailed
package pipeline
