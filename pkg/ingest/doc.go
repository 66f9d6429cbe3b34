// Package ingest is both ends of the platform's HTTP protocol: a [Client] that uploads the parts of reports, and
// an [NewHandler] over a SQLite [Store] that takes them, so that every agent can run, be tested and be shown
// without the platform.
//
//	Client.Upload ──HTTP──► handler ──► bounded decode ──► Store.put ──► one transaction
//	                        token → tenant                  part seen? same answer · 409
//	                                                        last part in? the report becomes visible
//
// # What the receiver promises
//
// A part is stored once for each (tenant, key), whatever is resent: the same key with the same bytes gets the
// first answer again, marked as a duplicate; with other bytes it is refused with 409. The findings of a report
// become visible together, in the transaction that stores its last part; parts may come in any order. A finding
// is known by tenant, asset and fingerprint: seen again, it is updated and never doubled. Nothing is ever
// resolved because a report does not mention it.
//
// Every size, count and depth of a request is bounded by [Limits], and nobody sees another tenant's data: the
// tenant comes from the bearer token alone.
package ingest
