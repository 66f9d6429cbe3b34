// Package agent runs the main loop of a scanning daemon.
//
// An Agent holds a job slot, takes a job from a job.Source, lets a Scanner work on it, passes the report to the upload
// pipeline, and acknowledges the job once the report is durable at the receiver. A job whose agent dies before that is
// delivered again.
//
// The Sink in Config receives the events of all parts of the agent. The same events go through an event.Bus to the
// handlers given to Agent.Subscribe, which may miss events under load; the Sink misses none.
package agent
