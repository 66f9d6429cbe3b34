// Package limits holds the limits an operator sets for the agent itself, in four sets, and what enforces them.
//
// A limit that enforces nothing does not exist: each field names what holds it.
//
//	ComputationalLimits  goroutines of a Group; thresholds and jobs of the resource controller
//	MemoryLimits         the Go heap of the agent; thresholds of the resource controller
//	NetworkLimits        connections, rates, sizes and timeouts of a Transport
//	FileSystemLimits     free disk space
//
// A zero field means its default, -1 means off where the comment says so, and Validate returns all problems at
// once. A value that is refused at run time is an *ErrLimit, which names field, value and bound.
//
// # Units
//
// Sizes are MiB where the name ends in MB, in the configuration and in the field. (The document these sets come
// from sets max_heap_size_mb to a number of bytes; such a value is refused here.) Thresholds are fractions, 0.8 for
// 80 percent; those of resource.ControllerConfig are percentages. Durations are time.Duration: "30s" in YAML,
// nanoseconds in JSON.
//
// # Left out
//
// These fields of the original sets have nothing here that they could limit, or something else limits it:
//
//	max_worker_pools, max_channel_buffers          each pool and queue is bounded where it is configured
//	operation_timeout                              each kind of operation has its own: scan, upload, read, write
//	scheduler_preemption                           the Go runtime always preempts
//	goroutine_leak_threshold, enable_leak_detection, leak_check_interval,
//	heap_growth_threshold_mb                       alarms rather than limits; they come with pkg/health and pkg/alert
//	max_log_entries, max_request_history, max_process_history, max_error_entries,
//	max_url_entries                                there are no such histories in memory
//	max_string_buffer_size, max_json_buffer_size   decoding is bounded by pkg/report and pkg/ingest
//	max_proxy_connections, max_mcp_connections, max_websocket_clients,
//	max_watched_files, file_watch_timeout          there is no proxy, MCP or web socket server and no file watcher
//	circuit_breaker_…                              the pipeline spaces out failing uploads by itself
//	max_file_descriptors, max_open_files           the limit of the operating system (ulimit -n)
//	max_log_files, max_log_file_size_mb,
//	max_total_log_size_mb                          audit.LoggerConfig
//	max_temp_file_size_mb                          the output cap of pkg/scan
//	max_concurrent_reads, max_concurrent_writes,
//	io_timeout                                     file access goes through SQLite, which has one writer
//	disk_space_check_interval                      free space is looked up when it matters; that costs microseconds
package limits
