// Package crashtest kills an agent and its server, again and again, and shows that no report is lost, none is stored
// twice, and every number adds up. It has nothing but tests; `make torture` runs as many rounds as one has time for.
//
// A round is a world of its own that follows from one seed: a chunk store, an ingest store, and a few lives.
//
//	test (parent)                      victim (child)                    server (child)
//	plan, ledger, checks ◄──stdout──── submitters, cleaners,             ingest handler over its
//	  │   ▲                            pipeline, chunk store             store, with faults
//	  │   └─ reads both stores             │                                 ▲
//	  └─ kills ──► both                    └────────► relay (parent) ────────┘
//
// In each life a victim works on the store until it dies: at a random moment, at a named step, or in good order. It
// tells the parent of each report that was accepted, after it was, so what the ledger has must not be lost. After a
// life, and at the end after a drain to a healthy server, the parent compares the ledger with both stores.
//
// Full disks are real ones: a small file system, mounted in a namespace of its own, where Linux lets one do so.
//
// A failure names its seed; SEED= plays the same operations, faults and moments of death again. The scheduling of
// goroutines and processes is not replayed, so a rare failure may need the seed several times.
package crashtest
