// Package server is the receiving side of the ingest protocol: an http.Handler over a SQLite [Store], made by [NewHandler], so that every
// agent can be run, tested and demonstrated without the platform.
//
//	ingest.Client ──HTTP──► handler ──► bounded decode ──► Tenant.put ──► one transaction
//	                        token → tenant                   known part: same answer, or 409
//	                                                         last part: the report becomes visible
//
// # What the receiver promises
//
// A part is stored once for each (tenant, key), however often it is sent. The same key with the same bytes gets the
// first answer again, marked as a duplicate; with other bytes it is refused with 409. The findings of a report become
// visible together, in the transaction that stores its last part; parts may come in any order. A finding is identified
// by tenant, asset and fingerprint: when it is reported again it is updated, never doubled. No finding is resolved because a
// report does not contain it.
//
// Every size, count and depth of a request is bounded by [Limits]. The tenant follows from the bearer token alone, and no
// request reads the data of another tenant.
package server
