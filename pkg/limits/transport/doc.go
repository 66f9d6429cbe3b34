// Package transport applies limits.NetworkLimits to HTTP requests.
//
// New returns an http.RoundTripper that bounds connections, request rates, bandwidth, response sizes and pauses, and that
// fails fast while a host does not answer. Requests that exceed a bound of time or size fail with a *limits.LimitError;
// requests to a host that does not answer fail with a *CircuitOpenError.
//
// # One circuit breaker for each request
//
// An upload already has a gate: the pipeline pauses all uploads after failures and knows more than a status code, such as
// Retry-After and rejected credentials. A client with such a gate uses WithoutBreaker, so that two breakers never delay
// one request. All other limits still apply, and both round trippers share them.
package transport
