// Package crashtest kills an agent and its server, again and again, and shows that no report is lost, none is stored
// twice, and every number adds up. It contains only tests; `make torture` runs any number of rounds.
//
// A round is a world of its own that follows from one seed: a chunk store, an ingest store, and a few lives.
//
//	test (parent)                      victim (child)                    server (child)
//	plan, ledger, checks ◄──stdout──── submitters, cleaners,             ingest handler over its
//	  │   ▲                            pipeline, chunk store             store, with faults
//	  │   └─ reads both stores             │                                 ▲
//	  └─ kills ──► both                    └────────► relay (parent) ────────┘
//
// In each life a victim works on the store until it dies: at a random moment, at a named step, or by an orderly stop. It
// tells the parent of each report that was accepted, after it was, so what the ledger has must not be lost. After a
// life, and at the end after a drain to a healthy server, the parent compares the ledger with both stores.
//
// Full disks are real: small file systems, mounted in a namespace of their own if Linux permits it.
//
// A failure names its seed; SEED= repeats the same operations, faults and times of death. The scheduling of
// goroutines and processes is not replayed, so a rare failure may need the seed several times.
package crashtest
